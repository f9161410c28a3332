"""A day's work planned with models, beside the same day planned by one who knows the world's parameters.

Both plan with what they expect; both are paid what the lines really bring and charged what they really take.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.returns import RegulatoryClass
from features.table import Table, number, objects, take, time
from models import economics, routing
from models.routing import NOWHERE, Lines, Site

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

ROOM: Final = 0.9  # of a day's units fit: what is scarce has a price; planning default
LEAST_LINES: Final = 5  # a batch of fewer has nothing to plan
HAZARDOUS: Final = frozenset({RegulatoryClass.HAZMAT, RegulatoryClass.LITHIUM_BATTERY})
HOURS_PER_WEEK: Final = economics.HOURS_PER_WEEK


@dataclass(frozen=True, slots=True)
class Outlook:
    """What somebody expects of every line, and what then comes of following it; arrays of shape (n,).

    Parameters
    ----------
    expected, brought : ndarray
        Net recovery of the disposition that they choose, as they expect it and as it really is.
    cost_per_hour, minutes : ndarray
        Cost of delay and inspection time, as they expect them.
    """

    expected: Floats
    brought: Floats
    cost_per_hour: Floats
    minutes: Floats


@dataclass(frozen=True, slots=True)
class Day:
    """What a day came to by a model's plan and by the best one."""

    model: float
    best: float
    gap: float = 0.0


def batches(table: Table, *, by_site: bool, most: int) -> list[Codes]:
    """Return the rows of up to `most` days spread evenly over the table's, each site on its own if told."""
    days = time(table, "requested_at").astype("datetime64[D]").astype(str)
    where = objects(table, "site").astype(str) if by_site else np.full(len(days), "")
    names = np.char.add(days, where.astype(str))
    _, place, count = np.unique(names, return_inverse=True, return_counts=True)
    found = np.flatnonzero(count >= LEAST_LINES)
    chosen = (
        found[np.unique(np.linspace(0, len(found) - 1, most).round().astype(int))] if len(found) else found
    )
    return [np.flatnonzero(place == batch) for batch in chosen]


def queues(table: Table, model: Outlook, best: Outlook, *, took: Floats, most: int) -> Iterator[Day]:
    """Queue each site's lines of a day by the c-mu rule, and pay for waiting what it really costs.

    Parameters
    ----------
    took : ndarray of shape (n,)
        Minutes that each inspection really took; lines without one are not queued.
    """
    inspected = np.flatnonzero(~np.isnan(took))
    for batch in batches(take(table, inspected), by_site=True, most=most):
        rows = inspected[batch]
        cost = best.cost_per_hour[rows]
        waited = [
            economics.delay(
                cost,
                took[rows],
                np.argsort(-economics.priority(by.cost_per_hour[rows], by.minutes[rows]), kind="stable"),
            )
            for by in (model, best)
        ]
        yield Day(*waited)


def routes(table: Table, model: Outlook, best: Outlook, *, most: int) -> Iterator[Day]:
    """Send each day's batch to sites with room for part of it, and count what it brings net of freight."""
    for rows in batches(table, by_site=False, most=most):
        day = take(table, rows)
        lines, sites = lines_of(day, model.expected[rows]), sites_of(day)
        plan = routing.assign(lines, sites)
        other = routing.assign(replace(lines, recovery=best.expected[rows]), sites)
        yield Day(
            _brings(plan.site, lines, sites, model.brought[rows]),
            _brings(other.site, lines, sites, best.brought[rows]),
            plan.gap,
        )


def _brings(site: Codes, lines: Lines, sites: tuple[Site, ...], brought: Floats) -> float:
    net = routing.gains(replace(lines, recovery=brought), sites)
    sent = site != NOWHERE
    return float(net[np.flatnonzero(sent), site[sent]].sum())


def lines_of(day: Table, recovery: Floats) -> Lines:
    """Return a day's lines as routing wants them."""
    hazardous = [
        not HAZARDOUS.isdisjoint((codes or "").split(";")) for codes in objects(day, "regulatory_classes")
    ]
    return Lines(
        recovery,
        np.nan_to_num(number(day, "weight_kg"), nan=economics.DEFAULT.weight_kg),
        np.nan_to_num(number(day, "quantity"), nan=1.0),
        objects(day, "region"),
        np.array(hazardous, np.bool_),
    )


def sites_of(day: Table) -> tuple[Site, ...]:
    """Make a day's sites: equal shares of room for part of the units, hazardous goods at every other one."""
    region, names = objects(day, "region"), objects(day, "site")
    units = float(np.nan_to_num(number(day, "quantity"), nan=1.0).sum())
    known = sorted({name for name in names if name is not None})
    return tuple(
        Site(name, _mostly(region[names == name]), np.floor(ROOM * units / len(known)), hazmat=place % 2 == 0)
        for place, name in enumerate(known)
    )


def _mostly(values: npt.NDArray[Any]) -> str:
    names, counts = np.unique(values.astype(str), return_counts=True)
    return str(names[counts.argmax()])
