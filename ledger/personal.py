"""Personal data, held apart: history keeps a pseudonym and salted digests, so that erasing breaks no link.

What a row says of a person lies in `personal` beside a random salt; the row itself, and so the chain, holds
SHA-256 over both. Once salt and text are gone, nobody can find the text again by trying candidates.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    ScalarSelect,
    Select,
    Table,
    Text,
    bindparam,
    cast,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)

from features.returns import BadInputError
from ledger.chain import Chained, ConflictError, Head, NotInLedgerError, into
from ledger.schema import (
    answers,
    approval_state,
    approvals,
    fraud_marks,
    lines,
    past,
    personal,
    recommendations,
    subjects,
    votes,
)
from ledger.schema.columns import Json, json_text
from ledger.schema.driver import Fixed
from ledger.schema.registers import corrections, documents, events, reference

# What is held apart of each table; the first column holds the digest in its place.
SEALED: Final[Mapping[Table, tuple[str, ...]]] = {
    recommendations: ("request", "payload_digest"),
    documents: ("body", "meta", "digest", "path"),
    corrections: ("body",),
    events: ("data",),
    votes: ("comment",),
    reference: ("body",),
}
CUSTOMER_REGISTERS: Final = frozenset({"contracts"})  # registers whose ids are customers
KNOWN: Final = "subject.known"
ERASED: Final = frozenset({"personal.erased", "personal.expired"})
SALT_BYTES: Final = 16
AT_ONCE: Final = 1000  # well under the parameters that one statement may have


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an erasure removed: records, customers, and the files of documents that nothing refers to now."""

    records: int
    customers: int
    files: tuple[str, ...] = ()


