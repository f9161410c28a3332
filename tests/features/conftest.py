"""Return lines and tables for the tests of this room."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from features.returns import (
    Customer,
    HandlingClass,
    Item,
    Money,
    Reason,
    RegulatoryClass,
    ReturnLine,
    Sale,
    Stage,
)

LINE = ReturnLine(
    return_line_id="RMA-1001/1",
    stage=Stage.AUTHORIZATION,
    requested_at=datetime(2026, 11, 20, 10, tzinfo=UTC),
    requested_by="agent:17",
    site="DAL1",
    region="US-SOUTH",
    quantity=1,
    customer=Customer("C-77", "gold", datetime(2019, 4, 1, tzinfo=UTC)),
    item=Item(
        "DRL-18V",
        "power_tools",
        frozenset({RegulatoryClass.NONE}),
        frozenset({HandlingClass.SERIALIZED}),
        brand="Acme",
        unit_cost=Money(8000, "USD"),
        weight_kg=2.1,
        serial="SN-9",
        serial_shipped="SN-9",
    ),
    reason=Reason.DEFECTIVE,
    credit_requested=Money(11900, "USD"),
    sale=Sale("SO-5", "INV-5", datetime(2026, 10, 30, tzinfo=UTC), "online", Money(11900, "USD"), 1),
    customer_note="stops after a minute",
    warranty_until=datetime(2027, 10, 30, tzinfo=UTC),
)


@pytest.fixture
def a_line() -> Callable[..., ReturnLine]:
    """A whole return line, with the differences that a test names."""

    def make(**differences: Any) -> ReturnLine:
        return replace(LINE, **differences)

    return make


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
