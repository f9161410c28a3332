"""The canonical table of return lines: one row a line, one array a column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Table = Mapping[str, npt.NDArray[Any]]
"""Canonical name -> 1-D array, all of one length.

number: float64, NaN missing; time: datetime64[us] in UTC, NaT missing; all else: object, None missing. Beside
them may lie a block of computed features, 2-D (`features.columns.computed`).
"""


@dataclass(frozen=True, slots=True)
class Canonical:
    """One column of the canonical table of return lines: its name, type and system of record.

    `kind` is number, text, category, time, flag or codes (several codes joined by ';').
    """

    name: str
    kind: str
    source: str


CANONICAL: Final = (
    Canonical("return_line_id", "text", "CRM"),
    Canonical("rma_number", "text", "CRM"),
    Canonical("order_number", "text", "ERP"),
    Canonical("invoice_number", "text", "ERP"),
    Canonical("requested_at", "time", "CRM"),
    Canonical("site", "category", "WMS"),
    Canonical("region", "category", "WMS"),
    Canonical("customer_id", "text", "CRM"),
    Canonical("customer_tier", "category", "CRM"),
    Canonical("customer_since", "time", "CRM"),
    Canonical("address_id", "text", "CRM"),
    Canonical("device_id", "text", "CRM"),
    Canonical("supplier_id", "category", "ERP"),
    Canonical("sku", "category", "ERP"),
    Canonical("family", "category", "ERP"),
    Canonical("brand", "category", "ERP"),
    Canonical("unit_cost", "number", "ERP"),
    Canonical("weight_kg", "number", "ERP"),
    Canonical("serial", "text", "CRM"),
    Canonical("serial_shipped", "text", "WMS"),
    Canonical("regulatory_classes", "codes", "ERP"),
    Canonical("handling_classes", "codes", "ERP"),
    Canonical("sold_at", "time", "ERP"),
    Canonical("channel", "category", "ERP"),
    Canonical("price_paid", "number", "ERP"),
    Canonical("sold_quantity", "number", "ERP"),
    Canonical("quantity", "number", "CRM"),
    Canonical("reason", "category", "CRM"),
    Canonical("customer_note", "text", "CRM"),
    Canonical("opened", "flag", "CRM"),
    Canonical("expires_at", "time", "CRM"),
    Canonical("warranty_until", "time", "ERP"),
    Canonical("credit_requested", "number", "CRM"),
    Canonical("currency", "category", "ERP"),
    Canonical("stage", "category", "WMS"),
    Canonical("grade", "category", "WMS"),
    Canonical("inspected_at", "time", "WMS"),
    Canonical("inspector", "category", "WMS"),
    Canonical("serial_found", "text", "WMS"),
    # What became of it: labels, never features of the same line.
    Canonical("disposition", "category", "WMS"),
    Canonical("recovered", "number", "ERP"),
    Canonical("minutes", "number", "WMS"),
    Canonical("fraud", "flag", "CRM"),
    Canonical("label_known_at", "time", "CRM"),
    Canonical("fraud_known_at", "time", "CRM"),
)

KINDS: Final = {column.name: column.kind for column in CANONICAL}
LABELS: Final = {
    "disposition": "disposition",
    "condition": "grade",
    "recovery": "recovered",
    "workload": "minutes",
    "fraud": "fraud",
}
"""Task -> the canonical column that holds its label."""


def rows(table: Table) -> int:
    """Count the rows of a table; a table without columns has none."""
    return len(next(iter(table.values()))) if table else 0


def take(table: Table, index: npt.NDArray[Any]) -> Table:
    """Return the rows at `index` (positions or a mask) of every column, in that order."""
    return {name: values[index] for name, values in table.items()}


def number(table: Table, name: str) -> npt.NDArray[np.float64]:
    """Return a number column as float64; missing where the table lacks it or holds what is no number."""
    values = table.get(name)
    if values is None:
        return np.full(rows(table), np.nan)
    if values.dtype == object:  # a service's request may hold text where training had a number
        return np.array([value if isinstance(value, int | float) else np.nan for value in values], np.float64)
    return values


def time(table: Table, name: str) -> npt.NDArray[np.datetime64]:
    """Return a time column as datetime64[us]; one that the table lacks is all missing."""
    values = table.get(name)
    return np.full(rows(table), "NaT", "datetime64[us]") if values is None else values


def objects(table: Table, name: str) -> npt.NDArray[Any]:
    """Return a text, category, flag or codes column; one that the table lacks is all missing."""
    values = table.get(name)
    return np.full(rows(table), None, object) if values is None else values
