"""Sign-in by key for local use, and sign-out."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from serving import auth
from serving.api.dependencies import Doors
from serving.auth import Caller
from serving.runtime import Runtime
from serving.web.problems import PageRoute
from serving.web.rendering import page
from serving.web.sessions import Session, csrf_token, forget, keep, new_session
from serving.web.visitors import Anyone, PageForm, Visitor, text_of

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/sign-in")
def sign_in(
    request: Request,
    doors: Doors,
    visitor: Anyone,
    back: Annotated[str, Query(alias="return")] = "/",
    ended: str = "",
) -> Response:
    """The ways to sign in."""
    return _form(
        request, doors, visitor, back=back, said="Your session has ended; sign in again." if ended else ""
    )


@router.post("/sign-in")
def sign_in_by_key(request: Request, doors: Doors, visitor: Anyone, form: PageForm) -> Response:
    """Exchange a key for a session."""
    hashed = auth.hashed(text_of(form, "key"))
    with doors.ledger.read() as tx:
        key = tx.key(hashed)
    if key is None or not auth.opens(key, doors.settings, now=doors.now()):
        said = "This key is not known here, or no longer valid."
        return _form(request, doors, visitor, back=text_of(form, "return"), said=said, status=401)
    caller = Caller(key.subject, key.role, frozenset(key.sites))
    return signed_in_as(request, doors, caller, key=hashed, back=text_of(form, "return"))


@router.post("/sign-out")
def sign_out(request: Request, doors: Doors, form: PageForm) -> Response:
    """End the session in this browser."""
    response = RedirectResponse("/sign-in", 303)
    forget(response, request, doors)
    return response


def signed_in_as(request: Request, doors: Runtime, caller: Caller, *, key: str = "", back: str) -> Response:
    """Open a session for `caller` and lead on to where they wanted to be."""
    until = doors.now() + timedelta(hours=doors.settings.session_hours)
    response = RedirectResponse(local(back), 303)
    keep(new_session(until, caller, key=key), response, request, doors)
    return response


def local(path: str) -> str:
    """A path on this service and nowhere else; the overview for anything that is none."""
    plain = path.isprintable() and "\\" not in path and not path.startswith("//")
    return path if plain and path.startswith("/") and not path.startswith("/sign-") else "/"


def _form(  # what the page shows
    request: Request, doors: Runtime, visitor: Visitor, *, back: str, said: str = "", status: int = 200
) -> Response:
    session: Session | None = visitor.session if visitor.caller else None
    fresh = session or new_session(doors.now() + timedelta(hours=1))
    shown = {
        "back": local(back),
        "said": said,
        "csrf": csrf_token(fresh, doors),
        "oidc": bool(doors.settings.oidc_issuer and doors.settings.oidc_client_id),
    }
    response = page(request, "sign_in.html", shown, status=status)
    if session is None:
        keep(fresh, response, request, doors)  # nobody is in it yet; its form can be told from others
    return response
