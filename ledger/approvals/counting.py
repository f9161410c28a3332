"""What the metrics count: votes, and the lines that people were asked about or touched."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, select

from ledger.approvals.inbox import Inbox
from ledger.approvals.records import Ballot, Vote
from ledger.personal import opened, with_personal
from ledger.schema import approvals, recommendations, votes
from ledger.schema.registers import corrections, documents


class Ballots(Inbox):
    """The part of a transaction that reads what people did over a time."""

    def ballots(self, start: datetime, end: datetime, *, site: str | None = None) -> tuple[Ballot, ...]:
        """Return the votes cast from `start` up to `end`, in order, at one site if asked."""
        own = (votes.c[name] for name in Vote.__dataclass_fields__)
        query: Select[Any] = select(*own, approvals.c.at.label("asked_at"))
        query = query.where(votes.c.at >= start, votes.c.at < end)
        query = query.join(approvals, approvals.c.id == votes.c.approval_id).order_by(votes.c.seq)
        query = with_personal(query if site is None else query.where(approvals.c.site == site), votes)
        rows = [opened(votes, row) for row in self._all(query)]
        return tuple(
            Ballot(Vote(**{name: row[name] for name in Vote.__dataclass_fields__}), row["asked_at"])
            for row in rows
        )

    def lines_recommended(
        self, start: datetime, end: datetime, *, site: str | None = None
    ) -> tuple[frozenset[str], frozenset[str]]:
        """Return the lines recommended on from `start` up to `end`, and those that asked for an approval."""
        found = []
        for table in (recommendations, approvals):
            query = select(table.c.return_line_id).where(table.c.at >= start, table.c.at < end).distinct()
            rows = self._all(query if site is None else query.where(table.c.site == site))
            found.append(frozenset(row["return_line_id"] for row in rows))
        return found[0], found[1]

    def lines_touched(self, start: datetime, end: datetime) -> frozenset[str]:
        """Return the lines that a person decided on, or of which a person corrected what was read."""
        voted = select(approvals.c.return_line_id).join(votes, votes.c.approval_id == approvals.c.id)
        keyed = select(documents.c.return_line_id).join(
            corrections, corrections.c.document_id == documents.c.id
        )
        queries = (
            voted.where(votes.c.at >= start, votes.c.at < end),
            keyed.where(corrections.c.at >= start, corrections.c.at < end),
        )
        rows = [row for query in queries for row in self._all(query)]
        return frozenset(row["return_line_id"] for row in rows if row["return_line_id"] is not None)
