"""The contract's example bodies, and how one call leads to the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

LINE: Final[Mapping[str, Any]] = {
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
INSPECTION: Final = {
    "grade": "B",
    "inspected_at": "2026-11-24T09:00:00Z",
    "inspector": "emp:4",
    "serial_found": "SN-9",
    "minutes": 7.5,
}
EVENT: Final = {
    "specversion": "1.0",
    "id": "wms-4711",
    "source": "/wms/dal1",
    "type": "returns.receipt.confirmed.v1",
    "subject": "RMA-1001/1",
    "time": "2026-11-23T15:04:05Z",
    "data": {"site": "DAL1"},
}
MONEY: Final = {"amount": "61.20", "currency": "USD"}

# By operation: a body as a client would send it.
BODIES: Final[Mapping[str, Any]] = {
    "recommendations_recommend": LINE,
    "recommendations_recommend_batch": {
        "items": [
            LINE,
            {**LINE, "return_line_id": "RMA-1002/1", "stage": "INSPECTION", "inspection": INSPECTION},
        ]
    },
    "recommendations_outcome": {
        "disposition": "REFURBISH",
        "recovered": MONEY,
        "minutes": 22.5,
        "fraud_confirmed": None,
        "reason_code": None,
    },
    "recommendations_judge_again": {"policy_digest": None},
    "approvals_vote": {"vote": "approve", "comment": "Seen, and the serial matches."},
    "approvals_delegate": {"to": "emp:12"},
    "approvals_recall": {"reason": "The customer keeps it."},
    "delegations_add": {
        "to": "emp:12",
        "from": "2026-12-20T00:00:00Z",
        "until": "2099-01-04T00:00:00Z",
        "limit": {"amount": "500.00", "currency": "USD"},
    },
    "reference_put": {"region": "US-SOUTH", "capacity": 400},
    "documents_correct": {
        "fields": [{"name": "rma_number", "value": "RMA-1001"}],
        "comment": "The 1 was a 7.",
    },
    "keys_make": {"role": "planner", "subject": "service:wfm", "sites": ["DAL1"], "days": 90},
    "keys_rotate": {"grace_hours": 24},
    "webhooks_replay": {"since": "2026-11-20T00:00:00Z", "dead_only": True},
    "webhooks_add_endpoint": {"url": "https://erp.example.com/hooks/returns", "types": []},
    "quality_review": {"disposition": "REFURBISH", "credit": MONEY, "comment": None},
}


def _link(operation: str, why: str, **parameters: str) -> dict[str, Any]:
    return {"operationId": operation, "description": why, "parameters": parameters}


_BY_ID: Final = {
    "read": _link("recommendations_read", "How it stands now.", recommendation_id="$response.body#/id"),
    "outcome": _link("recommendations_outcome", "What became of it.", recommendation_id="$response.body#/id"),
    "replay": _link("recommendations_judge_again", "Judged again.", recommendation_id="$response.body#/id"),
    "line": _link(
        "recommendations_of_line", "All of its line.", return_line_id="$response.body#/return_line_id"
    ),
    "approval": _link("approvals_read", "Who is asked first.", approval_id="$response.body#/approvals/0/id"),
}
_MATCHED: Final = {"approval_id": "$response.body#/id", "header.If-Match": "$response.header.ETag"}
_DECISIONS: Final = {
    "vote": _link("approvals_vote", "Approve or reject.", **_MATCHED),
    "delegate": _link("approvals_delegate", "Pass it on.", **_MATCHED),
    "recall": _link("approvals_recall", "Take it back.", **_MATCHED),
    "recommendation": _link(
        "recommendations_read", "What it is about.", recommendation_id="$response.body#/recommendation_id"
    ),
}
# By operation: where its answer leads.
LINKS: Final[Mapping[str, Mapping[str, Any]]] = {
    "recommendations_recommend": _BY_ID,
    "recommendations_read": {name: _BY_ID[name] for name in ("outcome", "replay", "approval")},
    "recommendations_of_line": {
        "read": _link("recommendations_read", "The first.", recommendation_id="$response.body#/items/0/id")
    },
    "approvals_inbox": {
        "read": _link("approvals_read", "The oldest.", approval_id="$response.body#/items/0/id"),
        "next": _link("approvals_inbox", "The next page.", after="$response.body#/next"),
    },
    "approvals_read": _DECISIONS,
    "approvals_vote": _DECISIONS,
    "approvals_delegate": _DECISIONS,
    "documents_post": {
        "read": _link("documents_get", "What it says.", document_id="$response.body#/id"),
        "correct": _link("documents_correct", "Correct it.", document_id="$response.body#/id"),
    },
    "delegations_add": {
        "end": _link("delegations_end", "Stand in no more.", delegation_id="$response.body#/id")
    },
    "webhooks_add_endpoint": {
        "remove": _link("webhooks_remove_endpoint", "Send no more.", endpoint_id="$response.body#/id"),
        "deliveries": _link("webhooks_deliveries", "What was given up.", endpoint_id="$response.body#/id"),
    },
    "keys_make": {
        "rotate": _link("keys_rotate", "Replace it.", key_id="$response.body#/id"),
        "end": _link("keys_end", "End it.", key_id="$response.body#/id"),
    },
    "policies_policies": {
        "files": _link("policies_policy", "The files.", digest="$response.body#/digest"),
    },
    "policies_policy": {
        "backtest": {
            "operationId": "policies_run_backtest",
            "description": "What it would have decided.",
            "requestBody": {"files": "$response.body#/files"},
        }
    },
    "reference_put": {
        "read": _link(
            "reference_get", "What holds.", kind="$response.body#/kind", reference_id="$response.body#/id"
        )
    },
    "quality_reviews": {
        "answer": _link(
            "quality_review",
            "Decide it again.",
            recommendation_id="$response.body#/items/0/recommendation_id",
        )
    },
    "audit_entries": {"next": _link("audit_entries", "The next page.", after="$response.body#/next")},
}
