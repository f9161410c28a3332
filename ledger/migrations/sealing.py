"""Moves personal data of the first release apart, and witnesses the rows anew in the chain.

Entries are never rewritten: one at the end, `rows.sealed`, says which digest each row has from now on. The
columns are written out here because a migration must not follow what tables become later.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa

from ledger.chain import BrokenChainError, Chained, Head, row_digest
from ledger.migrations.protection import protect, unprotect
from ledger.personal import commitment
from ledger.schema.columns import Json, Utc

PAGE: Final = 1000  # rows moved at once
ACTOR: Final = "service:migration"
LINE: Final = (
    "customer_id sku site region family supplier_id order_number requested_at:at quantity:int "
    "requested_minor:int currency"
)
TABLES: Final[Mapping[str, str]] = {
    "recommendations": f"at:at actor id return_line_id stage status action requested_by {LINE} "
    "amount_minor:int related:json facts:json request:json body:json payload_digest digest policy_digest "
    "supersedes",
    "lines": f"at:at actor return_line_id {LINE} hundredths:int",
    "documents": "at:at actor id digest kind path return_line_id meta:json body:json",
    "corrections": "at:at actor id document_id body:json",
    "events": "at:at actor source id type subject time:at data:json",
    "votes": "at:at actor id approval_id voter role vote comment",
    "reference": "at:at actor kind id version:int body:json",
}
SEALED: Final[Mapping[str, tuple[str, ...]]] = {
    "recommendations": ("request", "payload_digest"),
    "lines": (),
    "documents": ("body", "meta", "digest", "path"),
    "corrections": ("body",),
    "events": ("data",),
    "votes": ("comment",),
    "reference": ("body",),
}
# Projections that name customers.
NAMING: Final = ("standing", "fraud_marks")
TYPES: Final[Mapping[str, Any]] = {"at": Utc, "int": sa.BigInteger, "json": Json, "": sa.Text}


def seal(connection: sa.Connection) -> None:
    """Move what the rows of the first release say of persons apart."""
    head = connection.execute(sa.text("SELECT seq, hash FROM chain_head")).one()
    if head.seq == 0:
        return
    _Sealing(connection, Head(head.seq, head.hash)).run()


class _Sealing(Chained):
    """One pass over every table that holds personal data."""

    def __init__(self, connection: sa.Connection, head: Head) -> None:
        super().__init__(connection, head)
        self._names: dict[str, str] = {}
        self._now = datetime.now(UTC)  # a migration is started by hand; nothing hands it a clock

    def run(self) -> None:
        for name in TABLES:
            unprotect(self._connection, name)
            for rows in _pages(self._connection, name):
                self._seal(name, rows)
            protect(self._connection, name)
        for name in NAMING:
            for customer, pseudonym in self._names.items():
                change = sa.text(f"UPDATE {name} SET customer_id = :new WHERE customer_id = :old")  # noqa: S608  # our own two names
                self._connection.execute(change, {"new": pseudonym, "old": customer})
        self.flush()

    def _seal(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        table = _table(name)
        self._refuse_changed(name, rows)
        sealed = {str(row["seq"]): self._moved(name, row) for row in rows}
        changed = {seq: row_digest(_unnumbered(name), row) for seq, row in sealed.items() if row is not None}
        if changed:
            body = {"sealed": changed}
            self.append("rows.sealed", subject="ledger", actor=ACTOR, at=self._now, body=body)
        for seq, row in sealed.items():
            if row is not None:
                values = {key: value for key, value in row.items() if key != "seq"}
                self._connection.execute(sa.update(table).where(table.c.seq == int(seq)).values(values))

    def _refuse_changed(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Nothing that was tampered with before may be witnessed anew."""
        query = sa.text("SELECT seq, body FROM entries WHERE seq BETWEEN :first AND :last")
        ends = {"first": rows[0]["seq"], "last": rows[-1]["seq"]}
        bodies = {seq: json.loads(body) for seq, body in self._connection.execute(query, ends)}
        for row in rows:
            if bodies.get(row["seq"], {}).get("row") != row_digest(_unnumbered(name), row):
                raise BrokenChainError(f"row {row['seq']} of table {name} is not what was written.")

    def _moved(self, name: str, row: Mapping[str, Any]) -> dict[str, Any] | None:
        """Store what a row says of a person apart and return what is left; None where it says nothing."""
        customer = row["id"] if name == "reference" else row.get("customer_id")
        if name == "reference" and row["kind"] != "contracts":
            return None
        left = dict(row)
        if customer is not None:
            left["id" if name == "reference" else "customer_id"] = self._pseudonym(customer)
        kept = {column: row[column] for column in SEALED[name] if row[column]}
        if kept:
            left |= self._apart(name, row, kept, left.get("customer_id"))
        return left if left != row else None

    def _apart(
        self, name: str, row: Mapping[str, Any], kept: Mapping[str, Any], customer: str | None
    ) -> dict[str, Any]:
        salt, columns = secrets.token_hex(16), _table(name).c
        subject = sa.text("SELECT subject FROM entries WHERE seq = :seq")
        about = self._connection.execute(subject, {"seq": row["seq"]}).scalar_one()
        if name == "reference":
            about = self._pseudonym(about)
        apart = {"seq": row["seq"], "subject": about, "customer": customer, "at": row["at"]}
        self._connection.execute(sa.insert(_PERSONAL), {**apart, "salt": salt, "value": kept})
        digest = commitment(salt, kept)
        empty = {column: {} if isinstance(columns[column].type, Json) else "" for column in SEALED[name]}
        first = SEALED[name][0]
        return {**empty, first: {"sealed": digest} if empty[first] == {} else digest}

    def _pseudonym(self, customer: str) -> str:
        if customer not in self._names:
            pseudonym, salt = f"sub_{secrets.token_hex(16)}", secrets.token_hex(16)
            body = {"sealed": commitment(salt, {"customer_id": customer})}
            entry = self.append("subject.known", subject=pseudonym, actor=ACTOR, at=self._now, body=body)
            row = {"customer_id": customer, "pseudonym": pseudonym, "salt": salt, "seq": entry.seq}
            self._connection.execute(sa.insert(_SUBJECTS), {**row, "at": self._now})
            self._names[customer] = pseudonym
        return self._names[customer]


def _pages(connection: sa.Connection, name: str) -> Iterator[Sequence[Mapping[str, Any]]]:
    table, last = _table(name), 0
    while True:
        query = sa.select(table).where(table.c.seq > last).order_by(table.c.seq).limit(PAGE)
        rows = [row._asdict() for row in connection.execute(query)]
        if not rows:
            return
        yield rows
        last = rows[-1]["seq"]


def _table(name: str) -> sa.Table:
    return _declared(name, "seq:int " + TABLES[name])


def _unnumbered(name: str) -> sa.Table:
    return _declared(name, TABLES[name])


def _declared(name: str, columns: str) -> sa.Table:
    parts = [part.partition(":") for part in columns.split()]
    return sa.Table(name, sa.MetaData(), *(sa.Column(column, TYPES[kind]) for column, _, kind in parts))


_PERSONAL: Final = _declared("personal", "seq:int subject customer at:at salt value:json")
_SUBJECTS: Final = _declared("subjects", "customer_id pseudonym seq:int at:at salt")
