"""JSON Web Tokens of people: verified against the issuer's published keys, and nothing else."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from serving.auth.callers import unauthenticated
from serving.errors import ProblemError
from serving.settings import Settings

# Public keys alone: with HS256 whoever knows the public key could sign.
ALGORITHMS: Final = ("RS256", "ES256")
KINDS: Final[Mapping[str, type[RSAKey | ECKey]]] = {"RSA": RSAKey, "EC": ECKey}
LEEWAY: Final = 10  # seconds between the clocks of the issuer and ours
LONGEST: Final = 16_000  # characters of a token
LEAST_BITS: Final = 2048  # of an RSA key
FRESH: Final = 3600.0  # seconds; a key that the issuer took back is good for no longer
PAUSE: Final = 30.0  # seconds between two questions to the issuer: unknown key ids come from anyone
WAIT: Final = 5.0  # seconds for the issuer's answer
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
Key = RSAKey | ECKey


class Tokens:
    """The reader of one issuer's tokens; its keys are asked for when the first token comes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys: dict[str, Key] = {}
        self._read_at = self._asked_at = float("-inf")
        self._lock = threading.Lock()

    @property
    def accepted(self) -> bool:
        """Whether this service takes tokens at all: issuer, audience and keys are set."""
        return all((self._settings.oidc_issuer, self._settings.oidc_audience, self._settings.oidc_jwks))

    def claims(self, token: str, *, now: datetime) -> Mapping[str, Any]:
        """The claims of a good token.

        Raises
        ------
        ProblemError
            401 where signature, issuer, audience or time is not right; 503 where the issuer's keys are not
            to be had.
        """
        if not self.accepted or len(token) > LONGEST:
            raise _no_good()
        try:
            key = self._key(token, now.timestamp())
            claims = jwt.decode(token, key, algorithms=list(ALGORITHMS)).claims
            self._registry(now).validate(claims)
            lifetime = int(claims["exp"]) - int(claims["iat"])
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise _no_good() from error
        if not 0 < lifetime <= self._settings.oidc_token_seconds or claims["iat"] > now.timestamp() + LEEWAY:
            raise _no_good()
        return claims

    def _registry(self, now: datetime) -> jwt.JWTClaimsRegistry:
        return jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=LEEWAY,
            iss={"essential": True, "value": str(self._settings.oidc_issuer)},
            aud={"essential": True, "value": str(self._settings.oidc_audience)},
            exp={"essential": True},
            iat={"essential": True},
        )

    def _key(self, token: str, now: float) -> Key:
        """The issuer's key that the token names; one that is new is asked for."""
        header = jws.extract_compact(token.encode()).headers()
        kid = str(header.get("kid", ""))
        if header.get("alg") not in ALGORITHMS or "crit" in header:
            raise _no_good()
        with self._lock:
            stale = now - self._read_at > FRESH
            if (stale or self._find(kid) is None) and now - self._asked_at > PAUSE:
                self._asked_at = now
                self._keys, self._read_at = _read(str(self._settings.oidc_jwks)), now
            if now - self._read_at > FRESH:
                raise _no_keys()
            key = self._find(kid)
        if key is None:
            raise _no_good()
        return key

    def _find(self, kid: str) -> Key | None:
        if not kid and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid) if kid else None


def _read(where: str) -> dict[str, Key]:
    """The public keys at an address or in a file, by their id; what is no key to sign with is left out."""
    try:
        text = _fetched(where) if "://" in where else Path(where).read_text(encoding="utf-8")
        found = json.loads(text)["keys"]
    except (httpx.HTTPError, OSError, ValueError, KeyError, TypeError) as error:
        raise _no_keys() from error
    keys: dict[str, Key] = {}
    for one in found:
        kind = KINDS.get(str(one.get("kty"))) if isinstance(one, dict) else None
        if kind is None or one.get("use", "sig") != "sig" or one.get("alg", ALGORITHMS[0]) not in ALGORITHMS:
            continue
        key = kind.import_key({name: value for name, value in one.items() if name not in {"d", "p", "q"}})
        if not isinstance(key, RSAKey) or key.public_key.key_size >= LEAST_BITS:
            keys[str(one.get("kid", ""))] = key
    return keys


def _fetched(url: str) -> str:
    address = urlsplit(url)
    if address.scheme != "https" and address.hostname not in LOOPBACK:
        raise ValueError("keys are fetched over https")
    answer = httpx.get(url, timeout=WAIT, follow_redirects=False)
    return answer.raise_for_status().text


def _no_good() -> ProblemError:
    return unauthenticated("This token is not good here, or no longer; sign in again.")


def _no_keys() -> ProblemError:
    detail = "The issuer's keys cannot be had now; try again later."
    return ProblemError(503, "issuer_unavailable", detail, headers={"Retry-After": "30"})
