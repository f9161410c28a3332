"""The operations metrics, by their exact definitions, from events and what is still open.

Durations run on the business calendar: weekends and the days on which a site is closed do not count, a day
has 24 hours. What is still open is counted beside what is closed (Kaplan-Meier), never left out: medians of
closed cases alone would praise whoever leaves the hard ones lying.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import CensoredData, ecdf

from features.events import Event, EventType

# Metric -> the event that starts it and the one that ends it.
DURATIONS: Final[Mapping[str, tuple[EventType, EventType]]] = {
    "rma_approval_cycle_time": (EventType.RMA_REQUESTED, EventType.RMA_AUTHORIZED),
    "receiving_to_inspection_time": (EventType.RECEIPT_CONFIRMED, EventType.INSPECTION_COMPLETED),
    "disposition_turnaround": (EventType.RECEIPT_CONFIRMED, EventType.DISPOSITION_EXECUTED),
    "inspection_to_decision_time": (EventType.INSPECTION_COMPLETED, EventType.DISPOSITION_DECIDED),
    "credit_memo_latency": (EventType.INSPECTION_COMPLETED, EventType.CREDIT_ISSUED),
    "receipt_to_credit_time": (EventType.RECEIPT_CONFIRMED, EventType.CREDIT_ISSUED),
    "dock_to_stock": (EventType.RECEIPT_CONFIRMED, EventType.INVENTORY_UPDATED),
}
_ENDS_TOO: Final[Mapping[EventType, tuple[EventType, ...]]] = {
    EventType.RMA_AUTHORIZED: (EventType.RMA_DENIED, EventType.RMA_PARTIALLY_AUTHORIZED),
    EventType.DISPOSITION_DECIDED: (EventType.DISPOSITION_EXECUTED,),
}
# Queue -> what enters it, what leaves it, and the limit (OPS-08) that says how long it may wait.
QUEUES: Final[Mapping[str, tuple[EventType, EventType, str]]] = {
    "inspection": (EventType.RECEIPT_CONFIRMED, EventType.INSPECTION_COMPLETED, "inspect_days"),
    "disposition": (EventType.INSPECTION_COMPLETED, EventType.DISPOSITION_EXECUTED, "dispose_days"),
    "credit": (EventType.DISPOSITION_EXECUTED, EventType.CREDIT_ISSUED, "credit_days"),
}
APPROVAL_LIMIT: Final = "approve_days"
BUCKETS: Final = ("0-1", "2-3", "4-7", "8-14", ">14")  # whole business days
_BOUNDS: Final = (2, 4, 8, 15)
_GIVEN_UP: Final = frozenset({EventType.RMA_DENIED, EventType.RMA_CANCELLED, EventType.RMA_EXPIRED})
_CLOSED: Final = frozenset({EventType.CREDIT_ISSUED, EventType.RMA_DENIED})
_HELD: Final = frozenset({EventType.HOLD_PLACED, EventType.RECEIPT_DISCREPANCY, EventType.APPROVAL_REQUESTED})
_BY_HAND: Final = frozenset(
    {EventType.HOLD_RELEASED, EventType.RECOMMENDATION_OVERRIDDEN, EventType.APPROVAL_DECIDED}
)
STAGES: Final = frozenset({kind for start, end, _ in QUEUES.values() for kind in (start, end)}) | _GIVEN_UP
_HOUR: Final = 3600.0  # seconds
_DAY: Final = 24.0  # hours
_SAME: Final = 1e-9

Line = Mapping[EventType, datetime]


@dataclass(frozen=True, slots=True)
class Records:
    """What the metrics are taken from.

    Attributes
    ----------
    events : tuple of Event
        What happened in the window.
    entered : tuple of Event
        The events of `STAGES` for as long as a case may lie: they tell what is open.
    waiting : tuple of datetime
        When each approval was asked for that is still pending.
    recommended, asked, touched : frozenset of return_line_id
        Lines recommended on, lines that asked for an approval, lines that a person decided or re-keyed.
    """

    events: Sequence[Event] = ()
    entered: Sequence[Event] = ()
    waiting: Sequence[datetime] = ()
    recommended: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()
    touched: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Calendar:
    """The days that count: none at weekends, none of `closed`."""

    closed: Collection[date] = frozenset()

    def hours(self, starts: Sequence[datetime], ends: Sequence[datetime]) -> NDArray[np.float64]:
        """Hours from each start to its end, 24 an open day; never less than nothing."""
        (first, into), (last, out) = self._split(starts), self._split(ends)
        whole = np.busday_count(first, last, holidays=self._holidays) * _DAY
        return np.maximum(whole + out - into, 0.0)

    def _split(self, moments: Sequence[datetime]) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Each moment's day, and how much of it has passed if it is one that counts."""
        times = np.array([moment.replace(tzinfo=None) for moment in moments], dtype="datetime64[us]")
        days = times.astype("datetime64[D]")
        passed = (times - days) / np.timedelta64(1, "h")
        return days, np.where(np.is_busday(days, holidays=self._holidays), passed, 0.0)

    @property
    def _holidays(self) -> NDArray[Any]:
        return np.array(sorted(self.closed), dtype="datetime64[D]")


