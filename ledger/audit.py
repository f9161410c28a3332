"""The audit trail: read, verified against the rows it witnesses, dumped, and a dump verified offline."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import Table, func, insert, select

from features.returns import BadInputError
from ledger.chain import BrokenChainError, Entry, Head, canonical, entry_of, iso, row_digest
from ledger.checkpoints import Checkpoint, last_by, read_checkpoint, seal_of
from ledger.forecasts import rows_digest
from ledger.personal import ERASED, KNOWN, Personal, commitment, committed
from ledger.schema import WITNESSED, chain_head, checkpoints, entries, personal, subjects
from ledger.schema.registers import forecast_issues, forecast_rows

HEADER: Final = canonical({"format": "recoup-ledger/1"}) + b"\n"
PAGE: Final = 2000  # entries held in memory at once
TABLES: Final = {table.name: table for table in WITNESSED}


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether a chain is what was written: the good entries, the head behind them, the first problem.

    `signed_at` is when the key asked about last signed, `signed` how many entries that covers.
    """

    valid: bool
    entries: int
    head: str
    problem: str = ""
    signed: int = 0
    signed_at: str = ""


@dataclass(slots=True)
class _Account:
    """What a walk along the chain has met: rows by table, rows apart, and what was not found apart."""

    resealed: Mapping[str, str]
    witnessed: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    apart: int = 0
    named: int = 0
    absent: set[int] = field(default_factory=set)


