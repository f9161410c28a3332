"""The audit trail: read, verified against the rows it witnesses, dumped, and a dump verified offline."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from sqlalchemy import Table, func, select

from features.returns import BadInputError
from ledger.chain import BrokenChainError, Chained, Entry, Head, canonical, entry_of, row_digest
from ledger.forecasts import rows_digest
from ledger.schema import WITNESSED, chain_head, entries, forecast_issues, forecast_rows

HEADER: Final = canonical({"format": "recoup-ledger/1"}) + b"\n"
PAGE: Final = 2000  # entries held in memory at once
TABLES: Final = {table.name: table for table in WITNESSED}


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether a chain is what was written: the good entries, the head behind them, the first problem."""

    valid: bool
    entries: int
    head: str
    problem: str = ""


class Audit(Chained):
    """The part of a transaction that reads the audit trail."""

    def audit(self, *, after: int = 0, subject: str | None = None, limit: int = 100) -> tuple[Entry, ...]:
        """Return entries in order, those about one subject if asked; `after` is the last `seq` of a page."""
        self.flush()
        query = select(entries).where(entries.c.seq > after).order_by(entries.c.seq).limit(limit)
        if subject is not None:
            query = query.where(entries.c.subject == subject)
        return tuple(map(entry_of, self._all(query)))

    def verification(self) -> Verification:
        """Follow the chain from its start and compare every row that it witnesses."""
        head = Head()
        witnessed: dict[str, int] = defaultdict(int)
        try:
            for page in self._pages():
                for entry in page:
                    head = head.advanced(entry)
                self._compare(page, witnessed)
            self._compare_ends(head, witnessed)
        except (BrokenChainError, BadInputError, ValueError) as problem:
            return Verification(valid=False, entries=head.seq, head=head.hash, problem=str(problem))
        return Verification(valid=True, entries=head.seq, head=head.hash)

    def dump(self, path: Path) -> Verification:
        """Write the chain as JSON lines with a header and a trailer; the file appears whole or not at all."""
        head = Head()
        unfinished = path.with_name(f"{path.name}.part")
        with unfinished.open("wb") as file:
            file.write(HEADER)
            for page in self._pages():
                file.writelines(entry.canonical + b"\n" for entry in page)
                head = Head(page[-1].seq, page[-1].hash)
            file.write(_trailer(head))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        return Verification(valid=True, entries=head.seq, head=head.hash)

    def _pages(self) -> Iterator[tuple[Entry, ...]]:
        last = 0
        while page := self.audit(after=last, limit=PAGE):
            yield page
            last = page[-1].seq

    def _compare(self, page: Sequence[Entry], witnessed: dict[str, int]) -> None:
        """Compare the rows that a page of entries witnesses with their digests, one read a table."""
        expected: dict[str, dict[int, str]] = defaultdict(dict)
        for entry in page:
            if "table" in entry.body:
                expected[entry.body["table"]][entry.seq] = entry.body["row"]
        for name, digests in expected.items():
            witnessed[name] += len(digests)
            table = TABLES[name]
            rows = self._all(select(table).where(table.c.seq.between(page[0].seq, page[-1].seq)))
            found = {row["seq"]: row_digest(table, row) for row in rows}
            for seq, digest in digests.items():
                if found.get(seq) != digest:
                    done = "changed" if seq in found else "deleted"
                    raise BrokenChainError(f"the row of table {name} that entry {seq} witnesses was {done}.")
            if table is forecast_issues:
                self._compare_forecasts(rows)

    def _compare_forecasts(self, issues: Iterable[Mapping[str, Any]]) -> None:
        for issue in issues:
            rows = self._all(select(forecast_rows).where(forecast_rows.c.issue == issue["id"]))
            if rows_digest(rows) != issue["rows_digest"]:
                raise BrokenChainError(f"rows of forecast issue {issue['id']} were changed.")

    def _compare_ends(self, head: Head, witnessed: Mapping[str, int]) -> None:
        """Compare the chain's end with its head row, and the number of rows with the number witnessed."""
        said = self._first(select(chain_head.c.seq, chain_head.c.hash))
        if said != {"seq": head.seq, "hash": head.hash}:
            raise BrokenChainError(f"the chain ends at entry {head.seq}, but its head row says otherwise.")
        for name, table in TABLES.items():
            if self._count(table) != witnessed.get(name, 0):
                raise BrokenChainError(f"table {name} holds rows that no entry witnesses.")

    def _count(self, table: Table) -> int:
        return int(self._connection.execute(select(func.count()).select_from(table)).scalar_one())


def verify_dump(path: Path) -> Verification:
    """Verify a dump without a database: any changed, dropped, added or moved byte or line is found."""
    with path.open("rb") as file:
        head = Head()
        try:
            for link in _links(file):
                head = link
        except (BrokenChainError, BadInputError, ValueError, TypeError, RecursionError) as problem:
            return Verification(valid=False, entries=head.seq, head=head.hash, problem=str(problem))
    return Verification(valid=True, entries=head.seq, head=head.hash)


def _links(file: BinaryIO) -> Iterator[Head]:
    """Yield the head behind each entry; refuse a file that is not exactly a dump."""
    head = Head()
    if file.readline() != HEADER:
        raise BrokenChainError("line 1 is not the header of a ledger dump, format recoup-ledger/1.")
    for number, line in enumerate(file, start=2):
        if line == _trailer(head):
            if file.read(1):
                raise BrokenChainError(f"something follows the trailer in line {number}.")
            return
        head = head.advanced(_entry_in(line, number))
        yield head
    raise BrokenChainError(f"the dump ends after entry {head.seq} without its trailer.")


def _entry_in(line: bytes, number: int) -> Entry:
    fields = json.loads(line)
    if not isinstance(fields, dict) or set(fields) != set(Entry.__dataclass_fields__):
        raise BrokenChainError(f"line {number} is neither an entry nor the trailer that belongs here.")
    entry = Entry(**fields)
    # One spelling only: a byte changed without changing the meaning is a changed byte.
    if entry.canonical + b"\n" != line:
        raise BrokenChainError(f"line {number} is not in canonical form.")
    return entry


def _trailer(head: Head) -> bytes:
    return canonical({"entries": head.seq, "head": head.hash}) + b"\n"
