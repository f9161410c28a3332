"""Registers of what has versions: master data from ERP and WMS, policies and which was active, keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection, Select, Text, bindparam, func, or_, select

from ledger.chain import ConflictError, Head, NotInLedgerError, into, row_digest
from ledger.personal import CUSTOMER_REGISTERS, behind, opened, with_personal
from ledger.reviews.quality import Draws
from ledger.schema import subjects
from ledger.schema.driver import Fixed
from ledger.schema.registers import key_revocations, keys, policies, policy_activations, reference

ENDPOINTS: Final = "webhook_endpoints"  # endpoints are a register like any other
SHADOW_PRICES: Final = "shadow_prices"
# Every return asks for these whole, they have few rows that seldom change, and no personal data.
SMALL: Final = frozenset({"sites", "recalls", ENDPOINTS, SHADOW_PRICES})


@dataclass(frozen=True, slots=True)
class Reference:
    """One version of a contract, supplier, site, recall, product or other registered thing."""

    kind: str
    id: str
    version: int
    body: Mapping[str, Any]
    at: datetime
    actor: str


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy set, named by its digest."""

    digest: str
    content: Any
    at: datetime
    actor: str


@dataclass(frozen=True, slots=True)
class Key:
    """An API key: the ledger keeps only its hash."""

    hash: str
    role: str
    subject: str
    sites: tuple[str, ...]
    expires_at: datetime | None
    at: datetime
    actor: str
    revoked_at: datetime | None = None

    def is_good(self, at: datetime) -> bool:
        """Say whether the key opens anything at `at`; one that was revoked may have been left some time."""
        ends = [end for end in (self.revoked_at, self.expires_at) if end is not None]
        return all(at < end for end in ends)


Kept: TypeAlias = dict[str, tuple[int, tuple[Reference, ...]]]
"""Whole registers as last read in this process, each with the newest row of all registers it was read at."""


