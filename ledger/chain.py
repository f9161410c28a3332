"""The hash chain: what an entry is, how it is linked, how rows are witnessed; and the ledger's refusals.

An entry's hash is SHA-256 over its RFC 8785 canonical JSON, the previous hash included, so that no entry can
be changed, dropped, added or moved without breaking all that follow.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import Any, Final

import rfc8785
from sqlalchemy import Connection, Row, Select, Table, bindparam, insert, select, update

from features.returns import BadInputError, RecoupError
from ledger.schema import chain_head, entries
from ledger.schema.columns import Json, Utc, Written, json_text
from ledger.schema.driver import Driver, Fixed

GENESIS: Final = "sha256:" + "0" * 64
ACTOR: Final = re.compile(r"[a-z][a-z0-9_]*:\S{1,200}")


class LedgerUnavailableError(RecoupError):
    """The database is gone, locked past its deadline or full; nothing is half written."""

    status = 503
    code = "ledger_unavailable"
    hint = (
        "Send the same request again with the same idempotency key: it counts once, whatever became of this."
    )
    retry_after = 2  # seconds


class ConflictError(RecoupError):
    """What was asked for contradicts what the ledger already holds."""

    status = 409
    code = "conflict"
    hint = "Read the record again and decide on what it says now."


class DuplicateBusinessKeyError(ConflictError):
    """The return line already has a recommendation at this stage."""

    code = "duplicate_business_key"
    hint = "Read the recommendation that is there, or name it in `revises`."


class IdempotencyInFlightError(ConflictError):
    """Another request with the same idempotency key was answered at the same moment."""

    code = "idempotency_in_flight"
    hint = "Send the same request again to get the stored answer."


class NotInLedgerError(RecoupError):
    """The ledger holds no such record."""

    status = 404
    code = "not_found"
    hint = "Check the id."


@dataclass(frozen=True, slots=True)
class Entry:
    """One link of the chain; `at` is ISO text in UTC with microseconds, `body` holds no floats."""

    seq: int
    at: str
    actor: str
    kind: str
    subject: str
    body: Mapping[str, Any]
    previous: str
    hash: str

    @classmethod
    def after(cls, head: Head, content: Mapping[str, Any]) -> Entry:
        """Link `content` (at, actor, kind, subject, body) behind `head`."""
        linked = {**content, "seq": head.seq + 1, "previous": head.hash}
        return cls(**linked, hash=digest(linked))

    @property
    def canonical(self) -> bytes:
        """The entry as RFC 8785 canonical JSON: the only spelling that a dump accepts."""
        return canonical(self.fields)

    @property
    def fields(self) -> dict[str, Any]:
        """The entry by the names of its columns."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: how many entries, and the hash of the last."""

    seq: int = 0
    hash: str = GENESIS

    def advanced(self, entry: Entry) -> Head:
        """Return the head behind `entry`.

        Raises
        ------
        BrokenChainError
            If `entry` does not follow from this head, or its hash is not that of its content.
        """
        if entry.seq != self.seq + 1:
            raise BrokenChainError(f"entry {self.seq + 1} is missing: entry {entry.seq} stands in its place.")
        if entry.previous != self.hash:
            raise BrokenChainError(f"entry {entry.seq} does not continue the entry before it.")
        content = {name: value for name, value in entry.fields.items() if name != "hash"}
        if digest(content) != entry.hash:
            raise BrokenChainError(f"entry {entry.seq} was changed: its hash is not that of its content.")
        return Head(entry.seq, entry.hash)


class BrokenChainError(RecoupError):
    """The chain, or a row that it witnesses, is not what was written."""

    status = 500
    code = "broken_chain"
    hint = "Compare with the last dump that verified."


def canonical(value: Any) -> bytes:
    """Return RFC 8785 canonical JSON; refuse what has no canonical form."""
    try:
        if _is_simple(value):
            return _write_sorted(value).encode()
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise BadInputError(f"the ledger cannot keep this value exactly: {error}.") from error