class Audit(Personal):
    """The part of a transaction that reads the audit trail."""

    def audit(self, *, after: int = 0, subject: str | None = None, limit: int = 100) -> tuple[Entry, ...]:
        """Return entries in order, those about one subject if asked; `after` is the last `seq` of a page."""
        self.flush()
        query = select(entries).where(entries.c.seq > after).order_by(entries.c.seq).limit(limit)
        if subject is not None:
            query = query.where(entries.c.subject == subject)
        return tuple(map(entry_of, self._all(query)))

    def checkpoint(self, key: Ed25519PrivateKey, *, at: datetime) -> Checkpoint:
        """Sign the chain's end, once a key and end; return the checkpoint."""
        self.flush()
        assert self._head is not None
        new = Checkpoint.of(self._head, at=iso(at), key=key)
        there = [one for one in self.checkpoints() if (one.seq, one.key) == (new.seq, new.key)]
        if there:
            return there[0]
        self._connection.execute(insert(checkpoints), asdict(new))
        return new

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Return all checkpoints in the chain's order."""
        query = select(checkpoints).order_by(checkpoints.c.seq, checkpoints.c.key)
        return tuple(Checkpoint(**row) for row in self._all(query))

    def verification(self, key: Ed25519PublicKey | None = None) -> Verification:
        """Follow the chain from its start and compare every row that it witnesses, and every signature."""
        head, account = Head(), _Account(self._resealed())
        all_signed = self.checkpoints()
        signed = _by_seq(all_signed)
        try:
            _check(signed, head)
            for page in self._pages():
                for entry in page:
                    head = head.advanced(entry)
                    _check(signed, head)
                self._compare(page, account)
            self._compare_ends(head, account)
            _check_reach(all_signed, head)
            last = last_by(all_signed, key) if key else None
        except (BrokenChainError, BadInputError, ValueError) as problem:
            return Verification(valid=False, entries=head.seq, head=head.hash, problem=str(problem))
        return _good(head, last)

    def dump(self, path: Path) -> Verification:
        """Write the chain as JSON lines with a header and a trailer; the file appears whole or not at all."""
        head, signed = Head(), self.checkpoints()
        here = _by_seq(signed)
        unfinished = path.with_name(f"{path.name}.part")
        with unfinished.open("wb") as file:
            file.write(HEADER)
            file.writelines(one.line for one in here[0])
            for page in self._pages():
                for entry in page:
                    file.write(entry.canonical + b"\n")
                    file.writelines(one.line for one in here[entry.seq])
                head = Head(page[-1].seq, page[-1].hash)
            file.write(_trailer(head, signed))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        return _good(head, None)

    def _pages(self) -> Iterator[tuple[Entry, ...]]:
        last = 0
        while page := self.audit(after=last, limit=PAGE):
            yield page
            last = page[-1].seq

    def _resealed(self) -> Mapping[str, str]:
        """Return the digests of rows that were witnessed anew when personal data was moved apart."""
        query = select(entries).where(entries.c.subject == "ledger", entries.c.kind == "rows.sealed")
        found = [json.loads(row["body"])["sealed"] for row in self._all(query)]
        return {seq: digest for part in found for seq, digest in part.items()}

    def _compare(self, page: Sequence[Entry], account: _Account) -> None:
        """Compare the rows that a page of entries witnesses with their digests, one read a table."""
        expected: dict[str, dict[int, str]] = defaultdict(dict)
        for entry in page:
            if "table" in entry.body:
                now = account.resealed.get(str(entry.seq), entry.body["row"])
                expected[entry.body["table"]][entry.seq] = now
        self._compare_names(page, account)
        sealed: dict[int, str] = {}
        for name, digests in expected.items():
            account.witnessed[name] += len(digests)
            table = TABLES[name]
            rows = self._all(select(table).where(table.c.seq.between(page[0].seq, page[-1].seq)))
            found = {row["seq"]: row_digest(table, row) for row in rows}
            for seq, digest in digests.items():
                if found.get(seq) != digest:
                    done = "changed" if seq in found else "deleted"
                    raise BrokenChainError(f"the row of table {name} that entry {seq} witnesses was {done}.")
            sealed |= {row["seq"]: mark for row in rows if (mark := committed(table, row))}
            if table is forecast_issues:
                self._compare_forecasts(rows)
        self._compare_apart(page, sealed, account)

    def _compare_names(self, page: Sequence[Entry], account: _Account) -> None:
        """Compare who is behind the pseudonyms that a page of entries introduced."""
        query = select(subjects).where(subjects.c.seq.between(page[0].seq, page[-1].seq))
        found = {row["seq"]: row for row in self._all(query)}
        for entry in page:
            if entry.kind == KNOWN and entry.seq in found:
                row = found[entry.seq]
                value = {"customer_id": row["customer_id"]}
                said = (row["pseudonym"], commitment(row["salt"], value))
                if said != (entry.subject, entry.body["sealed"]):
                    raise BrokenChainError(f"who is behind the pseudonym of entry {entry.seq} was changed.")
                account.named += 1
            elif entry.kind == KNOWN:
                account.absent.add(entry.seq)

    def _compare_apart(self, page: Sequence[Entry], sealed: Mapping[int, str], account: _Account) -> None:
        """Compare what is held apart of a page's rows; what is absent must have been erased by an entry."""
        query = select(personal).where(personal.c.seq.between(page[0].seq, page[-1].seq))
        found = {row["seq"]: commitment(row["salt"], row["value"]) for row in self._all(query)}
        for seq, mark in sealed.items():
            if found.get(seq, mark) != mark:
                raise BrokenChainError(f"personal data of entry {seq} was changed.")
        account.apart += len(found.keys() & sealed.keys())
        account.absent |= sealed.keys() - found.keys()
        for entry in page:
            if entry.kind in ERASED:
                for first, last in entry.body["records"]:
                    account.absent.difference_update(range(first, last + 1))

    def _compare_forecasts(self, issues: Iterable[Mapping[str, Any]]) -> None:
        for issue in issues:
            rows = self._all(select(forecast_rows).where(forecast_rows.c.issue == issue["id"]))
            if rows_digest(rows) != issue["rows_digest"]:
                raise BrokenChainError(f"rows of forecast issue {issue['id']} were changed.")

    def _compare_ends(self, head: Head, account: _Account) -> None:
        """Compare the chain's end with its head row, and the number of rows with the number witnessed."""
        said = self._first(select(chain_head.c.seq, chain_head.c.hash))
        if said != {"seq": head.seq, "hash": head.hash}:
            raise BrokenChainError(f"the chain ends at entry {head.seq}, but its head row says otherwise.")
        for name, table in TABLES.items():
            if self._count(table) != account.witnessed.get(name, 0):
                raise BrokenChainError(f"table {name} holds rows that no entry witnesses.")
        if account.absent:
            raise BrokenChainError(
                f"personal data of entry {min(account.absent)} is gone without an erasure."
            )
        if (self._count(personal), self._count(subjects)) != (account.apart, account.named):
            raise BrokenChainError("personal data is held that no entry witnesses.")

    def _count(self, table: Table) -> int:
        return int(self._connection.execute(select(func.count()).select_from(table)).scalar_one())


