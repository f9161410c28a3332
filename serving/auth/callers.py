"""Who is calling, and what that role may do; closed by default."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from serving.access import Action, allowed
from serving.errors import ProblemError

KEY_PREFIX = "rk_"
_KEY_BYTES = 32  # 256 bits of chance: a plain hash is enough, there is nothing to guess


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a key: role, own subject and the sites in sight (none means all)."""

    subject: str
    role: str
    sites: frozenset[str] = frozenset()

    @property
    def actor(self) -> str:
        """The caller as an actor of the ledger."""
        return self.subject if ":" in self.subject else f"{self.role}:{self.subject}"

    def sees(self, site: str) -> bool:
        """Whether rows of `site` are in this caller's scope."""
        return not self.sites or site in self.sites


def new_key() -> str:
    """A fresh API key; shown once, stored only as its hash."""
    return KEY_PREFIX + secrets.token_urlsafe(_KEY_BYTES)


def hashed(key: str) -> str:
    """What the ledger keeps of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def bearer(authorization: str | None) -> str:
    """The key in an Authorization header.

    Raises
    ------
    ProblemError
        401 where there is none.
    """
    scheme, _, credential = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        raise unauthenticated("Send an API key or a token as 'Authorization: Bearer <key>'.")
    return credential.strip()


def unauthenticated(detail: str) -> ProblemError:
    """The 401 of this service."""
    return ProblemError(401, "unauthenticated", detail, headers={"WWW-Authenticate": 'Bearer realm="recoup"'})


def check_allowed(caller: Caller, action: Action) -> None:
    """Refuse an action that the caller's role does not carry."""
    if not allowed(caller.role, action):
        raise ProblemError(403, "forbidden", f"The role {caller.role} may not do this ({action.value}).")


def check_site(caller: Caller, site: str) -> None:
    """Refuse a row of a site that is out of the caller's scope."""
    if not caller.sees(site):
        raise ProblemError(403, "other_site", "This key does not reach that site.")
