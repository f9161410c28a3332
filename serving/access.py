"""The table role x action: the one place where rights stand; tests and docs are generated from it."""

from __future__ import annotations

from enum import Enum
from typing import Final

from policy.authority import APPROVERS


class Action(Enum):
    """What a caller can ask for."""

    RECOMMEND = "recommendations:write"
    READ_RETURNS = "returns:read"
    OUTCOME = "outcomes:write"
    REFERENCE_WRITE = "reference:write"
    REFERENCE_READ = "reference:read"
    EVENTS = "events:write"
    DOCUMENTS_WRITE = "documents:write"
    DOCUMENTS_READ = "documents:read"
    DOCUMENTS_CORRECT = "documents:correct"
    INBOX = "approvals:read"
    VOTE = "approvals:vote"
    RECALL = "approvals:recall"
    FORECAST_READ = "forecasts:read"
    FORECAST_OVERRIDE = "forecasts:override"
    LABOR = "labor:read"
    POLICY_READ = "policies:read"
    POLICY_BACKTEST = "policies:backtest"
    AUDIT = "audit:read"
    METRICS = "metrics:read"
    WEBHOOKS = "webhooks:write"
    KEYS = "keys:write"
    QUALITY = "quality:review"


_READS: Final = frozenset(
    {
        Action.READ_RETURNS,
        Action.REFERENCE_READ,
        Action.DOCUMENTS_READ,
        Action.INBOX,
        Action.FORECAST_READ,
        Action.LABOR,
        Action.POLICY_READ,
        Action.AUDIT,
        Action.METRICS,
    }
)
_APPROVER: Final = frozenset(
    {
        Action.READ_RETURNS,
        Action.DOCUMENTS_READ,
        Action.DOCUMENTS_CORRECT,  # and then has had to do with the case: it is for somebody else to approve
        Action.INBOX,
        Action.VOTE,
        Action.RECALL,
        Action.POLICY_READ,
        Action.METRICS,
    }
)

RIGHTS: Final[dict[str, frozenset[Action]]] = {
    "orchestrator": frozenset(
        {
            Action.RECOMMEND,
            Action.READ_RETURNS,
            Action.OUTCOME,
            Action.REFERENCE_WRITE,
            Action.REFERENCE_READ,
            Action.EVENTS,
            Action.DOCUMENTS_WRITE,
            Action.DOCUMENTS_READ,
            Action.DOCUMENTS_CORRECT,
            Action.RECALL,
            Action.WEBHOOKS,
        }
    ),
    "planner": frozenset({Action.FORECAST_READ, Action.FORECAST_OVERRIDE, Action.LABOR, Action.METRICS}),
    "data_scientist": frozenset(
        {
            Action.POLICY_READ,
            Action.POLICY_BACKTEST,
            Action.FORECAST_READ,
            Action.METRICS,
            Action.READ_RETURNS,
        }
    ),
    "auditor": _READS,
    "admin": frozenset({Action.KEYS, Action.WEBHOOKS, Action.POLICY_READ, Action.METRICS}),
    **dict.fromkeys(APPROVERS, _APPROVER),
    "quality_assurance": _APPROVER | {Action.QUALITY},
}


def allowed(role: str, action: Action) -> bool:
    """Whether `role` carries `action`; an unknown role carries nothing."""
    return action in RIGHTS.get(role, frozenset())
