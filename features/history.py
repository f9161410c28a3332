"""As-of aggregates over those behind a return: nothing after the moment of decision.

Every past line leaves marks: whole numbers known when it was asked for, once its item was inspected, or once
fraud was judged. A figure is the sum of one mark over the past of one entity. `offline` computes all figures
from a table of past lines; the ledger computes the same names with SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
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
        known = {value: value in codes for value in set(values.tolist())}
        return np.fromiter(map(known.__getitem__, values), np.int64, len(values))

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


@dataclass(frozen=True, slots=True)
class Traces:
    """All that rows tell of the past and ask of it, whoever is behind them.

    Parameters
    ----------
    known : mapping of str to ndarray of shape (n,), datetime64[us]
        From when on the marks of each row count, by ASKED, FOUND and JUDGED; missing where they never do.
    marks : mapping of str to ndarray of shape (n,), int64
        The marks of every row, by name.
    """

    known: Mapping[str, npt.NDArray[Any]]
    marks: Mapping[str, Whole]

    @classmethod
    def of(cls, table: Table, aggregates: Sequence[Aggregate] = AGGREGATES) -> Traces:
        """Read what some aggregates need from a table."""
        kinds = dict.fromkeys((ASKED, *(aggregate.known for aggregate in aggregates)))
        values = dict.fromkeys(aggregate.value for aggregate in aggregates)
        return cls(
            {known: known_from(table, known) for known in kinds},
            {name: MARKS[name].of(table) for name in values if name in MARKS},
        )


def offline(table: Table, names: Sequence[str] = HISTORY) -> dict[str, npt.NDArray[np.float64]]:
    """Return every aggregate, or those named, for every row, from the table's own earlier rows.

    A row without the entity or without `requested_at` gets NaN; an entity without a past gets 0, and no
    days since a last request.

    Returns
    -------
    dict of str to ndarray of shape (n,), float64
        One array for each name.
    """
    aggregates = named(names)
    entities = dict.fromkeys(("customer", *(aggregate.entity for aggregate in aggregates)))
    codes = {entity: _codes(objects(table, ENTITIES[entity])) for entity in entities}
    return figures(aggregates, codes, Traces.of(table, aggregates))


def named(names: Iterable[str]) -> tuple[Aggregate, ...]:
    """Return the aggregates of these names, in the order of `HISTORY`."""
    wanted = set(names)
    return tuple(aggregate for aggregate in AGGREGATES if aggregate.name in wanted)


def figures(
    aggregates: Sequence[Aggregate], codes: Mapping[str, Whole], traces: Traces
) -> dict[str, npt.NDArray[np.float64]]:
    """Return aggregates for every row, from the traces of all rows.

    The rows of one entity must all be there; rows of others make no difference, so that a table can be cut
    by entity.

    Parameters
    ----------
    codes : mapping of str to ndarray of shape (n,), int64
        For each entity, and always for the customer, a small whole number for each one; -1 where missing.
    """
    clocks = {known: _Clock.of(happened) for known, happened in traces.known.items()}
    found: dict[str, npt.NDArray[np.float64]] = {}
    for entity in dict.fromkeys(aggregate.entity for aggregate in aggregates):
        for known, clock in clocks.items():
            own = [one for one in aggregates if (one.entity, one.known) == (entity, known)]
            if own:
                found |= _as_of(own, codes[entity], codes["customer"], traces, clock)
    return {aggregate.name: found[aggregate.name] for aggregate in aggregates}


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
    aggregates: Sequence[Aggregate], entity: Whole, customer: Whole, traces: Traces, clock: _Clock
) -> dict[str, npt.NDArray[np.float64]]:
    """Return aggregates of one entity whose marks count from the same moment on."""
    decided = traces.known[ASKED]
    asked = np.flatnonzero((entity >= 0) & ~np.isnat(decided))
    counted = np.flatnonzero((entity >= 0) & (clock.rank < len(clock.moments)))
    past = _Past.of(entity[counted] * clock.width + clock.rank[counted])
    base = entity[asked] * clock.width
    ever = np.searchsorted(past.keys, base)

    @cache
    def until(by_hour: bool, days_back: int) -> Whole:  # noqa: FBT001 - a key of the cache
        return past.before(base + clock.before(decided, by_hour=by_hour, days_back=days_back)[asked])

    found = {}
    for aggregate in aggregates:
        last = until(aggregate.by_hour, 0)
        window = aggregate.window_days
        first = ever if window is None else until(aggregate.by_hour, window)
        figure = np.full(len(entity), np.nan)
        if aggregate.value == DAYS_SINCE:
            figure[asked] = clock.days_since(decided[asked], past.keys, (ever, last))
        else:
            new = aggregate.value == CUSTOMERS
            amounts = _first_seen(entity, customer, clock.rank) if new else traces.marks[aggregate.value]
            totals = past.totals(amounts[counted])
            figure[asked] = (totals[last] - totals[first]) / (
                MINOR_UNITS if aggregate.value == "credit" else 1
            )
        found[aggregate.name] = figure
    return found


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
    codes = {value: code for code, value in enumerate(dict.fromkeys(values.tolist()))}
    codes[None] = -1
    return np.fromiter(map(codes.__getitem__, values), np.int64, len(values))


@dataclass(frozen=True)
class _Clock:
    """The different moments at which something became known, in order, and the rank of each row's own.

    Parameters
    ----------
    rank : ndarray of shape (n,), int64
        `len(moments)` where a row never counts: after everything that does.
    """

    moments: npt.NDArray[Any]
    rank: Whole
    _before: dict[tuple[bool, int], Whole] = field(default_factory=dict)

    @classmethod
    def of(cls, happened: npt.NDArray[Any]) -> _Clock:
        never = np.isnat(happened)
        ordered = np.sort(happened[~never])
        # What `np.unique` gives, which takes four times as long by a table of hashes.
        moments = ordered[np.diff(ordered, prepend=ordered[:1] - 1).astype(np.int64) != 0]
        return cls(moments, np.where(never, len(moments), np.searchsorted(moments, happened)))

    @property
    def width(self) -> int:
        """How many ranks an entity takes up in a key."""
        return len(self.moments) + 1

    def before(self, decided: npt.NDArray[Any], *, by_hour: bool, days_back: int) -> Whole:
        """Count the moments strictly before each decision, or before so many days earlier."""
        key = (by_hour, days_back)
        if key not in self._before:
            asked = decided.astype("datetime64[h]").astype(decided.dtype) if by_hour else decided
            since = asked - np.timedelta64(days_back, "D")
            self._before[key] = np.searchsorted(self.moments, since)
        return self._before[key]

    def days_since(
        self, decided: npt.NDArray[Any], keys: Whole, within: tuple[Whole, Whole]
    ) -> npt.NDArray[np.float64]:
        """Return the days since the last of the keys within each range; NaN where it is empty."""
        first, last = within
        past = last > first
        days = np.full(len(decided), np.nan)
        latest = self.moments[keys[last[past] - 1] % self.width]
        days[past] = (decided[past] - latest) / np.timedelta64(1, "D")
        return days


@dataclass(frozen=True, slots=True)
class _Past:
    """Everything that happened, ordered by entity and time."""

    keys: Whole
    order: Whole

    @classmethod
    def of(cls, keys: Whole) -> _Past:
        order = np.argsort(keys)
        return cls(keys[order], order)

    def before(self, keys: Whole) -> Whole:
        """Count what lies before each key; asked in order, for a search that jumps about waits for memory."""
        order = np.argsort(keys)
        found = np.empty(len(keys), np.int64)
        found[order] = np.searchsorted(self.keys, keys[order])
        return found

    def totals(self, amounts: Whole) -> Whole:
        """Return running totals: what was added up before each place."""
        return np.concatenate([[0], np.cumsum(amounts[self.order])])
