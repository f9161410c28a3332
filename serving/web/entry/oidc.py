"""Sign-in by OpenID Connect: authorization code with PKCE, state and nonce; the ID token is verified here."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import httpx
from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from itsdangerous import BadSignature, URLSafeSerializer
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from serving.api.dependencies import Doors
from serving.auth import caller_of_claims
from serving.errors import ProblemError
from serving.runtime import Runtime
from serving.settings import Settings
from serving.web.entry.sign_in import local, signed_in_as
from serving.web.problems import PageRoute
from serving.web.sessions import base_url, is_https
from serving.web.visitors import Anyone

router = APIRouter(include_in_schema=False, route_class=PageRoute)
COOKIE: Final = "recoup_signing_in"
SECONDS: Final = 600  # that a person has at the provider
WITHIN: Final = 10.0  # seconds for each answer of the provider
SKEW: Final = 60.0  # seconds that clocks may differ
# Signatures by the provider's own key alone: with HMAC whoever knows the client's secret could sign.
ALGORITHMS: Final = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Provider:
    """What the issuer says of itself."""

    issuer: str
    authorization: str
    token: str
    keys: str


@router.get("/sign-in/oidc")
def start(
    request: Request, doors: Doors, visitor: Anyone, back: Annotated[str, Query(alias="return")] = "/"
) -> Response:
    """Send the browser to the provider; a signed cookie remembers what has to come back."""
    found = provider_of(_issuer(doors.settings))
    tried = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
    asked = {
        "response_type": "code",
        "client_id": doors.settings.oidc_client_id or "",
        "redirect_uri": _callback_of(request, doors),
        "scope": doors.settings.oidc_scope,
        "state": tried["state"],
        "nonce": tried["nonce"],
        "code_challenge": create_s256_code_challenge(tried["verifier"]),
        "code_challenge_method": "S256",
    }
    response = RedirectResponse(add_params_to_uri(found.authorization, list(asked.items())), 303)
    said = {**tried, "back": local(back), "until": doors.now().timestamp() + SECONDS}
    response.set_cookie(
        COOKIE,
        _signer(doors).dumps(said),
        path="/sign-in/oidc",
        max_age=SECONDS,
        httponly=True,
        samesite="lax",
        secure=is_https(request, doors),
    )
    return response


@router.get("/sign-in/oidc/callback")
def finish(  # what the provider sends back
    request: Request, doors: Doors, visitor: Anyone, code: str = "", state: str = "", error: str = ""
) -> Response:
    """Exchange the code for an ID token, verify it, and open a session for whom it names."""
    tried = _tried(request, doors)
    if not hmac.compare_digest(state.encode(), tried["state"].encode()):
        raise _failed("what came back was not asked for by this browser")
    if error or not code:
        raise _failed("the provider refused" if error else "the provider sent no code")
    found = provider_of(_issuer(doors.settings))
    token = _exchanged(found, doors.settings, code, tried["verifier"], _callback_of(request, doors))
    claims = verified(token, found, doors.settings, nonce=tried["nonce"], now=doors.now())
    response = signed_in_as(request, doors, caller_of_claims(claims, doors.settings), back=tried["back"])
    response.delete_cookie(COOKIE, path="/sign-in/oidc")
    return response


@lru_cache(maxsize=4)
def provider_of(issuer: str) -> Provider:
    """The provider's addresses, read once.

    Raises
    ------
    ProblemError
        503 where it cannot be reached or is not who it should be.
    """
    said = _answer("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if said.get("issuer") != issuer:
        raise _away("it says to be another issuer")
    addresses = [str(said.get(name, "")) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
    for address in addresses:
        _check_safe(address)
    return Provider(issuer, *addresses)


def verified(
    token: str, provider: Provider, settings: Settings, *, nonce: str, now: datetime
) -> Mapping[str, Any]:
    """The claims of an ID token that this provider signed, for this client and this very sign-in.

    Raises
    ------
    ProblemError
        403.
    """
    try:
        keys = KeySet.import_key_set(_answer("GET", provider.keys))  # type: ignore[arg-type]
        claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
    except (JoseError, ValueError, KeyError) as error:
        raise _failed("its signature is not the provider's") from error
    audience = claims.get("aud")
    many = audience if isinstance(audience, list) else [audience]
    expires = claims.get("exp")
    wrong = {
        "another issuer": claims.get("iss") != provider.issuer,
        "another client": settings.oidc_client_id not in many
        or claims.get("azp", settings.oidc_client_id) != settings.oidc_client_id,
        "another sign-in": not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()),
        "a time that is over": not isinstance(expires, int | float) or expires + SKEW <= now.timestamp(),
    }
    for what, holds in wrong.items():
        if holds:
            raise _failed(f"it is for {what}")
    return claims


def _exchanged(found: Provider, settings: Settings, code: str, verifier: str, callback: str) -> str:
    """The ID token that a code is good for."""
    client, secret = settings.oidc_client_id or "", settings.oidc_client_secret.get_secret_value()
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": callback,
        "client_id": client,
        "code_verifier": verifier,
    }
    said = _answer("POST", found.token, data=form, auth=(client, secret) if secret else None)
    return str(said.get("id_token", ""))


def _answer(method: str, address: str, **options: Any) -> dict[str, Any]:
    _check_safe(address)
    try:
        answer = httpx.request(method, address, timeout=WITHIN, **options)
        said = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise _away("it does not answer") from error
    if answer.is_client_error:
        raise _failed("the provider does not take the code")
    if not answer.is_success or not isinstance(said, dict):
        raise _away("it does not answer as a provider does")
    return said


def _check_safe(address: str) -> None:
    """Refuse to send codes and secrets in the clear, but to this very machine."""
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise _away("its addresses are not https")


def _tried(request: Request, doors: Runtime) -> dict[str, str]:
    try:
        said = _signer(doors).loads(request.cookies.get(COOKIE, ""))
        if doors.now().timestamp() < said["until"]:
            return {name: str(said[name]) for name in ("state", "nonce", "verifier", "back")}
    except (BadSignature, KeyError, TypeError):
        pass
    raise _failed("it took too long, or was begun in another browser")


def _issuer(settings: Settings) -> str:
    if not settings.oidc_issuer or not settings.oidc_client_id:
        raise ProblemError(404, "no_oidc", "Sign-in by company account is not set up here.")
    return settings.oidc_issuer


def _callback_of(request: Request, doors: Runtime) -> str:
    return f"{base_url(request, doors)}/sign-in/oidc/callback"


def _signer(doors: Runtime) -> URLSafeSerializer:
    return URLSafeSerializer(doors.session_key, salt="signing in")


def _failed(why: str) -> ProblemError:
    return ProblemError(403, "sign_in_failed", f"You were not signed in: {why}. Sign in again.")


def _away(why: str) -> ProblemError:
    return ProblemError(
        503, "provider_away", f"The sign-in provider cannot be used: {why}.", headers={"Retry-After": "30"}
    )