def operations(
    records: Records, *, now: datetime, calendar: Calendar, sla: Mapping[str, int]
) -> dict[str, Any]:
    """Every metric; `sla` gives the business days that policy allows, by the limit's name."""
    lines, entered = _lines(records.events), _lines(records.entered)
    ages = {name: _waiting(entered.values(), name, now, calendar) for name in QUEUES}
    ages["approval"] = calendar.hours(records.waiting, [now] * len(records.waiting))
    limits = {**{name: limit for name, (_, _, limit) in QUEUES.items()}, "approval": APPROVAL_LIMIT}
    return {
        **{name: _duration(lines.values(), name, now, calendar) for name in DURATIONS},
        "queue_ageing": {name: _ageing(ages[name], sla.get(limits[name])) for name in sorted(ages)},
        "touchless_rate": _touchless(lines, records.touched),
        "exception_volume": _exceptions(lines, records),
    }


def done_by(
    closed: NDArray[np.float64], waiting: NDArray[np.float64] | None = None, *, share: float
) -> float | None:
    """The time by which a share of all cases is done, those that still wait counted; None if it is not yet.

    The Kaplan-Meier estimate; where it is exactly the share between two times, their middle.
    """
    if not len(closed):
        return None
    open_yet = waiting if waiting is not None else np.empty(0)
    curve = ecdf(CensoredData(uncensored=closed, right=open_yet)).cdf
    reached = np.flatnonzero(curve.probabilities >= share - _SAME)
    if not len(reached):
        return None
    times, first = np.unique(closed), curve.quantiles[reached[0]]
    later = times[times > first]
    exactly = abs(curve.probabilities[reached[0]] - share) < _SAME
    return round(float((first + later[0]) / 2 if exactly and len(later) else first), 3)


def _lines(events: Iterable[Event]) -> dict[str, dict[EventType, datetime]]:
    """When each kind of thing first happened to each line."""
    lines: defaultdict[str, dict[EventType, datetime]] = defaultdict(dict)
    for event in events:
        first = lines[event.subject].get(event.type)
        lines[event.subject][event.type] = event.time if first is None else min(first, event.time)
    return dict(lines)


def _duration(lines: Iterable[Line], name: str, now: datetime, calendar: Calendar) -> dict[str, Any]:
    start, end = DURATIONS[name]
    ends = (end, *_ENDS_TOO.get(end, ()))
    # Who gave up waits for nothing more.
    left = _GIVEN_UP.difference(ends)
    begun = [
        line
        for line in lines
        if start in line and (left.isdisjoint(line) or not line.keys().isdisjoint(ends))
    ]
    ended = [min((line[kind] for kind in ends if kind in line), default=None) for line in begun]
    hours = calendar.hours([line[start] for line in begun], [at or now for at in ended])
    done = np.array([at is not None for at in ended], dtype=bool)
    closed, waiting = hours[done], hours[~done]
    return {
        "unit": "business hours",
        "closed": len(closed),
        "open": len(waiting),
        "median": done_by(closed, waiting, share=0.5),
        "p90": done_by(closed, waiting, share=0.9),
        "oldest_open": round(float(waiting.max()), 3) if len(waiting) else None,
    }


def _waiting(lines: Iterable[Line], name: str, now: datetime, calendar: Calendar) -> NDArray[np.float64]:
    """How long each line has waited in a queue that it has not left."""
    start, end, _ = QUEUES[name]
    out = _GIVEN_UP | {end}
    since = [line[start] for line in lines if start in line and out.isdisjoint(line)]
    return calendar.hours(since, [now] * len(since))


def _ageing(hours: NDArray[np.float64], sla: int | None) -> dict[str, Any]:
    places = np.searchsorted(_BOUNDS, np.floor(hours / _DAY), side="right")
    counts = np.bincount(places, minlength=len(BUCKETS))
    return {
        "unit": "business days",
        "open": len(hours),
        "buckets": {name: int(count) for name, count in zip(BUCKETS, counts, strict=True)},
        "sla_days": sla,
        "over_sla": None if sla is None else ratio(int((hours > sla * _DAY).sum()), len(hours)),
    }


def _touchless(lines: Mapping[str, Line], touched: frozenset[str]) -> dict[str, Any]:
    closed = {name for name, line in lines.items() if not _CLOSED.isdisjoint(line)}
    by_hand = touched | {name for name, line in lines.items() if not _BY_HAND.isdisjoint(line)}
    return {
        "unit": "lines",
        "closed": len(closed),
        "count": len(closed - by_hand),
        "rate": ratio(len(closed - by_hand), len(closed)),
    }


def _exceptions(lines: Mapping[str, Line], records: Records) -> dict[str, Any]:
    held = records.asked | {name for name, line in lines.items() if not _HELD.isdisjoint(line)}
    cases = records.recommended | records.asked | lines.keys()
    return {"unit": "lines", "count": len(held), "rate": ratio(len(held), len(cases))}


def failures_told(events: Sequence[Event]) -> int:
    """How many messages other systems told of as failed or replayed."""
    failed = {EventType.INTEGRATION_FAILED, EventType.INTEGRATION_REPLAYED}
    return sum(event.type in failed for event in events)


def ratio(part: int, whole: int) -> float | None:
    """A share; None of nothing."""
    return part / whole if whole else None
