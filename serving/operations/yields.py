"""What returns bring and what people get through: recovery value, inspected units an hour, reviews a day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import numpy as np

from features.events import Event, EventType
from features.returns import EXPONENTS, BadInputError, Money
from ledger.evidence import Outcome
from ledger.recommendations import Recommendation
from models.economics import DEFAULT, expenses
from serving.operations.metrics import ratio

VENDOR: Final = frozenset({"RETURN_TO_VENDOR"})
SCRAP: Final = frozenset({"PARTS_HARVEST", "RECYCLE", "DESTROY"})
BASE: Final = "unit cost x quantity of the requests"
_MINUTES: Final = 60.0  # an hour


@dataclass(frozen=True, slots=True)
class Ended:
    """A line that came to an end: what it brought, and what was known of it. Money in major units.

    Attributes
    ----------
    cost : float or None
        Unit cost times quantity; None where the request named none.
    """

    return_line_id: str
    currency: str
    disposition: str
    recovered: float
    processing: float
    cost: float | None


def latest(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """One outcome a line: what was told later completes or corrects what was told before."""
    lines: dict[str, Outcome] = {}
    for one in outcomes:
        before = lines.get(one.return_line_id, one)
        minutes = before.minutes if one.minutes is None else one.minutes
        lines[one.return_line_id] = replace(one, recovered=one.recovered or before.recovered, minutes=minutes)
    return list(lines.values())


def ended(outcome: Outcome, about: Recommendation) -> Ended:
    """One outcome beside its request; processing is its minutes, else those that are planned, and freight."""
    item = about.request.get("item") or {}
    weight = item.get("weight_kg")
    processing = float(
        expenses((outcome.disposition,), np.array([np.nan if weight is None else weight]))[0, 0]
    )
    if outcome.minutes is not None:
        planned = DEFAULT.minutes.get(outcome.disposition, 0.0)
        processing += (outcome.minutes - planned) * DEFAULT.labour_per_minute
    cost = item.get("unit_cost")
    return Ended(
        outcome.return_line_id,
        outcome.recovered.currency if outcome.recovered else about.amount.currency,
        outcome.disposition,
        _major(outcome.recovered) if outcome.recovered else 0.0,
        processing,
        None if cost is None else float(cost) * about.line.quantity,
    )


def inventory_recovery(lines: Iterable[Ended], events: Iterable[Event]) -> dict[str, Any]:
    """Resale, vendor credit and scrap less processing, by currency, and their share of the original cost.

    Lines without a known cost count in the value and not in the rate. What a supplier settles
    (`amount`, `currency` of the event) is vendor credit, unless the line's outcome has told it already.
    """
    by_currency: defaultdict[str, list[Ended]] = defaultdict(list)
    told = set()
    for line in lines:
        by_currency[line.currency].append(line)
        told |= {line.return_line_id} if line.disposition in VENDOR else set()
    settled: defaultdict[str, float] = defaultdict(float)
    for event in events:
        money = _settled(event) if event.subject not in told else None
        if money is not None:
            settled[money.currency] += _major(money)
    return {
        currency: _recovered(by_currency[currency], settled[currency])
        for currency in sorted({*by_currency, *settled})
    }


def _recovered(lines: Sequence[Ended], settled: float) -> dict[str, Any]:
    vendor = settled + sum(line.recovered for line in lines if line.disposition in VENDOR)
    scrap = sum(line.recovered for line in lines if line.disposition in SCRAP)
    resale = sum(line.recovered for line in lines if line.disposition not in VENDOR | SCRAP)
    processing = sum(line.processing for line in lines)
    based = [line for line in lines if line.cost is not None]
    cost = sum(line.cost or 0.0 for line in based)
    net = sum(line.recovered - line.processing for line in based) + settled
    return {
        "lines": len(lines),
        "resale": round(resale, 2),
        "vendor_credit": round(vendor, 2),
        "scrap": round(scrap, 2),
        "processing": round(processing, 2),
        "value": round(resale + vendor + scrap - processing, 2),
        "base": BASE,
        "original_cost": round(cost, 2),
        "without_cost": len(lines) - len(based),
        "rate": net / cost if cost else None,
    }


def _settled(event: Event) -> Money | None:
    if event.type is not EventType.SUPPLIER_CLAIM_SETTLED:
        return None
    try:
        return Money.parse(str(event.data.get("amount")), str(event.data.get("currency")))
    except BadInputError:
        return None


def inspection_productivity(events: Sequence[Event]) -> dict[str, Any]:
    """Units inspected an hour of direct work (UPH), of the inspections whose time is known.

    An inspection's time is the `minutes` of its event, else from its start to its end; its units are the
    event's `units`, else one.
    """
    started: dict[str, datetime] = {}
    units, minutes, untimed = 0, 0.0, 0
    for event in sorted(events, key=lambda one: one.time):
        if event.type is EventType.INSPECTION_STARTED:
            started[event.subject] = event.time
        elif event.type is EventType.INSPECTION_COMPLETED:
            taken = _minutes(event, started.pop(event.subject, None))
            untimed += taken is None
            if taken is not None:
                units += _units(event)
                minutes += taken
    hours = minutes / _MINUTES
    return {
        "unit": "units an hour",
        "units": units,
        "direct_hours": round(hours, 3),
        "inspections_without_time": untimed,
        "rate": units / hours if hours else None,
    }


def _minutes(event: Event, start: datetime | None) -> float | None:
    said = event.data.get("minutes")
    if isinstance(said, int | float) and not isinstance(said, bool) and said > 0:
        return float(said)
    between = (event.time - start).total_seconds() / _MINUTES if start else 0.0
    return between if between > 0 else None


def _units(event: Event) -> int:
    said = event.data.get("units")
    return said if isinstance(said, int) and not isinstance(said, bool) and said > 0 else 1


def review_load(
    rows: Iterable[Mapping[str, Any]], *, budgets: Mapping[str, int], recommended: int
) -> dict[str, Any]:
    """Approvals asked of each role: how many, the most at a site on a day, and the days over the budget.

    `rows` say how many were asked of a role at a site on a business day; `a_line` is their share.
    """
    by_role: defaultdict[str, list[int]] = defaultdict(list)
    for row in rows:
        by_role[row["role"]].append(row["count"])
    return {
        role: {
            "asked": sum(days),
            "a_line": ratio(sum(days), recommended),
            "most_a_day": max(days),
            "budget_a_day": budgets.get(role),
            "days_over": sum(day > budgets[role] for day in days) if role in budgets else None,
        }
        for role, days in sorted(by_role.items())
    }


def _major(money: Money) -> float:
    return money.minor / float(10 ** EXPONENTS.get(money.currency, 2))
