"""The one way in: from the credential of a request to its caller, for programs and for people."""

from __future__ import annotations

from datetime import datetime

from ledger.reference import Key
from ledger.store import Ledger, Transaction
from policy.approvals import same_person
from policy.authority import APPROVERS
from serving.auth.callers import KEY_PREFIX, Caller, hashed, unauthenticated
from serving.auth.claims import caller_of_claims
from serving.auth.limits import Limits
from serving.auth.tokens import Tokens
from serving.errors import ProblemError
from serving.settings import Settings

ADMIN = "admin"


class Gate:
    """Keys looked up, tokens verified, and nobody served more than the limits allow."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.tokens = Tokens(settings)
        self._each = Limits(settings.rate_limit)
        self._strangers = Limits(settings.stranger_limit)

    def caller(self, credential: str, ledger: Ledger, *, now: datetime, address: str) -> Caller:
        """Who holds this credential.

        Raises
        ------
        ProblemError
            401 where it is not good, 403 where its claims give no role, 429 beyond the limits.
        """
        try:
            found = self._found(credential, ledger, now)
        except ProblemError as refusal:
            if refusal.status == unauthenticated("").status:
                self._strangers.take(address, now=now.timestamp())
            raise
        self._each.take(found.actor, now=now.timestamp())
        return found

    def _found(self, credential: str, ledger: Ledger, now: datetime) -> Caller:
        if not credential.startswith(KEY_PREFIX):
            return caller_of_claims(self.tokens.claims(credential, now=now), self._settings)
        with ledger.read() as tx:
            key = tx.key(hashed(credential))
        return self.of_key(key, now=now)

    def of_key(self, key: Key | None, *, now: datetime) -> Caller:
        """The caller behind a key of the ledger, if the key still opens anything."""
        if key is None:
            raise unauthenticated("This key is not known here.")
        if not key.is_good(now):
            raise unauthenticated("This key is no longer valid; ask an administrator for a new one.")
        if not opens(key, self._settings, now=now):
            raise unauthenticated("People who approve sign in here; keys of their roles open nothing.")
        return Caller(key.subject, key.role, frozenset(key.sites))


def opens(key: Key, settings: Settings, *, now: datetime) -> bool:
    """Whether a key opens anything here: it is good, and its role may have keys."""
    return key.is_good(now) and (settings.approver_keys or key.role not in APPROVERS)


def check_no_admin(tx: Transaction, caller: Caller, *, now: datetime) -> None:
    """Refuse a decision of somebody who also administers, whichever key it comes with.

    Raises
    ------
    ProblemError
        403.
    """
    if ADMIN in _roles_of(tx, caller.actor, now):
        raise ProblemError(403, "administrator", "Who administers this service approves nothing in it.")


def check_apart(tx: Transaction, subject: str, role: str, *, now: datetime) -> None:
    """Refuse a key by which one subject would both administer and approve.

    Raises
    ------
    ProblemError
        409.
    """
    held = _roles_of(tx, subject, now)
    if (role in APPROVERS and ADMIN in held) or (role == ADMIN and held & set(APPROVERS)):
        detail = "This subject administers or approves already and cannot do both: name another."
        raise ProblemError(409, "administers_and_approves", detail)


def _roles_of(tx: Transaction, subject: str, now: datetime) -> set[str]:
    known = tx.keys()
    return {key.role for key in known if same_person(key.subject, subject) and key.is_good(now)}
