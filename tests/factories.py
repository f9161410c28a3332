"""What tests ask for, each with the one difference that the test is about."""

from __future__ import annotations

import copy
from typing import Any

LINE: dict[str, Any] = {
    "return_line_id": "RMA-1001/1",
    "rma_number": "RMA-1001",
    "stage": "AUTHORIZATION",
    "requested_at": "2026-11-20T10:00:00Z",
    "requested_by": "agent:17",
    "site": "DAL1",
    "region": "US-SOUTH",
    "quantity": 1,
    "customer": {"id": "C-77", "tier": "gold", "since": "2019-04-01"},
    "supplier": {"id": "S-3", "return_authorization": None},
    "item": {
        "sku": "DRL-18V",
        "family": "power_tools",
        "brand": "Acme",
        "unit_cost": "80.00",
        "weight_kg": 2.1,
        "serial": "SN-9",
        "serial_shipped": "SN-9",
        "regulatory_classes": ["NONE"],
        "handling_classes": ["SERIALIZED"],
    },
    "sale": {
        "order_number": "SO-5",
        "invoice_number": "INV-5",
        "sold_at": "2026-10-30T00:00:00Z",
        "channel": "online",
        "price_paid": "119.00",
        "quantity": 1,
    },
    "reason": "DEFECTIVE",
    "customer_note": "stops after a minute",
    "warranty_until": "2027-10-30",
    "credit_requested": {"amount": "119.00", "currency": "USD"},
    "compliance": {"opened": None, "expires_at": None, "identifier_verified": None, "transport_mode": None},
    "document_ids": [],
    "inspection": None,
    "attributes": {},
}


def a_line(**changes: Any) -> dict[str, Any]:
    """The contract's example request with `changes`; a dot (as '__') reaches inside, ... removes."""
    line = copy.deepcopy(LINE)
    for path, value in changes.items():
        *parents, name = path.split("__")
        place = line
        for parent in parents:
            if place[parent] is None:
                place[parent] = {}
            place = place[parent]
        if value is ...:
            place.pop(name, None)
        else:
            place[name] = value
    return line
