"""As-of aggregates over those behind a return: nothing after the moment of decision.

Every past line leaves marks: whole numbers known when it was asked for, once its item was inspected, or once
fraud was judged. A figure is the sum of one mark over the past of one entity. `offline` computes all figures
from a table of past lines; the ledger computes the same names with SQL.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.returns import Grade, Reason
from features.table import Table, number, objects, rows, time

Whole = npt.NDArray[np.int64]

ENTITIES: Final = {
    "customer": "customer_id",
    "address": "address_id",
    "device": "device_id",
    "product": "sku",
    "supplier": "supplier_id",
    "site": "site",
}
PERSONAL: Final = ("customer", "address", "device")  # the others have too many lines to be read one by one
MINOR_UNITS: Final = 100  # sums run over whole cents: exact, so that no later row can move a rounding
QUICK: Final = np.timedelta64(30, "D")  # back so soon after the sale
DEAR: Final = 100.0  # price of a unit, in whole units of its currency

ASKED: Final = "asked"
FOUND: Final = "found"
JUDGED: Final = "judged"
CUSTOMERS: Final = "customers"
DAYS_SINCE: Final = "days_since"

FAULT: Final = frozenset(
    {Reason.DEFECTIVE, Reason.WARRANTY_CLAIM, Reason.DAMAGED_IN_TRANSIT, Reason.NOT_AS_DESCRIBED}
)
REGRET: Final = frozenset(
    {
        Reason.UNWANTED,
        Reason.FIT_SIZE_STYLE,
        Reason.ORDERED_IN_ERROR,
        Reason.LATE_DELIVERY,
        Reason.PRICE_DISPUTE,
    }
)
UNDELIVERED: Final = frozenset({Reason.NOT_RECEIVED, Reason.SHORT_SHIPPED})
SEALED: Final = frozenset({Grade.NEW_SEALED})
POOR: Final = frozenset({Grade.C, Grade.D, Grade.E})


@dataclass(frozen=True, slots=True)
class Mark:
    """One whole number that a line adds to the past of those behind it.

    Parameters
    ----------
    known : str
        ASKED, FOUND or JUDGED: from when on it counts.
    of : callable
        The number of every row of a table.
    """

    name: str
    known: str
    of: Callable[[Table], Whole]


def _flag(values: npt.NDArray[Any]) -> Whole:
    return np.fromiter((value is True for value in values), np.int64, len(values))


def _among(column: str, codes: frozenset[Any]) -> Callable[[Table], Whole]:
    def of(table: Table) -> Whole:
        values = objects(table, column)
        return np.fromiter((value in codes for value in values), np.int64, len(values))

    return of


def _differs(table: Table) -> Whole:
    pairs = zip(objects(table, "serial"), objects(table, "serial_shipped"), strict=True)
    return np.fromiter((None not in pair and pair[0] != pair[1] for pair in pairs), np.int64, rows(table))


def _judged(verdict: bool) -> Callable[[Table], Whole]:  # noqa: FBT001 - what is looked for
    def of(table: Table) -> Whole:
        values = objects(table, "fraud")
        return np.fromiter((value is verdict for value in values), np.int64, len(values))

    return of


def _hundredths(table: Table) -> Whole:
    return np.rint(np.nan_to_num(number(table, "credit_requested")) * MINOR_UNITS).astype(np.int64)


MARKS: Final = {
    mark.name: mark
    for mark in (
        Mark("count", ASKED, lambda table: np.ones(rows(table), np.int64)),
        Mark(
            "quantity",
            ASKED,
            lambda table: np.rint(np.nan_to_num(number(table, "quantity"))).astype(np.int64),
        ),
        Mark("credit", ASKED, _hundredths),
        Mark("fault", ASKED, _among("reason", FAULT)),
        Mark("regret", ASKED, _among("reason", REGRET)),
        Mark("undelivered", ASKED, _among("reason", UNDELIVERED)),
        Mark("opened", ASKED, lambda table: _flag(objects(table, "opened"))),
        Mark("serial_differs", ASKED, _differs),
        Mark(
            "quick",
            ASKED,
            lambda table: (time(table, "requested_at") - time(table, "sold_at") < QUICK).astype(np.int64),
        ),
        Mark("dear", ASKED, lambda table: (number(table, "price_paid") >= DEAR).astype(np.int64)),
        Mark("inspected", FOUND, _among("grade", frozenset(Grade) - {Grade.UNGRADED})),
        Mark("sealed", FOUND, _among("grade", SEALED)),
        Mark("poor", FOUND, _among("grade", POOR)),
        Mark("fraud_confirmed", JUDGED, _judged(verdict=True)),
        Mark("fraud_cleared", JUDGED, _judged(verdict=False)),
    )
}
TOLD: Final = tuple(
    name
    for name, mark in MARKS.items()
    if mark.known == ASKED and name not in {"count", "quantity", "credit"}
)
"""Marks that only the request itself tells; the rest of what is asked are plain figures of a line."""
SEEN: Final = tuple(name for name, mark in MARKS.items() if mark.known == FOUND)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One figure about the past of one entity.

    Parameters
    ----------
    entity : str
        A key of `ENTITIES`: whose past.
    value : str
        The mark to add up; or `customers`, how many different ones; or `days_since` the last request.
    window_days : int or None
        The figure covers [decision - window, decision); None is all of the past. What was found of products,
        suppliers and sites counts in whole hours: up to the hour of the decision.
    """

    entity: str
    value: str
    window_days: int | None = None

    @property
    def name(self) -> str:
        """The canonical column name, such as `customer_count_30d`."""
        return f"{self.entity}_{self.value}_{f'{self.window_days}d' if self.window_days else 'ever'}"

    @property
    def known(self) -> str:
        """From when on a line counts."""
        return MARKS[self.value].known if self.value in MARKS else ASKED

    @property
    def by_hour(self) -> bool:
        """Whether it counts in whole hours."""
        return self.known == FOUND and self.entity not in PERSONAL


