"""Records to put into a ledger: each factory gives the usual one, a test names what differs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from features.events import Event, EventType
from features.returns import Money
from ledger.approvals import Approval, Delegation, Vote
from ledger.evidence import Correction, Document, Outcome
from ledger.forecasts import ForecastIssue, ForecastRow, Override
from ledger.history import Line
from ledger.outbox import Message
from ledger.recommendations import Recommendation
from ledger.reference import Key
from ledger.store import Transaction

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
NUMBERS = count(1000)  # ids that a test writes out itself lie below
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def after(**duration: float) -> datetime:
    """Return a moment after NOON."""
    return NOON + timedelta(**duration)


def a_line(return_line_id: str = "RMA-1/1", **changed: Any) -> Line:
    usual: dict[str, Any] = {
        "customer_id": "C-1",
        "sku": "DRL-18V",
        "supplier_id": "S-3",
        "site": "DAL1",
        "region": "US-SOUTH",
        "family": "power_tools",
        "order_number": "SO-5",
        "requested_at": NOON,
        "quantity": 1,
        "requested": Money(11900, "USD"),
    }
    return Line(return_line_id, **{**usual, **changed})


def a_recommendation(return_line_id: str = "RMA-1/1", **changed: Any) -> Recommendation:
    usual: dict[str, Any] = {
        "id": f"rec_{next(NUMBERS)}",
        "line": a_line(return_line_id),
        "stage": "AUTHORIZATION",
        "status": "cleared",
        "amount": Money(11900, "USD"),
        "requested_by": "agent:17",
        "created_at": NOON,
        "actor": "service:orchestrator",
        "payload_digest": "sha256:payload",
        "digest": "sha256:content",
        "policy_digest": "sha256:policy",
        "related": ("agent:17",),
        "facts": {"fraud.score": 0.25, "credit.amount": 11900},
        "request": {"z": 1, "a": "Ünïcode"},
        "body": {"fraud": {"score": 0.25}},
    }
    return Recommendation(**{**usual, **changed})


def an_approval(recommendation: Recommendation, **changed: Any) -> Approval:
    usual: dict[str, Any] = {
        "id": f"apr_{next(NUMBERS)}",
        "recommendation_id": recommendation.id,
        "return_line_id": recommendation.return_line_id,
        "rule": "FIN-01",
        "roles": ("supervisor", "manager"),
        "needed": 1,
        "site": recommendation.site,
        "created_at": NOON,
        "expires_at": after(days=2),
        "actor": "service:orchestrator",
        "digest": recommendation.digest,
        "amount": recommendation.amount,
    }
    return Approval(**{**usual, **changed})


def an_outcome(recommendation: Recommendation, **changed: Any) -> Outcome:
    usual: dict[str, Any] = {
        "id": f"out_{next(NUMBERS)}",
        "recommendation_id": recommendation.id,
        "return_line_id": recommendation.return_line_id,
        "disposition": "RESTOCK",
        "recovered": Money(6100, "USD"),
        "minutes": 7.5,
        "fraud_confirmed": True,
        "reason_code": None,
        "actor": "emp:1",
        "at": after(days=1),
    }
    return Outcome(**{**usual, **changed})


def fill(tx: Transaction) -> None:
    """Write at least one row into every history table."""
    first = a_recommendation("RMA-0/1")
    tx.add_recommendation(first)
    tx.set_status(first.id, "pending_approval", actor="service:x", at=NOON)
    approval = an_approval(first)
    tx.add_approval(approval)
    tx.add_delegation(Delegation("del_1", approval.id, "manager", "emp:1", "emp:2", NOON))
    tx.add_vote(Vote("vote_1", approval.id, "emp:2", "manager", "approve", "fine", NOON), expected_version=2)
    tx.close_approval(approval.id, "approved", actor="emp:2", at=NOON)
    tx.add_outcome(an_outcome(first))
    tx.add_event(
        Event("1", "wms", EventType.RECEIPT_CONFIRMED, "RMA-0/1", NOON, NOON, {"dock": 1}), actor="emp:1"
    )
    tx.add_document(Document("doc_1", "sha256:x", "OTHER", "documents/x.pdf", {"fields": []}, "emp:1", NOON))
    tx.add_correction(Correction("cor_1", "doc_1", {"total": "1.00"}, "emp:1", NOON))
    tx.put_reference("sites", "DAL1", body={"capacity": 5}, actor="emp:1", at=NOON)
    tx.add_policy("sha256:p", content={"rules": [0.5]}, actor="emp:1", at=NOON)
    tx.activate_policy("sha256:p", actor="emp:1", at=NOON)
    tx.add_key(Key("hash", "admin", "emp:1", (), None, NOON, "service:x"))
    tx.revoke_key("hash", actor="emp:1", at=NOON)
    row = ForecastRow("US-SOUTH", "*", NOON.date(), 1.1, 0.1, 1.0, 2.0, 3.0, 4.0)
    tx.add_forecast_issue(ForecastIssue("iss_1", NOON, "3", "sha256:d", "service:x", NOON), [row])
    tx.add_override(Override("ovr_1", "iss_1", "US-SOUTH", "*", NOON.date(), 9.0, "fair", "emp:1", NOON))
    tx.enqueue(Message("msg_1", "t", "RMA-0/1", {"a": 1}, NOON, "service:x"))
    tx.checkpoint(KEY, at=NOON)
