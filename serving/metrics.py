"""The operations metrics, by their exact definitions, from the events of the lifecycle.

Durations are in hours. What is still open is counted beside what is closed, never left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from statistics import median, quantiles
from typing import Any, Final

from features.events import Event, EventType

# Metric -> the event that starts it and the one that ends it.
DURATIONS: Final[Mapping[str, tuple[EventType, EventType]]] = {
    "rma_approval_cycle_time": (EventType.RMA_REQUESTED, EventType.RMA_AUTHORIZED),
    "receiving_to_inspection_time": (EventType.RECEIPT_CONFIRMED, EventType.INSPECTION_COMPLETED),
    "disposition_turnaround": (EventType.RECEIPT_CONFIRMED, EventType.DISPOSITION_EXECUTED),
    "credit_memo_latency": (EventType.INSPECTION_COMPLETED, EventType.CREDIT_ISSUED),
    "dock_to_stock": (EventType.RECEIPT_CONFIRMED, EventType.INVENTORY_UPDATED),
}
_ENDS_TOO: Final = {EventType.RMA_AUTHORIZED: (EventType.RMA_DENIED, EventType.RMA_PARTIALLY_AUTHORIZED)}
_HOUR: Final = 3600.0  # seconds


def operations(events: Iterable[Event], *, now: datetime) -> dict[str, Any]:
    """Every metric over the lines that `events` tell of."""
    lines: dict[str, dict[EventType, datetime]] = defaultdict(dict)
    count: dict[EventType, int] = defaultdict(int)
    for event in events:
        count[event.type] += 1
        first = lines[event.subject].get(event.type)
        lines[event.subject][event.type] = event.time if first is None else min(first, event.time)
    durations = {
        name: _duration(lines.values(), start, (end, *_ENDS_TOO.get(end, ())), now)
        for name, (start, end) in DURATIONS.items()
    }
    return {
        **durations,
        "exception_volume": _exceptions(lines),
        "integration_failure_rate": _ratio(count[EventType.INTEGRATION_FAILED], sum(count.values())),
    }


def _duration(
    lines: Iterable[Mapping[EventType, datetime]], start: EventType, ends: Sequence[EventType], now: datetime
) -> dict[str, Any]:
    closed: list[float] = []
    waiting: list[float] = []
    for line in lines:
        if start not in line:
            continue
        ended = [line[end] for end in ends if end in line]
        hours = ((min(ended) if ended else now) - line[start]).total_seconds() / _HOUR
        (closed if ended else waiting).append(hours)
    return {
        "unit": "hours",
        "closed": len(closed),
        "open": len(waiting),
        "median": round(median(closed), 3) if closed else None,
        "p90": round(_p90(closed), 3) if closed else None,
        "oldest_open": round(max(waiting), 3) if waiting else None,
    }


def _p90(hours: Sequence[float]) -> float:
    return hours[0] if len(hours) == 1 else quantiles(hours, n=10, method="inclusive")[-1]


def _exceptions(lines: Mapping[str, Mapping[EventType, datetime]]) -> dict[str, Any]:
    held = {EventType.HOLD_PLACED, EventType.RECEIPT_DISCREPANCY, EventType.APPROVAL_REQUESTED}
    count = sum(bool(held & line.keys()) for line in lines.values())
    return {"unit": "lines", "count": count, "rate": _ratio(count, len(lines))}


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
