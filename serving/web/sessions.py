"""Who is at a page: a signed cookie that ends, and the token that every form carries."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import Request, Response
from itsdangerous import BadSignature, URLSafeSerializer

from serving.auth import Caller
from serving.errors import ProblemError
from serving.runtime import Runtime

COOKIE: Final = "recoup_session"


@dataclass(frozen=True, slots=True)
class Session:
    """One visit of one person; before sign-in there is nobody in it.

    Attributes
    ----------
    key : str
        Hash of the key that was signed in with: with the key the session ends. Empty after OIDC.
    """

    id: str
    until: datetime
    caller: Caller | None = None
    key: str = ""


def new_session(until: datetime, caller: Caller | None = None, *, key: str = "") -> Session:
    """A session that nobody can guess."""
    return Session(secrets.token_urlsafe(18), until.replace(microsecond=0), caller, key)


def session_of(request: Request, doors: Runtime) -> Session | None:
    """The session that the request's cookie carries, if this service signed it; it may have ended."""
    said = request.cookies.get(cookie_name(request, doors))
    if not said:
        return None
    try:
        read: dict[str, Any] = _signer(doors).loads(said)
        until = datetime.fromtimestamp(read["until"], UTC)
        caller = Caller(read["subject"], read["role"], frozenset(read["sites"])) if "role" in read else None
        return Session(read["id"], until, caller, read.get("key", ""))
    except (BadSignature, KeyError, TypeError, ValueError):
        return None


def keep(session: Session, response: Response, request: Request, doors: Runtime) -> None:
    """Give the browser the session; scripts cannot read it, other sites cannot send it with a form."""
    said: dict[str, Any] = {"id": session.id, "until": int(session.until.timestamp())}
    if session.caller is not None:
        caller = session.caller
        said |= {"subject": caller.subject, "role": caller.role, "sites": sorted(caller.sites)}
        said |= {"key": session.key}
    response.set_cookie(
        cookie_name(request, doors),
        _signer(doors).dumps(said),
        path="/",
        httponly=True,
        samesite="lax",
        secure=is_https(request, doors),
        max_age=max(0, int((session.until - doors.now()).total_seconds())),
    )


def forget(response: Response, request: Request, doors: Runtime) -> None:
    """Take the session out of the browser."""
    response.delete_cookie(cookie_name(request, doors), path="/", secure=is_https(request, doors))


def csrf_token(session: Session, doors: Runtime) -> str:
    """The token that forms of this session carry."""
    return hmac.new(doors.session_key, b"form " + session.id.encode(), hashlib.sha256).hexdigest()


def check_csrf(request: Request, session: Session, token: str, doors: Runtime) -> None:
    """Refuse a form that no page of this session made.

    Raises
    ------
    ProblemError
        403.
    """
    foreign = request.headers.get("sec-fetch-site") in {"cross-site", "same-site"}
    if foreign or not hmac.compare_digest(token.encode(), csrf_token(session, doors).encode()):
        raise ProblemError(
            403, "foreign_form", "This form does not belong to your session; open its page again and retry."
        )


def base_url(request: Request, doors: Runtime) -> str:
    """Where people reach this service, without a slash at its end."""
    return (doors.settings.public_url or str(request.base_url)).rstrip("/")


def is_https(request: Request, doors: Runtime) -> bool:
    """Whether people reach this service over TLS, be it that of a proxy."""
    return base_url(request, doors).startswith("https://")


def cookie_name(request: Request, doors: Runtime) -> str:
    """The cookie's name: over TLS one that browsers take from this host alone."""
    return f"__Host-{COOKIE}" if is_https(request, doors) else COOKIE


def _signer(doors: Runtime) -> URLSafeSerializer:
    return URLSafeSerializer(
        doors.session_key, salt="session", signer_kwargs={"digest_method": hashlib.sha256}
    )
