"""As-of aggregates over customer, product, supplier and site: nothing after the moment of decision.

`offline` computes them from a table of past lines; the ledger computes the same names with SQL. A return
counts from the moment it was requested, a confirmed fraud only from the moment it was known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.table import Table, number, objects, rows, time

ENTITIES: Final = {"customer": "customer_id", "product": "sku", "supplier": "supplier_id", "site": "site"}


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One figure about the past of one entity.

    Parameters
    ----------
    entity : str
        A key of `ENTITIES`: whose past.
    value : str
        "count" of lines, sum of "credit" or "quantity", or count of "fraud_confirmed".
    window_days : int or None
        The figure covers [decision - window, decision); None is all of the past.
    """

    entity: str
    value: str
    window_days: int | None

    @property
    def name(self) -> str:
        """The canonical column name, such as `customer_count_30d`."""
        return f"{self.entity}_{self.value}_{f'{self.window_days}d' if self.window_days else 'ever'}"


AGGREGATES: Final = (
    Aggregate("customer", "count", 30),
    Aggregate("customer", "count", 365),
    Aggregate("customer", "credit", 30),
    Aggregate("customer", "credit", 365),
    Aggregate("customer", "fraud_confirmed", None),
    Aggregate("product", "count", 30),
    Aggregate("product", "quantity", 90),
    Aggregate("product", "fraud_confirmed", None),
    Aggregate("supplier", "count", 90),
    Aggregate("site", "count", 7),
)
HISTORY: Final = tuple(aggregate.name for aggregate in AGGREGATES)
MINOR_UNITS: Final = 100  # sums run over whole cents: exact, so that no later row can move a rounding


def offline(table: Table) -> dict[str, npt.NDArray[np.float64]]:
    """Return every aggregate for every row, computed from the table's own earlier rows.

    A row without the entity or without `requested_at` gets NaN; an entity without a past gets 0.

    Returns
    -------
    dict of str to ndarray of shape (n,), float64
        One array for each name of `HISTORY`.
    """
    return {aggregate.name: _as_of(table, aggregate) for aggregate in AGGREGATES}


def _as_of(table: Table, aggregate: Aggregate) -> npt.NDArray[np.float64]:
    decided = time(table, "requested_at")
    entity = _codes(objects(table, ENTITIES[aggregate.entity]))
    happened, amounts = _happened(table, aggregate.value)
    asked = (entity >= 0) & ~np.isnat(decided)
    counted = (entity >= 0) & ~np.isnat(happened) & (amounts != 0)
    result = np.full(rows(table), np.nan)
    past = _Past.of(entity[counted], happened[counted], amounts[counted])
    until = past.total_before(entity[asked], decided[asked])
    if aggregate.window_days is not None:
        until = until - past.total_before(
            entity[asked], decided[asked] - np.timedelta64(aggregate.window_days, "D")
        )
    result[asked] = until / (MINOR_UNITS if aggregate.value == "credit" else 1)
    return result


def _happened(table: Table, value: str) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Return when each row begins to count, and for how much, in whole units."""
    requested = time(table, "requested_at")
    if value == "fraud_confirmed":
        # A verdict informs only those decisions that come after it was known.
        confirmed = np.fromiter((flag is True for flag in objects(table, "fraud")), bool, rows(table))
        return np.maximum(time(table, "fraud_known_at"), requested), confirmed.astype(np.int64)
    if value == "count":
        return requested, np.ones(rows(table), np.int64)
    scale, column = (MINOR_UNITS, "credit_requested") if value == "credit" else (1, "quantity")
    return requested, np.rint(np.nan_to_num(number(table, column)) * scale).astype(np.int64)


def _codes(values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return a small whole number for each distinct value, -1 where missing."""
    seen: dict[Any, int] = {}
    return np.fromiter(
        (-1 if value is None else seen.setdefault(value, len(seen)) for value in values),
        np.int64,
        len(values),
    )


@dataclass(frozen=True, slots=True)
class _Past:
    """Everything that happened, ordered by entity and time, with running totals."""

    moments: npt.NDArray[Any]
    keys: npt.NDArray[np.int64]
    totals: npt.NDArray[np.int64]

    @classmethod
    def of(
        cls, entity: npt.NDArray[np.int64], happened: npt.NDArray[Any], amounts: npt.NDArray[np.int64]
    ) -> _Past:
        moments = np.unique(happened)
        keys = entity * (len(moments) + 1) + np.searchsorted(moments, happened)
        order = np.argsort(keys, kind="stable")
        return cls(moments, keys[order], np.concatenate([[0], np.cumsum(amounts[order])]))

    def total_before(self, entity: npt.NDArray[np.int64], moment: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Sum an entity's amounts strictly before each moment."""
        base = entity * (len(self.moments) + 1)
        first = np.searchsorted(self.keys, base)
        last = np.searchsorted(self.keys, base + np.searchsorted(self.moments, moment))
        return np.asarray(self.totals[last] - self.totals[first])
