"""From votes to the status of a recommendation, in the ledger's one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from features.events import EventType
from ledger.approvals import Approval
from ledger.outbox import Message
from ledger.recommendations import Recommendation
from ledger.store import Transaction
from policy import approvals as rules
from policy.approvals import Choice, Part, State
from policy.authority import Authority
from policy.verdict import Requirement, Status
from serving.identity import new_id

_PARTS_BY_EVENT: Final = {
    EventType.RECEIPT_CONFIRMED: Part.RECEIVED,
    EventType.RECEIPT_DISCREPANCY: Part.RECEIVED,
    EventType.INSPECTION_STARTED: Part.INSPECTED,
    EventType.INSPECTION_COMPLETED: Part.INSPECTED,
}
_ENDS: Final = {
    State.REJECTED: "rejected",
    State.EXPIRED: "expired",
    State.RECALLED: "recalled",
}


def involved_in(tx: Transaction, recommendation: Recommendation) -> dict[str, Part]:
    """Everyone who has had to do with the case: nobody of them may approve it."""
    parts: dict[str, Part] = {}
    for event in tx.events(recommendation.return_line_id):
        actor = event.data.get("actor") or event.data.get("inspector")
        if event.type in _PARTS_BY_EVENT and isinstance(actor, str):
            parts[actor] = _PARTS_BY_EVENT[event.type]
    parts |= dict.fromkeys(recommendation.related, Part.CHANGED_FACTS)
    inspector = (recommendation.request.get("inspection") or {}).get("inspector")
    if inspector:
        parts[inspector] = Part.INSPECTED
    parts[recommendation.actor] = Part.HOLDS_REQUESTING_KEY
    parts[recommendation.requested_by] = Part.REQUESTED
    return parts


def requirement_of(approval: Approval, authority: Authority) -> Requirement:
    """What the approval asks for, by the limits that hold now."""
    if approval.amount is None:  # specialists answer for their subject, whatever it costs
        return Requirement(approval.rule, approval.roles, approval.needed, None)
    voters = authority.voters(approval.roles, approval.amount)
    return Requirement(
        approval.rule, voters.roles or approval.roles, approval.needed, approval.amount, voters.higher
    )


def circle_of(tx: Transaction, approval: Approval, authority: Authority) -> rules.Approval:
    """The approval as the rules of voting see it."""
    assert approval.expires_at is not None
    return rules.Approval(
        requirement_of(approval, authority),
        approval.site,
        approval.expires_at,
        involved_in(tx, tx.recommendation(approval.recommendation_id)),
        State(approval.status),
        tuple(rules.Vote(vote.voter, Choice(vote.vote)) for vote in tx.votes(approval.id)),
    )


def conclude(tx: Transaction, approval: Approval, state: State, *, actor: str, at: datetime) -> None:
    """Close an approval that the votes have decided, and tell whoever listens."""
    settle(tx, approval, state, actor=actor, at=at, reason=f"{approval.rule} {state}")
    data = {"status": state.value, "rule": approval.rule}
    notify(tx, EventType.APPROVAL_DECIDED, approval, data, actor=actor, at=at)


def settle(  # what happened, who, when and why
    tx: Transaction, approval: Approval, state: State, *, actor: str, at: datetime, reason: str
) -> None:
    """Close an approval and let its recommendation follow."""
    tx.close_approval(approval.id, state, actor=actor, at=at, reason=reason)
    recommendation = tx.recommendation(approval.recommendation_id)
    siblings = tx.approvals_of(approval.recommendation_id)
    if state in _ENDS:
        for sibling in siblings:
            if sibling.status == State.PENDING:
                tx.close_approval(sibling.id, State.SUPERSEDED, actor=actor, at=at, reason=reason)
        tx.set_status(recommendation.id, _ENDS[state], actor=actor, at=at, reason=reason)
    elif _complete(recommendation, siblings):
        tx.set_status(recommendation.id, "approved", actor=actor, at=at, reason=reason)


def _complete(recommendation: Recommendation, approvals: tuple[Approval, ...]) -> bool:
    """Whether every approval is there and nothing but approvals was missing."""
    open_to_votes = recommendation.status in {Status.PENDING_APPROVAL, Status.HELD}
    return (
        open_to_votes
        and not recommendation.facts["final"]
        and all(approval.status == State.APPROVED for approval in approvals)
    )


def notify(  # the parts of an event
    tx: Transaction, kind: EventType, approval: Approval, data: Mapping[str, Any], *, actor: str, at: datetime
) -> None:
    """Put an event about an approval into the outbox, in the same transaction."""
    body = {"approval_id": approval.id, "recommendation_id": approval.recommendation_id, **data}
    tx.enqueue(Message(new_id("msg"), kind, approval.return_line_id, body, at, actor))