_write_sorted: Final = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False
).encode
_LARGEST: Final = 2**53 - 1  # the last integer that RFC 8785 writes exactly
_SHORTEST, _LONGEST = 1e-4, 1e16  # between them Python writes a fraction as ECMAScript does


def _is_simple(value: Any) -> bool:
    """Tell whether json's sorted output is RFC 8785's: so it is written twenty times as fast.

    Not so are numbers that the two write differently, and names that they may sort differently.
    """
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return True
    # A loop, and text looked at first: most of what is kept is text, and this is asked of all of it.
    if kind is dict:
        for name, one in value.items():
            if type(name) is not str or not name.isascii() or not (type(one) is str or _is_simple(one)):
                return False
        return True
    if kind is list or kind is tuple:
        return all(map(_is_simple, value))
    if kind is int:
        return abs(int(value)) <= _LARGEST
    return kind is float and bool(_SHORTEST <= abs(value) < _LONGEST and not value.is_integer())


def digest(value: Any) -> str:
    """Return `sha256:` and the hash of the canonical JSON of `value`."""
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()


def iso(at: datetime) -> str:
    """Return the one spelling of a moment: UTC, six decimals, Z."""
    if at.tzinfo is None:
        raise BadInputError("the ledger needs a time with its zone; add one such as Z.")
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def row_digest(table: Table, values: Mapping[str, Any]) -> str:
    """Return the digest of one history row, the same before it is written and after it is read."""
    row = {name: plain(values.get(name)) for name, plain in _columns(table)}
    # Text, whole numbers, flags and null only: here json's sorted output is RFC 8785's, three times as fast.
    try:
        return "sha256:" + hashlib.sha256(_write_sorted(row).encode()).hexdigest()
    except UnicodeEncodeError as error:
        raise BadInputError(
            "a text holds half a character (a lone surrogate); send valid Unicode."
        ) from error


@cache
def _columns(table: Table) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    """The columns that a row's digest is over, and how each is spelt there."""
    plain: dict[type, Callable[[Any], Any]] = {Json: _json, Utc: _moment}
    return tuple((one.name, plain.get(type(one.type), _number)) for one in table.c if one.name != "seq")


def _json(value: Any) -> str:
    return value if type(value) is Written else json_text(value)


def _moment(value: datetime | None) -> str | None:
    return None if value is None else iso(value)


def _number(value: Any) -> Any:
    return repr(value) if isinstance(value, float) else value


@cache
def _json_columns(table: Table) -> tuple[str, ...]:
    return tuple(one.name for one in table.c if isinstance(one.type, Json))


