"""The lifecycle of a return as CloudEvents: the types and the envelope. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class EventType(StrEnum):
    """What can happen to a return; the wire name is the value."""

    RMA_REQUESTED = "returns.rma.requested.v1"
    RMA_AUTHORIZED = "returns.rma.authorized.v1"
    RMA_PARTIALLY_AUTHORIZED = "returns.rma.partially_authorized.v1"
    RMA_DENIED = "returns.rma.denied.v1"
    RMA_INFO_REQUESTED = "returns.rma.info_requested.v1"
    RMA_CANCELLED = "returns.rma.cancelled.v1"
    RMA_EXPIRED = "returns.rma.expired.v1"
    TRANSIT_SHIPPED = "returns.transit.shipped.v1"
    TRANSIT_CARRIER_EXCEPTION = "returns.transit.carrier_exception.v1"
    RECEIPT_CONFIRMED = "returns.receipt.confirmed.v1"
    RECEIPT_DISCREPANCY = "returns.receipt.discrepancy.v1"
    INSPECTION_STARTED = "returns.inspection.started.v1"
    INSPECTION_COMPLETED = "returns.inspection.completed.v1"
    RECOMMENDATION_ISSUED = "returns.recommendation.issued.v1"
    RECOMMENDATION_OVERRIDDEN = "returns.recommendation.overridden.v1"
    DISPOSITION_DECIDED = "returns.disposition.decided.v1"
    DISPOSITION_EXECUTED = "returns.disposition.executed.v1"
    INVENTORY_UPDATED = "returns.inventory.updated.v1"
    CREDIT_REQUESTED = "returns.credit.requested.v1"
    CREDIT_APPROVED = "returns.credit.approved.v1"
    CREDIT_ISSUED = "returns.credit.issued.v1"
    CREDIT_REVERSED = "returns.credit.reversed.v1"
    SUPPLIER_CLAIM_FILED = "returns.supplier_claim.filed.v1"
    SUPPLIER_CLAIM_APPROVED = "returns.supplier_claim.approved.v1"
    SUPPLIER_CLAIM_DENIED = "returns.supplier_claim.denied.v1"
    SUPPLIER_CLAIM_SETTLED = "returns.supplier_claim.settled.v1"
    HOLD_PLACED = "returns.hold.placed.v1"
    HOLD_RELEASED = "returns.hold.released.v1"
    APPROVAL_REQUESTED = "returns.approval.requested.v1"
    APPROVAL_DECIDED = "returns.approval.decided.v1"
    APPROVAL_ESCALATED = "returns.approval.escalated.v1"
    APPROVAL_DELEGATED = "returns.approval.delegated.v1"
    APPROVAL_RECALLED = "returns.approval.recalled.v1"
    INTEGRATION_FAILED = "returns.integration.failed.v1"
    INTEGRATION_REPLAYED = "returns.integration.replayed.v1"
    FRAUD_CONFIRMED = "returns.fraud.confirmed.v1"
    FRAUD_CLEARED = "returns.fraud.cleared.v1"
    FORECAST_PUBLISHED = "returns.forecast.published.v1"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened: `time` is when it happened, `recorded_at` when it became known; both UTC."""

    id: str
    source: str
    type: EventType
    subject: str  # return_line_id
    time: datetime
    recorded_at: datetime
    data: dict[str, Any] = field(default_factory=dict)
