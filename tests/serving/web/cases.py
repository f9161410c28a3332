"""Cases as they lie in an inbox: many kinds of them, with a document, a past and a story."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np

from tests.factories import a_line
from tests.serving.conftest import Service
from training.simulator.forms import draw, layouts

NUMBERS = count(2001)
REASONS = ("DEFECTIVE", "UNWANTED", "DAMAGED_IN_TRANSIT", "NOT_AS_DESCRIBED", "WARRANTY_CLAIM")
SITES = (("DAL1", "US-SOUTH"), ("RNO1", "US-WEST"), ("EWR1", "US-NORTHEAST"))


def a_case(service: Service, dollars: str = "600.00", **changes: Any) -> dict[str, Any]:
    """A return whose credit asks for approval; the recommendation as it was answered."""
    number = next(NUMBERS)
    about = {
        "return_line_id": f"RMA-{number}/1",
        "rma_number": f"RMA-{number}",
        "customer__id": f"C-{number}",
        "sale__order_number": f"SO-{number}",
        "sale__invoice_number": f"INV-{number}",
        "credit_requested__amount": dollars,
        "sale__price_paid": dollars,
        "item__unit_cost": "400.00",
    }
    answer = service.recommend(a_line(**about | changes))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def approval_of(case: dict[str, Any], rule: str = "FIN-01") -> str:
    """The approval that a rule asked for."""
    return str(next(one["id"] for one in case["approvals"] if one["rule"] == rule))


def revised(service: Service, case: dict[str, Any], note: str = "it also rattles") -> dict[str, Any]:
    """The same return with changed facts: what was asked before is void."""
    with service.ledger.read() as tx:
        request = dict(tx.recommendation(case["id"]).request)
    answer = service.recommend({**request, "customer_note": note, "revises": case["id"]})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def a_form(service: Service, line: str) -> str:
    """A scanned form of a return line, read; its id."""
    form = draw(layouts()["rma_boxed"], rng=np.random.default_rng(3))
    answer = service.call(
        "POST",
        "/v1/documents",
        files={"file": ("form.png", form.png())},
        data={"return_line_id": line},
        subject="service:dock",
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def a_story(service: Service) -> dict[str, Any]:
    """A return that went the whole way: asked, approved, received, inspected, settled."""
    case = a_case(service)
    line = case["return_line_id"]
    a_form(service, line)
    service.clock.forward(hours=2)
    service.vote(approval_of(case), role="supervisor", subject="emp:8")
    for number, (kind, data) in enumerate(
        (
            ("returns.rma.authorized.v1", {"actor": "emp:8"}),
            ("returns.receipt.confirmed.v1", {"actor": "emp:6", "dock": "D4"}),
            ("returns.inspection.completed.v1", {"inspector": "emp:4", "grade": "B", "minutes": 7.5}),
        )
    ):
        service.clock.forward(hours=20)
        event = {
            "specversion": "1.0",
            "id": f"{line}-{number}",
            "source": "wms",
            "type": kind,
            "subject": line,
            "time": service.clock().isoformat(),
            "data": data,
        }
        assert service.call("POST", "/v1/events", json=event, subject="service:wms").status_code == 202
    service.clock.forward(hours=3)
    body = {"disposition": "REFURBISH", "recovered": {"amount": "310.00", "currency": "USD"}, "minutes": 8.0}
    body |= {"fraud_confirmed": False, "reason_code": "VALUE_DIFFERS"}
    if case["disposition"]["recommended"] == "REFURBISH":
        del body["reason_code"]
    told = service.call("POST", f"/v1/recommendations/{case['id']}/outcome", json=body)
    assert told.status_code == 201, told.text
    return case