AGGREGATES: Final = (
    *(Aggregate("customer", "count", days) for days in (30, 365, None)),
    *(Aggregate("customer", "credit", days) for days in (30, 365)),
    *(Aggregate("customer", name) for name in (*TOLD, *SEEN, "fraud_confirmed", "fraud_cleared", DAYS_SINCE)),
    *(
        Aggregate(entity, value, days)
        for entity in ("address", "device")
        for value, days in (
            *(("count", 30), ("count", None), (CUSTOMERS, None), (DAYS_SINCE, None)),
            *(("undelivered", None), ("serial_differs", None), ("poor", None)),
            *(("fraud_confirmed", 90), ("fraud_confirmed", None), ("fraud_cleared", None)),
        )
    ),
    Aggregate("product", "count", 30),
    Aggregate("product", "quantity", 90),
    Aggregate("product", "fraud_confirmed"),
    Aggregate("product", "inspected", 180),
    Aggregate("product", "poor", 180),
    Aggregate("supplier", "count", 90),
    Aggregate("site", "count", 7),
    *(Aggregate("site", value, 30) for value in SEEN),
)
HISTORY: Final = tuple(aggregate.name for aggregate in AGGREGATES)


def offline(table: Table) -> dict[str, npt.NDArray[np.float64]]:
    """Return every aggregate for every row, computed from the table's own earlier rows.

    A row without the entity or without `requested_at` gets NaN; an entity without a past gets 0, and no
    days since a last request.

    Returns
    -------
    dict of str to ndarray of shape (n,), float64
        One array for each name of `HISTORY`.
    """
    marks = {name: mark.of(table) for name, mark in MARKS.items()}
    known = {known: known_from(table, known) for known in (ASKED, FOUND, JUDGED)}
    figures: dict[str, npt.NDArray[np.float64]] = {}
    for entity, column in ENTITIES.items():
        codes = _codes(objects(table, column))
        for aggregate in AGGREGATES:
            if aggregate.entity == entity:
                figures[aggregate.name] = _as_of(table, aggregate, codes, marks, known[aggregate.known])
    return {name: figures[name] for name in HISTORY}


def known_from(table: Table, known: str) -> npt.NDArray[Any]:
    """Return when the marks of each row begin to count; missing where they never do."""
    requested = time(table, "requested_at")
    if known == ASKED:
        return requested
    learned = time(table, "fraud_known_at" if known == JUDGED else "label_known_at")
    if known == FOUND:
        learned = np.where(np.isnat(learned), time(table, "inspected_at"), learned)
    # What was learned of a line informs only decisions that come after it was known.
    return np.maximum(learned, requested)