def verify_dump(path: Path, *, key: Ed25519PublicKey | None = None) -> Verification:
    """Verify a dump without a database: any changed, dropped, added or moved byte or line is found.

    With the key of its checkpoints, so is a dump that was written anew as a whole, or cut behind one.
    """
    head, signed = Head(), list[Checkpoint]()
    with path.open("rb") as file:
        try:
            for link in _links(file, signed):
                head = link
            last = last_by(signed, key) if key else None
            _check_whole(last, head)
        except (BrokenChainError, BadInputError, ValueError, TypeError, RecursionError) as problem:
            return Verification(valid=False, entries=head.seq, head=head.hash, problem=str(problem))
    return _good(head, last)


def _links(file: BinaryIO, signed: list[Checkpoint]) -> Iterator[Head]:
    """Yield the head behind each entry, note checkpoints; refuse a file that is not exactly a dump."""
    head = Head()
    if file.readline() != HEADER:
        raise BrokenChainError("line 1 is not the header of a ledger dump, format recoup-ledger/1.")
    for number, line in enumerate(file, start=2):
        if line == _trailer(head, signed):
            if file.read(1):
                raise BrokenChainError(f"something follows the trailer in line {number}.")
            return
        fields = json.loads(line)
        if isinstance(fields, dict) and set(fields) == {"checkpoint"}:
            signed.append(_checkpoint_in(line, fields, head))
            continue
        head = head.advanced(_entry_in(line, fields, number))
        yield head
    raise BrokenChainError(f"the dump ends after entry {head.seq} without its trailer.")


def _checkpoint_in(line: bytes, fields: Mapping[str, Any], head: Head) -> Checkpoint:
    one = read_checkpoint(fields["checkpoint"])
    if one.line != line:
        raise BrokenChainError(f"the checkpoint behind entry {head.seq} is not in canonical form.")
    one.check(head)
    return one


def _entry_in(line: bytes, fields: Any, number: int) -> Entry:
    if not isinstance(fields, dict) or set(fields) != set(Entry.__dataclass_fields__):
        raise BrokenChainError(f"line {number} is neither an entry nor the trailer that belongs here.")
    entry = Entry(**fields)
    # One spelling only: a byte changed without changing the meaning is a changed byte.
    if entry.canonical + b"\n" != line:
        raise BrokenChainError(f"line {number} is not in canonical form.")
    return entry


def _check(signed: Mapping[int, Sequence[Checkpoint]], head: Head) -> None:
    for one in signed.get(head.seq, ()):
        one.check(head)


def _check_reach(signed: Sequence[Checkpoint], head: Head) -> None:
    if signed and signed[-1].seq > head.seq:
        raise BrokenChainError(f"the chain was signed up to entry {signed[-1].seq}, and was cut.")


def _check_whole(last: Checkpoint | None, head: Head) -> None:
    if last is not None and last.seq != head.seq:
        raise BrokenChainError(f"what follows entry {last.seq} is not signed by this key.")


def _by_seq(signed: Iterable[Checkpoint]) -> dict[int, list[Checkpoint]]:
    found: dict[int, list[Checkpoint]] = defaultdict(list)
    for one in signed:
        found[one.seq].append(one)
    return found


def _good(head: Head, last: Checkpoint | None) -> Verification:
    done, when = (last.seq, last.at) if last else (0, "")
    return Verification(valid=True, entries=head.seq, head=head.hash, signed=done, signed_at=when)


def _trailer(head: Head, signed: Sequence[Checkpoint]) -> bytes:
    ends = {"entries": head.seq, "head": head.hash, "checkpoints": seal_of(signed)}
    return canonical(ends) + b"\n"
