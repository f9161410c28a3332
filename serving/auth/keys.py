"""The life of an API key: named without being shown, and replaced without a gap."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from ledger.chain import ConflictError
from ledger.reference import Key
from ledger.store import Transaction
from serving.auth.callers import hashed, new_key
from serving.auth.gate import check_apart

_SHOWN: Final = 16  # hexadecimal digits of the hash: enough to tell keys apart, too few to be one


def identity(key: Key) -> str:
    """How a key is named where it must not be shown."""
    return f"key_{key.hash[:_SHOWN]}"


def replaced(
    tx: Transaction, old: Key, *, actor: str, now: datetime, grace: timedelta = timedelta()
) -> tuple[Key, str]:
    """A new key with the role, subject, sites and length of life of `old`, which ends after `grace`.

    Raises
    ------
    ConflictError
        If `old` opens nothing any more, or is being replaced already: there is nothing to hand over.
    """
    if not old.is_good(now) or old.revoked_at is not None:
        raise ConflictError("this key has ended or is being replaced; make a new one.")
    check_apart(tx, old.subject, old.role, now=now)
    secret = new_key()
    ends = now + (old.expires_at - old.at) if old.expires_at else None
    new = Key(hashed(secret), old.role, old.subject, old.sites, ends, now, actor)
    tx.add_key(new)
    tx.revoke_key(old.hash, actor=actor, at=now, effective=now + grace)
    return new, secret
