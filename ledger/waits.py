"""Where return lines wait, told from their events, and when to look at each next (OPS-08).

A projection: whatever the order in which events came, a line waits where their first times say. Whoever keeps
the time finds what is due by one index, however many lines there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, delete, func, insert, select, update

from features.events import EventType
from ledger.history import Histories
from ledger.schema import approval_state, approvals, lines, standing, waits
from ledger.schema.registers import events, outcomes
from policy.timing.stages import MILESTONES, waiting

FIRST_LOOK: Final = timedelta(days=1)  # nothing is due sooner: no stage is given less than a business day
_LAST: Final = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Wait:
    """A line that waits in a stage, and what is known of it.

    Attributes
    ----------
    steps : int
        How many have been told of it.
    site, status, credit_minor
        Of the line and its newest recommendation; None where nothing was ever recommended on it.
    """

    return_line_id: str
    stage: str
    since: datetime
    steps: int
    site: str | None = None
    status: str | None = None
    credit_minor: int | None = None


class Waits(Histories):
    """The part of a transaction that knows where lines wait."""

    def waits_to_look_at(self, before: datetime, *, limit: int = 100) -> tuple[Wait, ...]:
        """Return the waiting lines that whoever keeps the time wanted to see before a moment."""
        wait, line = waits.c, waits.c.return_line_id
        query = select(
            line, wait.stage, wait.since, wait.steps, lines.c.site, standing.c.status, standing.c.credit_minor
        )
        query = query.outerjoin(lines, lines.c.return_line_id == line)
        query = query.outerjoin(standing, standing.c.return_line_id == line)
        query = query.where(wait.look_at < before).order_by(wait.look_at, line).limit(limit)
        return tuple(Wait(**row) for row in self._all(query))

    def queues(self) -> dict[str, tuple[int, datetime]]:
        """Return how many lines wait in each stage and approvals for a decision, and since when the first."""
        steps = select(waits.c.stage, func.count().label("n"), func.min(waits.c.since).label("since"))
        found = {row["stage"]: (row["n"], row["since"]) for row in self._all(steps.group_by(waits.c.stage))}
        asked: Any = select(func.count().label("n"), func.min(approvals.c.at).label("since"))
        asked = asked.join(approval_state, approval_state.c.approval_id == approvals.c.id)
        row = self._first(asked.where(approval_state.c.status == "pending"))
        if row and row["n"]:
            found["approval"] = (row["n"], row["since"])
        return found

    def look_at_wait(self, return_line_id: str, *, steps: int, at: datetime | None) -> None:
        """Note how many steps have been told of a waiting line, and when to look at it next."""
        mine = waits.c.return_line_id == return_line_id
        self._connection.execute(update(waits).where(mine).values(steps=steps, look_at=at))

    def _bring_up_to_date(self, touched: Collection[str]) -> None:
        """Have lines wait where their events and outcomes now say; who goes on waiting keeps the steps."""
        if not touched:
            return
        there = {row["return_line_id"]: row for row in self._all(_of(touched))}
        now = self._waiting_by_events(touched)
        stale = [line for line, row in there.items() if now.get(line) != (row["stage"], row["since"])]
        self._connection.execute(delete(waits).where(waits.c.return_line_id.in_(stale)))
        moved = {line: wait for line, wait in now.items() if line not in there or line in stale}
        if moved:
            rows = [_row(line, *wait, before=there.get(line)) for line, wait in moved.items()]
            self._connection.execute(insert(waits), rows)

    def _waiting_by_events(self, touched: Collection[str]) -> Mapping[str, tuple[str, datetime]]:
        first = select(events.c.subject, events.c.type, func.min(events.c.time).label("time"))
        first = first.where(events.c.subject.in_(touched), events.c.type.in_(MILESTONES))
        happened: defaultdict[str, dict[EventType, datetime]] = defaultdict(dict)
        for row in self._all(first.group_by(events.c.subject, events.c.type)):
            happened[row["subject"]][EventType(row["type"])] = row["time"]
        query = select(outcomes.c.return_line_id).where(outcomes.c.return_line_id.in_(touched)).distinct()
        told = {row["return_line_id"] for row in self._all(query)}
        found = {line: waiting(times, told=line in told) for line, times in happened.items()}
        return {line: wait for line, wait in found.items() if wait is not None}


def _of(touched: Collection[str]) -> Select[Any]:
    return select(waits).where(waits.c.return_line_id.in_(touched))


def _row(line: str, stage: str, since: datetime, *, before: Mapping[str, Any] | None) -> dict[str, Any]:
    steps = before["steps"] if before and before["stage"] == stage else 0
    # Nobody lives to see the last of times; adding to it must not fail.
    look_at = min(since, _LAST) + FIRST_LOOK
    return {"return_line_id": line, "stage": stage, "since": since, "steps": steps, "look_at": look_at}