class Chained:
    """One transaction: reads, and appends that are linked as they come and written at its end.

    Parameters
    ----------
    connection : Connection
        Inside a database transaction that the caller ends.
    head : Head or None
        The end of the chain, its row locked; None for a transaction that only reads.
    """

    def __init__(self, connection: Connection, head: Head | None) -> None:
        self._connection = connection
        self._head = head
        self._pending: list[Entry] = []
        self._texts: dict[int, tuple[Any, Written]] = {}  # a value that is held here keeps its id

    @property
    def position(self) -> int:
        """How many entries the chain has, those of this transaction included; 0 where it only reads."""
        return self._head.seq if self._head else 0

    def append(self, kind: str, *, subject: str, actor: str, at: datetime, body: Mapping[str, Any]) -> Entry:
        """Append one entry to the chain.

        Raises
        ------
        BadInputError
            If the actor is no `kind:subject`, the body holds a float or the time has no zone.
        """
        if self._head is None:
            raise ConflictError("this transaction only reads; open ledger.write() to append.")
        if not ACTOR.fullmatch(actor):
            raise BadInputError(f"'{actor[:40]}' names no actor; write kind:subject such as emp:4.")
        _refuse_floats(body)
        content = {"at": iso(at), "actor": actor, "kind": kind, "subject": subject, "body": dict(body)}
        entry = Entry.after(self._head, content)
        self._head = Head(entry.seq, entry.hash)
        self._pending.append(entry)
        return entry

    def flush(self) -> None:
        """Write the entries appended so far and move the head; the transaction's end does it too."""
        if self._head is None or not self._pending:
            return
        rows = [{**entry.fields, "body": canonical(entry.body).decode()} for entry in self._pending]
        self._do(into(entries), rows)
        self._do(_MOVED, {"seq": self._head.seq, "hash": self._head.hash})
        self._pending.clear()

    def _record(
        self, table: Table, values: Mapping[str, Any], *, kind: str, subject: str, **facts: Any
    ) -> int:
        """Write one history row and the entry that witnesses it; return their `seq`.

        `facts` are what a reader of the audit trail should see without opening the row.
        """
        row = self._witness(table, values, kind=kind, subject=subject, **facts)
        self._do(into(table), row)
        return int(row["seq"])

    def _witness(
        self, table: Table, values: Mapping[str, Any], *, kind: str, subject: str, **facts: Any
    ) -> dict[str, Any]:
        """Append the entry that witnesses a row, and return the row for the caller to write."""
        # Written once: for the digest, and for the row.
        written = {name: self._written(values[name]) for name in _json_columns(table) if name in values}
        row = {**values, **written}
        body = {"table": str(table.name), "row": row_digest(table, row), **facts}
        entry = self.append(kind, subject=subject, actor=values["actor"], at=values["at"], body=body)
        return {**row, "seq": entry.seq}

    def _written(self, value: Any) -> Written:
        """Return a value as JSON, written once however many rows of this transaction hold the very object."""
        known = self._texts.get(id(value))
        if known is None or known[0] is not value:
            known = self._texts[id(value)] = (value, json_text(value))
        return known[1]

    @cached_property
    def _driver(self) -> Driver:
        return Driver(self._connection)

    def _all(self, query: Select[Any] | Fixed, **asked: Any) -> list[Mapping[str, Any]]:
        if isinstance(query, Fixed):
            if not self._driver.is_watched:
                return [*self._driver.all(query, asked)]
            return [_mapping(row) for row in self._connection.execute(query.statement, asked)]
        return [_mapping(row) for row in self._connection.execute(query, asked)]

    def _first(self, query: Select[Any] | Fixed, **asked: Any) -> Mapping[str, Any] | None:
        if isinstance(query, Fixed) and not self._driver.is_watched:
            return self._driver.first(query, asked)
        plain = query.statement if isinstance(query, Fixed) else query
        row = self._connection.execute(plain, asked).first()
        return None if row is None else _mapping(row)

    def _do(self, fixed: Fixed, values: Any) -> None:
        """Run a statement that returns nothing, with one row of values or with many."""
        if not values:
            return
        if self._driver.is_watched:
            self._connection.execute(fixed.statement, values)
        else:
            self._driver.do(fixed, values)


def _mapping(row: Row[Any]) -> Mapping[str, Any]:
    return row._asdict()


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise BadInputError("the chain holds no floats; write a score as decimal text.")
    if isinstance(value, Mapping):
        for part in value.values():
            if type(part) is not str:
                _refuse_floats(part)
    elif isinstance(value, list | tuple):
        for part in value:
            _refuse_floats(part)


def entry_of(row: Mapping[str, Any]) -> Entry:
    """Read an entry from its row, refusing a body that is not in canonical form."""
    body = json.loads(row["body"])
    if canonical(body).decode() != row["body"]:
        raise BrokenChainError(f"entry {row['seq']} was changed: its body is not canonical.")
    return Entry(**{**row, "body": body})


@cache
def into(table: Table) -> Fixed:
    """Return the statement that adds rows to a table."""
    return Fixed(insert(table), columns=table.c.keys())


_HEAD: Final = select(chain_head.c.seq, chain_head.c.hash).with_for_update()
_MOVED: Final = Fixed(update(chain_head).values(seq=bindparam("seq"), hash=bindparam("hash")))


def locked_head(connection: Connection) -> Head:
    """Lock the chain's one head row until the transaction ends, and read it."""
    row = connection.execute(_HEAD).one()
    return Head(row.seq, row.hash)
