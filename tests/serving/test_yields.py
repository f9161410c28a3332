"""What returns bring and what people get through, by the definitions of the field."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from features.events import Event, EventType
from serving.operations.yields import Ended, inspection_productivity, inventory_recovery, review_load
from tests.factories import a_line

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
NUMBERS = count()
WHOLE_DAY = {"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"}


def an_event(kind: EventType, line: str = "RMA-1/1", *, minutes: float = 0, **data: object) -> Event:
    at = NOON + timedelta(minutes=minutes)
    return Event(str(next(NUMBERS)), "wms", kind, line, at, at, dict(data))


def a_line_that(ended: str, recovered: float, *, cost: float | None = 100.0, line: str = "RMA-1/1") -> Ended:
    return Ended(line, "USD", ended, recovered, 5.0, cost)


def test_recovery_is_resale_vendor_credit_and_scrap_less_processing_over_the_named_base():
    lines = [a_line_that("RESTOCK", 90), a_line_that("RETURN_TO_VENDOR", 60), a_line_that("RECYCLE", 2)]
    found = inventory_recovery(lines, [])["USD"]
    parts = {name: found[name] for name in ("resale", "vendor_credit", "scrap", "processing", "value")}
    assert parts == {"resale": 90, "vendor_credit": 60, "scrap": 2, "processing": 15, "value": 137}
    assert (found["original_cost"], found["rate"]) == (300, pytest.approx(137 / 300))
    assert found["base"] == "unit cost x quantity of the requests"


def test_a_line_without_a_cost_counts_in_the_value_and_not_in_the_rate():
    found = inventory_recovery([a_line_that("RESTOCK", 90), a_line_that("RESTOCK", 90, cost=None)], [])["USD"]
    assert (found["value"], found["rate"], found["without_cost"]) == (170, pytest.approx(0.85), 1)


def test_what_a_supplier_settles_is_counted_once():
    settled = [
        an_event(EventType.SUPPLIER_CLAIM_SETTLED, "RMA-1/1", amount="40.00", currency="USD"),
        an_event(EventType.SUPPLIER_CLAIM_SETTLED, "RMA-2/1", amount="30.00", currency="USD"),
        an_event(EventType.SUPPLIER_CLAIM_SETTLED, "RMA-3/1", amount="much", currency="USD"),
    ]
    found = inventory_recovery([a_line_that("RETURN_TO_VENDOR", 60), a_line_that("RESTOCK", 9)], settled)
    assert found["USD"]["vendor_credit"] == 90


def test_units_an_hour_are_of_the_inspections_whose_time_is_known():
    events = [
        an_event(EventType.INSPECTION_STARTED, "A/1"),
        an_event(EventType.INSPECTION_COMPLETED, "A/1", minutes=20),
        an_event(EventType.INSPECTION_COMPLETED, "B/1", minutes=5, units=5),
        an_event(EventType.INSPECTION_STARTED, "C/1", minutes=-60),
    ]
    events.append(
        Event("x", "wms", EventType.INSPECTION_COMPLETED, "C/1", NOON, NOON, {"minutes": 10, "units": 3})
    )
    found = inspection_productivity(events)
    assert (found["units"], found["direct_hours"], found["rate"]) == (4, 0.5, 8.0)
    assert found["inspections_without_time"] == 1


def test_reviews_are_told_by_role_with_the_days_over_budget():
    rows = [
        {"role": "fraud_reviewer", "count": 41},
        {"role": "fraud_reviewer", "count": 9},
        {"role": "supervisor", "count": 5},
    ]
    found = review_load(rows, budgets={"fraud_reviewer": 40}, recommended=1000)
    assert found["fraud_reviewer"] == {
        "asked": 50,
        "a_line": 0.05,
        "most_a_day": 41,
        "budget_a_day": 40,
        "days_over": 1,
    }
    assert (found["supervisor"]["budget_a_day"], found["supervisor"]["days_over"]) == (None, None)


def test_the_service_tells_what_returns_brought_and_what_people_got_through(service):
    body = service.recommend(a_line(item__regulatory_classes=["UNCLASSIFIED"])).json()
    told = {"disposition": "REFURBISH", "recovered": {"amount": "60.00", "currency": "USD"}, "minutes": 20.0}
    path = f"/v1/recommendations/{body['id']}/outcome"
    for again in ({}, {"minutes": None, "recovered": None, "fraud_confirmed": False}):
        assert service.call("POST", path, json=told | again).status_code == 201
    found = service.call("GET", "/v1/metrics/operations", params=WHOLE_DAY, role="auditor").json()["metrics"]
    value = found["inventory_recovery_value"]["USD"]
    assert (value["resale"], value["processing"], value["value"]) == (60.0, 10.0, 50.0)
    assert (value["original_cost"], value["rate"]) == (80.0, 0.625)
    assert found["review_load"]["compliance_officer"]["asked"] == 1
    assert found["inspection_productivity"]["rate"] is None


def test_a_line_whose_outcome_overrides_the_recommendation_is_not_touchless(service):
    for number, disposition in enumerate(("DESTROY", None)):
        line = a_line(return_line_id=f"A/{number}", sale__order_number=f"SO-{number}")
        made = service.recommend(line).json()
        told = {"disposition": disposition or made["disposition"]["recommended"], "reason_code": "SAFETY"}
        path = f"/v1/recommendations/{made['id']}/outcome"
        assert service.call("POST", path, json=told).status_code == 201
        credit = {"specversion": "1.0", "id": str(number), "source": "erp", "subject": f"A/{number}"}
        credit |= {"type": "returns.credit.issued.v1", "time": "2026-11-20T11:00:00Z"}
        assert service.call("POST", "/v1/events", json=credit).status_code == 202
    service.clock.forward(hours=1)
    found = service.call("GET", "/v1/metrics/operations", params=WHOLE_DAY, role="auditor").json()["metrics"]
    assert (found["touchless_rate"]["closed"], found["touchless_rate"]["count"]) == (2, 1)


def test_nothing_to_measure_is_no_error():
    assert inventory_recovery([], []) == {}
    assert review_load([], budgets={}, recommended=0) == {}
