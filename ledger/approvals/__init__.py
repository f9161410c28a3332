"""Approvals: asked for with a recommendation, voted on, closed; the inbox of those who may vote."""

from ledger.approvals.deciding import Approvals
from ledger.approvals.records import (
    ESCALATED,
    PENDING,
    REMINDED,
    Approval,
    ApprovalChange,
    Ballot,
    Delegation,
    Vote,
)

__all__ = [
    "ESCALATED",
    "PENDING",
    "REMINDED",
    "Approval",
    "ApprovalChange",
    "Approvals",
    "Ballot",
    "Delegation",
    "Vote",
]
