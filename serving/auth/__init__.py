"""Who is calling, and what that role may do; closed by default."""

from serving.auth.callers import (
    KEY_PREFIX,
    Caller,
    bearer,
    check_allowed,
    check_site,
    hashed,
    new_key,
    unauthenticated,
)
from serving.auth.claims import caller_of_claims
from serving.auth.gate import Gate, check_apart, check_no_admin, opens
from serving.auth.tokens import Tokens

__all__ = [
    "KEY_PREFIX",
    "Caller",
    "Gate",
    "Tokens",
    "bearer",
    "caller_of_claims",
    "check_allowed",
    "check_apart",
    "check_no_admin",
    "check_site",
    "hashed",
    "new_key",
    "opens",
    "unauthenticated",
]
