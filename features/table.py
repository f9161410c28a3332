"""The canonical table of return lines: one row a line, one array a column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy.typing as npt

Table = Mapping[str, npt.NDArray[Any]]
"""Canonical name -> 1-D array, all of one length.

number: float64, NaN missing; time: datetime64[us] in UTC, NaT missing; all else: object, None missing.
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
    Canonical("warranty_until", "time", "ERP"),
    Canonical("credit_requested", "number", "CRM"),
    Canonical("currency", "category", "ERP"),
    Canonical("stage", "category", "WMS"),
    Canonical("grade", "category", "WMS"),
    Canonical("inspected_at", "time", "WMS"),
    Canonical("inspector", "category", "WMS"),
    # What became of it: labels, never features of the same line.
    Canonical("disposition", "category", "WMS"),
    Canonical("recovered", "number", "ERP"),
    Canonical("minutes", "number", "WMS"),
    Canonical("fraud", "flag", "CRM"),
    Canonical("label_known_at", "time", "CRM"),
    Canonical("fraud_known_at", "time", "CRM"),
)