def told(table: Table) -> dict[str, Whole]:
    """Return the marks that the requests themselves tell."""
    return {name: MARKS[name].of(table) for name in TOLD}


def seen(grade: str) -> dict[str, int]:
    """Return the marks that an inspection with this grade leaves."""
    table = {"grade": np.array([grade], object)}
    return {name: int(MARKS[name].of(table)[0]) for name in SEEN}


def _as_of(
    table: Table, aggregate: Aggregate, entity: Whole, marks: dict[str, Whole], happened: npt.NDArray[Any]
) -> npt.NDArray[np.float64]:
    decided = time(table, "requested_at")
    asked = (entity >= 0) & ~np.isnat(decided)
    result = np.full(rows(table), np.nan)
    moments = decided[asked]
    if aggregate.value == DAYS_SINCE:
        counted = (entity >= 0) & ~np.isnat(happened)
        result[asked] = _Past.of(entity[counted], happened[counted]).days_since(entity[asked], moments)
        return result
    if aggregate.value == CUSTOMERS:
        amounts = _first_seen(entity, _codes(objects(table, "customer_id")), happened)
    else:
        amounts = marks[aggregate.value]
    counted = (entity >= 0) & ~np.isnat(happened) & (amounts != 0)
    if aggregate.by_hour:
        moments = moments.astype("datetime64[h]").astype(moments.dtype)
    past = _Past.of(entity[counted], happened[counted], amounts[counted])
    until = past.total_before(entity[asked], moments)
    if aggregate.window_days is not None:
        since = moments - np.timedelta64(aggregate.window_days, "D")
        until = until - past.total_before(entity[asked], since)
    result[asked] = until / (MINOR_UNITS if aggregate.value == "credit" else 1)
    return result


def _first_seen(entity: Whole, customer: Whole, happened: npt.NDArray[Any]) -> Whole:
    """Mark the first line of every customer at every entity."""
    order = np.lexsort((happened, customer, entity))
    new = np.ones(len(order), np.bool_)
    new[1:] = (np.diff(entity[order]) != 0) | (np.diff(customer[order]) != 0)
    first = np.zeros(len(order), np.int64)
    first[order] = new & (customer[order] >= 0)
    return first


def _codes(values: npt.NDArray[Any]) -> Whole:
    """Return a small whole number for each distinct value, -1 where missing."""
    codes: dict[Any, int] = {}
    return np.fromiter(
        (-1 if value is None else codes.setdefault(value, len(codes)) for value in values),
        np.int64,
        len(values),
    )


@dataclass(frozen=True, slots=True)
class _Past:
    """Everything that happened, ordered by entity and time, with running totals."""

    moments: npt.NDArray[Any]
    keys: Whole
    totals: Whole

    @classmethod
    def of(cls, entity: Whole, happened: npt.NDArray[Any], amounts: Whole | None = None) -> _Past:
        moments = np.unique(happened)
        keys = entity * (len(moments) + 1) + np.searchsorted(moments, happened)
        order = np.argsort(keys, kind="stable")
        counted = np.ones(len(order), np.int64) if amounts is None else amounts
        return cls(moments, keys[order], np.concatenate([[0], np.cumsum(counted[order])]))

    def total_before(self, entity: Whole, moment: npt.NDArray[Any]) -> Whole:
        """Sum an entity's amounts strictly before each moment."""
        first, last = self._before(entity, moment)
        return np.asarray(self.totals[last] - self.totals[first])

    def days_since(self, entity: Whole, moment: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return the days since the last thing strictly before each moment; NaN where there is none."""
        first, last = self._before(entity, moment)
        days = np.full(len(entity), np.nan)
        past = last > first
        latest = self.moments[self.keys[last[past] - 1] - entity[past] * (len(self.moments) + 1)]
        days[past] = (moment[past] - latest) / np.timedelta64(1, "D")
        return days

    def _before(self, entity: Whole, moment: npt.NDArray[Any]) -> tuple[Whole, Whole]:
        base = entity * (len(self.moments) + 1)
        first = np.searchsorted(self.keys, base)
        return first, np.searchsorted(self.keys, base + np.searchsorted(self.moments, moment))