class Personal(Chained):
    """The part of a transaction that keeps personal data apart, and erases it."""

    def __init__(self, connection: Connection, head: Head | None) -> None:
        super().__init__(connection, head)
        self._pseudonyms: dict[str, str] = {}

    def erase(self, customer_id: str, *, actor: str, at: datetime, reason: str) -> Erasure:
        """Erase what is held of a customer; history keeps a pseudonym that leads to nobody.

        Raises
        ------
        NotInLedgerError
            If nothing is held under this id.
        ConflictError
            If an approval about the customer's returns is open: who may vote depends on the request.
        BadInputError
            If the reason, which stays, names the customer.
        """
        if customer_id.casefold() in reason.casefold():
            raise BadInputError("the reason stays in the audit trail: write it without the customer's id.")
        pseudonym = self._pseudonym_of(customer_id)
        if pseudonym is None:
            raise NotInLedgerError("the ledger holds no customer of this id.")
        about = self._subjects_of(pseudonym)
        if self._has_open_approval(about):
            raise ConflictError("an approval about this customer's returns is open; close it first.")
        theirs = (personal.c.customer == pseudonym) | (
            personal.c.customer.is_(None) & personal.c.subject.in_(about)
        )
        self._pseudonyms.pop(customer_id, None)
        self._forget_answers(about)
        self._unlink(past.c.customer_id == pseudonym)
        gone = subjects.c.pseudonym == pseudonym
        facts = {"reason": reason, "customer": pseudonym}
        return self._erase(theirs, gone, kind="personal.erased", actor=actor, at=at, facts=facts)

    def outdated(self, before: datetime) -> Erasure:
        """Count what `expire` would erase; nothing is written."""
        count = select(func.count())
        records = self._connection.execute(count.select_from(personal).where(personal.c.at < before))
        customers = self._connection.execute(count.select_from(subjects).where(_quiet_since(before)))
        return Erasure(records.scalar_one(), customers.scalar_one())

    def expire(self, before: datetime, *, actor: str, at: datetime) -> Erasure:
        """Erase personal data recorded before a moment, and the names of customers silent since."""
        facts = {"before": before.isoformat()}
        old, gone = personal.c.at < before, _quiet_since(before)
        self._pseudonyms.clear()
        self._connection.execute(delete(answers).where(answers.c.at < before))
        self._unlink(past.c.at < before)
        return self._erase(old, gone, kind="personal.expired", actor=actor, at=at, facts=facts)

    def _erase(
        self,
        rows: ColumnElement[bool],
        customers: ColumnElement[bool],
        *,
        kind: str,
        actor: str,
        at: datetime,
        facts: Mapping[str, Any],
    ) -> Erasure:
        seqs = self._column(select(personal.c.seq).where(rows).order_by(personal.c.seq))
        names = self._column(select(subjects.c.seq).where(customers).order_by(subjects.c.seq))
        held = select(documents.c.id, personal.c.value).join(personal, personal.c.seq == documents.c.seq)
        paths = {row["value"].get("path") for row in self._all(held.where(rows))}
        # Customers first: what is quiet is told from the records.
        self._connection.execute(
            delete(subjects).where(subjects.c.seq.in_(select(subjects.c.seq).where(customers)))
        )
        self._connection.execute(delete(personal).where(rows))
        body = {**facts, "records": ranges(sorted([*seqs, *names]))}
        subject = str(facts.get("customer", "ledger"))
        self.append(kind, subject=subject, actor=actor, at=at, body=body)
        kept = {row["value"].get("path") for row in self._all(held)} if paths else set()
        return Erasure(len(seqs), len(names), tuple(sorted(filter(None, paths - kept))))

    def _unlink(self, whose: ColumnElement[bool]) -> None:
        """Forget addresses and devices."""
        nothing = {"address_id": None, "device_id": None}
        mine = select(past.c.return_line_id).where(whose)
        marked = update(fraud_marks).where(fraud_marks.c.return_line_id.in_(mine))
        self._connection.execute(marked.values(nothing))
        self._connection.execute(update(past).where(whose).values(nothing))

    def _subjects_of(self, pseudonym: str) -> list[str]:
        """Return the return lines and documents of a customer, and the pseudonym itself."""
        mine = personal.c.customer == pseudonym
        asked = self._all(select(personal.c.subject, personal.c.value).where(mine))
        known = self._column(select(lines.c.return_line_id).where(lines.c.customer_id == pseudonym))
        requests = [row["value"].get("request", {}) for row in asked]
        attached = [name for request in requests for name in request.get("document_ids") or ()]
        return list(dict.fromkeys([pseudonym, *known, *(row["subject"] for row in asked), *attached]))

    def _has_open_approval(self, about: Sequence[str]) -> bool:
        state = approval_state.c
        query = select(approvals.c.id).join(approval_state, state.approval_id == approvals.c.id)
        mine = approvals.c.return_line_id.in_(about)
        return self._first(query.where(state.status == "pending", mine).limit(1)) is not None

    def _forget_answers(self, about: Sequence[str]) -> None:
        """Drop remembered answers that repeat something about a line or document."""
        text = cast(answers.c.body, Text)
        for part in _parts(about, 100):
            named = [text.contains(json_text(name), autoescape=True) for name in part]
            self._connection.execute(delete(answers).where(or_(*named)))

    def _record(
        self, table: Table, values: Mapping[str, Any], *, kind: str, subject: str, **facts: Any
    ) -> int:
        """Write one history row, what it says of a person apart from it, and the entry that witnesses it."""
        row, apart = self._parted(table, values, kind=kind, subject=subject, **facts)
        self._do(into(table), row)
        if apart:
            self._do(into(personal), apart)
        return int(row["seq"])

    def _parted(
        self, table: Table, values: Mapping[str, Any], *, kind: str, subject: str, **facts: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Append the entry that witnesses a row; return the row and what is held apart, if anything is."""
        kept = {name: values[name] for name in sealed_columns(table, values) if values[name]}
        if not kept:
            return self._witness(table, values, kind=kind, subject=subject, **facts), {}
        salt = secrets.token_hex(SALT_BYTES)  # chance that an attacker must not repeat: never a seed
        text = self._written(kept)
        hidden = {**values, **_hidden(table, _sealed(salt, text))}
        row = self._witness(table, hidden, kind=kind, subject=subject, **facts)
        apart = {"subject": subject, "customer": values.get("customer_id"), "at": values["at"]}
        return row, {**apart, "seq": row["seq"], "salt": salt, "value": text}

    def _pseudonym(self, customer_id: str, *, actor: str, at: datetime) -> str:
        """Return a customer's pseudonym, a new one at first sight."""
        return self._pseudonymize([customer_id], actor=actor, at=at)[customer_id]

    def _pseudonymize(self, customers: Iterable[str], *, actor: str, at: datetime) -> Mapping[str, str]:
        """Return the pseudonyms of customers, new ones at first sight."""
        wanted = [name for name in dict.fromkeys(customers) if name not in self._pseudonyms]
        if wanted:
            one = len(wanted) == 1
            there = self._all(_PSEUDONYM, name=wanted[0]) if one else self._all(_PSEUDONYMS, names=wanted)
            self._pseudonyms |= {row["customer_id"]: row["pseudonym"] for row in there}
        new = [self._introduced(name, actor, at) for name in wanted if name not in self._pseudonyms]
        if new:
            self._do(into(subjects), new)
        return self._pseudonyms

    def _introduced(self, customer_id: str, actor: str, at: datetime) -> dict[str, Any]:
        pseudonym, salt = f"sub_{secrets.token_hex(SALT_BYTES)}", secrets.token_hex(SALT_BYTES)
        body = {"sealed": commitment(salt, {"customer_id": customer_id})}
        entry = self.append(KNOWN, subject=pseudonym, actor=actor, at=at, body=body)
        self._pseudonyms[customer_id] = pseudonym
        return {"customer_id": customer_id, "pseudonym": pseudonym, "salt": salt, "seq": entry.seq, "at": at}

    def _pseudonym_of(self, customer_id: str) -> str | None:
        """Return the pseudonym of a customer, or None; reads only."""
        row = self._first(select(subjects.c.pseudonym).where(subjects.c.customer_id == customer_id))
        return None if row is None else str(row["pseudonym"])

    def _column(self, query: Select[Any]) -> list[Any]:
        return list(self._connection.execute(query).scalars())


_NAMES: Final = select(subjects.c.customer_id, subjects.c.pseudonym)
_PSEUDONYM: Final = Fixed(_NAMES.where(subjects.c.customer_id == bindparam("name")))
_PSEUDONYMS: Final = _NAMES.where(subjects.c.customer_id.in_(bindparam("names", expanding=True)))


def commitment(salt: str, value: Any) -> str:
    """Return the digest that binds a row to what is held apart, without telling it."""
    return _sealed(salt, json_text(value))


def _sealed(salt: str, text: str) -> str:
    return "sha256:" + hashlib.sha256(bytes.fromhex(salt) + text.encode()).hexdigest()


def committed(table: Table, row: Mapping[str, Any]) -> str | None:
    """Return the digest that a history row holds in place of personal data; None where it had none."""
    columns = sealed_columns(table, row)
    mark = row[columns[0]] if columns else None
    return mark.get("sealed") if isinstance(mark, Mapping) else mark or None


def sealed_columns(table: Table, row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the columns of a row that are held apart."""
    if table is reference and row["kind"] not in CUSTOMER_REGISTERS:
        return ()
    return SEALED.get(table, ())


def with_personal(query: Select[Any], table: Table) -> Select[Any]:
    """Return the query with what is held apart of each row of `table`, for `opened`."""
    apart = personal.c.value.label("apart")
    return query.outerjoin(personal, personal.c.seq == table.c.seq).add_columns(apart)


def opened(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as it was given; what was erased of it is empty."""
    apart = row["apart"] or {}
    whole = {name: apart.get(name, _empty(table.c[name])) for name in sealed_columns(table, row)}
    return {name: value for name, value in {**row, **whole}.items() if name != "apart"}


def behind(customer: Any) -> ScalarSelect[Any]:
    """Return the expression for the pseudonym of a customer."""
    return select(subjects.c.pseudonym).where(subjects.c.customer_id == customer).scalar_subquery()


def renamed(actor: str, old: str, new: str) -> str:
    """Return an actor with one name for another: a customer may ask for the return in person."""
    kind, _, name = actor.partition(":")
    return f"{kind}:{new}" if name == old else actor


def ranges(numbers: Sequence[int]) -> list[list[int]]:
    """Return ascending numbers as first and last of each run."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return runs


def _quiet_since(before: datetime) -> ColumnElement[bool]:
    """Select customers about whom nothing was recorded since a moment."""
    name = subjects.c.pseudonym
    line = exists().where(lines.c.customer_id == name, lines.c.at >= before)
    record = exists().where(personal.c.customer == name, personal.c.at >= before)
    return (subjects.c.at < before) & ~line & ~record


def _hidden(table: Table, sealed: str) -> dict[str, Any]:
    first, *others = SEALED[table]
    mark: Any = {"sealed": sealed} if isinstance(table.c[first].type, Json) else sealed
    return {first: mark, **{name: _empty(table.c[name]) for name in others}}


def _empty(column: Column[Any]) -> Any:
    return {} if isinstance(column.type, Json) else ""


def _parts(many: Sequence[str], size: int) -> list[Sequence[str]]:
    return [many[start : start + size] for start in range(0, len(many), size)]