class Registers(Draws):
    """The part of a transaction that writes and reads registers."""

    def __init__(self, connection: Connection, head: Head | None, kept: Kept) -> None:
        super().__init__(connection, head)
        self._kept = kept
        self._newest: int | None = None
        self._put: set[str] = set()  # kinds

    def put_reference(
        self, kind: str, reference_id: str, *, body: Mapping[str, Any], actor: str, at: datetime
    ) -> Reference:
        """Append the next version of a registered thing; an unchanged body appends none."""
        last = self.reference(kind, reference_id)
        if last is not None and last.body == body:
            return last
        new = Reference(kind, reference_id, last.version + 1 if last else 1, dict(body), at, actor)
        values = {name: getattr(new, name) for name in Reference.__dataclass_fields__}
        if kind in CUSTOMER_REGISTERS:
            values["id"] = self._pseudonym(reference_id, actor=actor, at=at)
        name = values["id"]
        self._newest_row()  # before a row of this transaction, which may yet be undone, is the newest
        self._put.add(kind)
        self._record(reference, values, kind=f"reference.{kind}", subject=name, id=name, version=new.version)
        return new

    def reference(self, kind: str, reference_id: str, *, as_of: datetime | None = None) -> Reference | None:
        """Return the newest version, or the one that held at `as_of`; None when there was none."""
        if kind in SMALL and as_of is None:
            return next((one for one in self.references(kind) if one.id == reference_id), None)
        query: Any = _one(customer=kind in CUSTOMER_REGISTERS)
        query = query if as_of is None else query.statement.where(reference.c.at <= as_of)
        row = self._first(query, kind=kind, id=reference_id)
        return None if row is None else _reference(row)

    def references(self, kind: str, *, as_of: datetime | None = None) -> tuple[Reference, ...]:
        """Return the newest version of everything of a kind, by id."""
        # What this transaction put itself may yet be undone: nothing of it is kept for others.
        if kind not in SMALL or as_of is not None or kind in self._put:
            return self._register(kind, as_of)
        newest = self._newest_row()
        seq, found = self._kept.get(kind, (None, ()))
        if seq != newest:
            found = self._register(kind, None)
            self._kept[kind] = (newest, found)
        return found

    def _register(self, kind: str, as_of: datetime | None) -> tuple[Reference, ...]:
        table = reference.c
        newest = select(table.id, func.max(table.version).label("version")).where(table.kind == kind)
        newest = newest if as_of is None else newest.where(table.at <= as_of)
        last = newest.group_by(table.id).subquery()
        query = _references().where(table.kind == kind)
        query = query.join(last, (table.id == last.c.id) & (table.version == last.c.version))
        return tuple(sorted(map(_reference, self._all(query)), key=attrgetter("id")))

    def _newest_row(self) -> int:
        if self._newest is None:
            row = self._first(_NEWEST)
            self._newest = (row["newest"] if row else None) or 0
        return self._newest

    def add_policy(self, digest: str, *, content: Any, actor: str, at: datetime) -> None:
        """Record a policy set under its digest; once recorded it stays as it is.

        Raises
        ------
        ConflictError
            If other content was recorded under the digest.
        """
        there = self.policy(digest)
        if there is None:
            values = {"digest": digest, "content": content, "actor": actor, "at": at}
            self._record(policies, values, kind="policy.added", subject=digest)
        elif there.content != content:
            raise ConflictError(
                f"policy {digest} was recorded with other content; a digest never changes meaning."
            )

    def policy(self, digest: str) -> Policy | None:
        """Return a policy set, or None."""
        query = select(policies.c.digest, policies.c.content, policies.c.at, policies.c.actor)
        row = self._first(query.where(policies.c.digest == digest))
        return None if row is None else Policy(**row)

    def policies(self) -> tuple[Policy, ...]:
        """Return all policy sets, oldest first."""
        query = select(policies.c.digest, policies.c.content, policies.c.at, policies.c.actor)
        return tuple(Policy(**row) for row in self._all(query.order_by(policies.c.seq)))

    def activate_policy(self, digest: str, *, actor: str, at: datetime) -> None:
        """Record that a policy set decides from `at` on; nothing when it already does."""
        if self.active_policy() != digest:
            values = {"digest": digest, "actor": actor, "at": at}
            self._record(policy_activations, values, kind="policy.activated", subject=digest)

    def active_policy(self, *, as_of: datetime | None = None) -> str | None:
        """Return the digest of the policy set that decides now, or decided at `as_of`."""
        table = policy_activations.c
        query = select(table.digest).order_by(table.at.desc(), table.seq.desc()).limit(1)
        row = self._first(query if as_of is None else query.where(table.at <= as_of))
        return row["digest"] if row else None

    def add_key(self, key: Key) -> None:
        """Record a key by its hash."""
        values = {
            name: getattr(key, name) for name in ("hash", "role", "subject", "expires_at", "at", "actor")
        }
        values["sites"] = list(key.sites)
        self._record(keys, values, kind="key.added", subject=key.subject, role=key.role)

    def key(self, key_hash: str) -> Key | None:
        """Return the key of a hash with the time it was revoked, or None."""
        row = self._first(_KEY, hash=key_hash)
        return None if row is None else _key(row)

    def keys(self) -> tuple[Key, ...]:
        """Return all keys, oldest first."""
        return tuple(_key(row) for row in self._all(_keys().order_by(keys.c.seq)))

    def revoke_key(
        self, key_hash: str, *, actor: str, at: datetime, effective: datetime | None = None
    ) -> None:
        """Record that a key opens nothing from now, or from `effective`; repeating it changes nothing.

        Raises
        ------
        NotInLedgerError
            If no such key was made.
        """
        key = self.key(key_hash)
        if key is None:
            raise NotInLedgerError("there is no key with this hash.")
        if key.revoked_at is None:
            # The row says from when; its entry, when that was said.
            values = {"hash": key_hash, "actor": actor, "at": effective or at}
            body = {"table": key_revocations.name, "row": row_digest(key_revocations, values)}
            entry = self.append("key.revoked", subject=key.subject, actor=actor, at=at, body=body)
            self._do(into(key_revocations), {**values, "seq": entry.seq})


@cache
def _one(*, customer: bool) -> Fixed:
    """The newest version of one registered thing."""
    table, asked = reference.c, bindparam("id", type_=Text())
    name = behind(asked) if customer else asked
    query = _references().where(table.kind == bindparam("kind"), table.id == name)
    return Fixed(query.order_by(table.version.desc()).limit(1))


def _references() -> Select[Any]:
    query = select(*(reference.c[name] for name in Reference.__dataclass_fields__), subjects.c.customer_id)
    persons = or_(*(reference.c.kind == kind for kind in sorted(CUSTOMER_REGISTERS)))
    whose = (subjects.c.pseudonym == reference.c.id) & persons
    return with_personal(query.outerjoin(subjects, whose), reference)


def _reference(sealed: Mapping[str, Any]) -> Reference:
    row = opened(reference, sealed)
    name = row.pop("customer_id")
    return Reference(**{**row, "id": name or row["id"]})


def _keys() -> Any:
    return select(keys, key_revocations.c.at.label("revoked_at")).outerjoin(
        key_revocations, key_revocations.c.hash == keys.c.hash
    )


_KEY: Final = Fixed(_keys().where(keys.c.hash == bindparam("hash")))
_NEWEST: Final = Fixed(select(func.max(reference.c.seq).label("newest")))


def _key(row: Mapping[str, Any]) -> Key:
    values = {name: row[name] for name in Key.__dataclass_fields__}
    return Key(**{**values, "sites": tuple(row["sites"])})
