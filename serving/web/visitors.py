"""The one who looks at a page: signed in, of a role, with a locale; what forms need to be believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from babel import Locale
from fastapi import Depends, Request
from starlette.datastructures import FormData

from serving import auth
from serving.access import Action, allowed
from serving.api.dependencies import Doors, admitted
from serving.auth import Caller
from serving.errors import ProblemError
from serving.runtime import Runtime
from serving.web.formats import locale_of
from serving.web.sessions import Session, check_csrf, csrf_token, session_of


class SignInError(ProblemError):
    """Nobody is signed in, or no longer: the page leads to sign-in and back."""

    def __init__(self, *, ended: bool) -> None:
        super().__init__(401, "signed_out", "Sign in to see this page.")
        self.ended = ended


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever looks at a page; `caller` is None before sign-in."""

    caller: Caller | None
    session: Session | None
    locale: Locale
    csrf: str

    def may(self, action: Action) -> bool:
        """Whether this person's role carries `action`."""
        return self.caller is not None and allowed(self.caller.role, action)


def visitor_of(request: Request, doors: Doors, _place: Annotated[None, Depends(admitted)]) -> Visitor:
    """Whoever looks at the page, signed in or not."""
    session = session_of(request, doors)
    caller = _caller(session, doors) if session else None
    locale = locale_of(request.headers.get("accept-language", ""))
    visitor = Visitor(caller, session, locale, csrf_token(session, doors) if session else "")
    request.state.visitor = visitor
    return visitor


def _caller(session: Session, doors: Runtime) -> Caller | None:
    """The person of a session that has not ended, as long as the key that opened it is good."""
    if session.caller is None or doors.now() >= session.until:
        return None
    if session.key:
        with doors.ledger.read() as tx:
            key = tx.key(session.key)
        good = key is not None and auth.opens(key, doors.settings, now=doors.now())
        return session.caller if good else None
    return session.caller


Anyone = Annotated[Visitor, Depends(visitor_of)]


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A dependency: the caller, signed in, whose role carries one of `actions`."""

    actions: tuple[Action, ...]

    async def __call__(self, visitor: Anyone) -> Caller:
        """The caller; to sign-in where there is none, 403 where the role carries none of the actions."""
        if visitor.caller is None:
            raise SignInError(ended=visitor.session is not None and visitor.session.caller is not None)
        if self.actions and not any(allowed(visitor.caller.role, action) for action in self.actions):
            auth.check_allowed(visitor.caller, self.actions[0])
        return visitor.caller


def signed_in(*actions: Action) -> Any:
    """A dependency for pages: the signed-in caller who may do any of `actions`."""
    return Depends(SignedIn(actions))


async def form_of(request: Request, doors: Doors, visitor: Anyone) -> FormData:
    """The fields of a form that a page of this very session made; 403 for any other."""
    if visitor.session is None or (visitor.session.caller is not None and visitor.caller is None):
        raise SignInError(ended=visitor.session is not None)
    form = await request.form()
    check_csrf(request, visitor.session, text_of(form, "csrf"), doors)
    return form


PageForm = Annotated[FormData, Depends(form_of)]


def text_of(form: FormData, name: str) -> str:
    """The text of one field; empty where it is not there or a file."""
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""
