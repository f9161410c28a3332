"""From votes to the status of a recommendation, in the ledger's one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from features.events import EventType
from features.returns import Money
from ledger.approvals import Approval, Delegation, Vote
from ledger.outbox import Message
from ledger.recommendations import Recommendation
from ledger.reference import Reference
from ledger.store import Transaction
from policy import approvals as rules
from policy.approvals import Choice, Part, State, same_person
from policy.authority import Authority
from policy.timing.calendar import Calendar
from policy.verdict import Requirement, Status
from serving.stamps import new_id

_PARTS_BY_EVENT: Final = {
    EventType.RECEIPT_CONFIRMED: Part.RECEIVED,
    EventType.RECEIPT_DISCREPANCY: Part.RECEIVED,
    EventType.INSPECTION_STARTED: Part.INSPECTED,
    EventType.INSPECTION_COMPLETED: Part.INSPECTED,
}
DELEGATIONS: Final = "delegations"  # standing delegations are a register like any other
_ENDS: Final = {
    State.REJECTED: "rejected",
    State.EXPIRED: "expired",
    State.RECALLED: "recalled",
}


def involved_in(tx: Transaction, recommendation: Recommendation) -> dict[str, Part]:
    """Everyone who has had to do with the case, at any of its stages: nobody of them may approve it."""
    line, parts = recommendation.return_line_id, dict[str, Part]()
    for kind, sender in tx.senders(line):
        parts[sender] = _PARTS_BY_EVENT.get(kind, Part.CHANGED_FACTS)
    for event in tx.events(line):
        if event.type in _PARTS_BY_EVENT:
            named = (event.data.get(name) for name in ("actor", "inspector"))
            parts |= {actor: _PARTS_BY_EVENT[event.type] for actor in named if isinstance(actor, str)}
    parts |= dict.fromkeys(_readers(tx, recommendation), Part.CHANGED_FACTS)
    parts |= dict.fromkeys(recommendation.related, Part.CHANGED_FACTS)
    for one in (*tx.recommendations(return_line_id=line), recommendation):
        inspector = (one.request.get("inspection") or {}).get("inspector")
        parts |= {inspector: Part.INSPECTED} if inspector else {}
    parts[recommendation.actor] = Part.HOLDS_REQUESTING_KEY
    parts[recommendation.requested_by] = Part.REQUESTED
    return parts


def _readers(tx: Transaction, recommendation: Recommendation) -> Iterator[str]:
    """Whoever handed in one of the case's documents, or corrected what was read from it."""
    attached = tx.documents_of(recommendation.request.get("document_ids", ()))
    for document in (*attached, *tx.documents_about(recommendation.return_line_id)):
        yield document.actor
        yield from (correction.actor for correction in tx.corrections(document.id))


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
    recommendation = tx.recommendation(approval.recommendation_id)
    return rules.Approval(
        requirement_of(approval, authority),
        approval.site,
        approval.expires_at,
        involved_in(tx, recommendation),
        State(approval.status),
        tuple(rules.Vote(vote.voter, Choice(vote.vote)) for vote in tx.votes(approval.id)),
        tuple((passed.delegator, passed.delegate) for passed in tx.delegations(approval.id)),
        approval.amount or recommendation.line.requested,
    )


def cast(
    tx: Transaction, approval: Approval, vote: Vote, *, voter: rules.Voter, authority: Authority
) -> None:
    """Cast a vote by the voter's own right or by one that was passed on, and conclude where it decides.

    Raises
    ------
    NotAllowedError, ClosedError, AlreadyVotedError
        Where the vote must not count.
    """
    standing = circle_of(tx, approval, authority)
    through = rules.right_to_vote(
        standing, voter, delegations=delegated(tx, approval, voter, vote.at), authority=authority, now=vote.at
    )
    version = approval.version
    if through is not None:
        role = min(through.holder.roles)
        vote = replace(vote, role=role)
        passed = Delegation(new_id("dlg"), approval.id, role, through.holder.actor, vote.voter, vote.at)
        if (passed.delegator, passed.delegate) not in standing.passed:
            version = tx.add_delegation(passed, expected_version=version)
    tx.add_vote(vote, expected_version=version)
    state = rules.outcome(standing, [*standing.votes, rules.Vote(vote.voter, Choice(vote.vote))])
    if state is not State.PENDING:
        conclude(tx, approval, state, actor=vote.voter, at=vote.at)


def delegated(
    tx: Transaction, approval: Approval, voter: rules.Voter, now: datetime
) -> Iterator[rules.Delegation]:
    """The rights that were passed on to a voter, of this approval or standing; read only when asked for."""
    assert approval.expires_at is not None
    for one in tx.delegations(approval.id):
        if same_person(one.delegate, voter.actor) and _holds(tx, one.delegator, one.role, now):
            holder = rules.Voter(one.delegator, frozenset({one.role}))
            yield rules.Delegation(holder, one.delegate, one.at, approval.expires_at)
    for entry in tx.references(DELEGATIONS):
        if same_person(str(entry.body.get("to", "")), voter.actor) and not entry.body["revoked_at"]:
            through = standing_delegation(entry)
            if _holds(tx, through.holder.actor, entry.body["role"], now):
                yield through


def standing_delegation(entry: Reference) -> rules.Delegation:
    """A standing delegation as the rules of voting see it."""
    body = entry.body
    holder = rules.Voter(body["holder"], frozenset({body["role"]}), frozenset(body["sites"]))
    limit = Money.parse(body["limit"]["amount"], body["limit"]["currency"]) if body["limit"] else None
    since, until = (datetime.fromisoformat(body[name]) for name in ("from", "until"))
    return rules.Delegation(holder, body["to"], since, until, limit)


def _holds(tx: Transaction, actor: str, role: str, now: datetime) -> bool:
    """Whether a person still has a role; of someone who never had a key, what was recorded stands."""
    keys = tx.keys()
    theirs = [key for key in keys if same_person(key.subject, actor)]
    return not theirs or any(key.role == role and key.is_good(now) for key in theirs)


def calendar_of(tx: Transaction, site: str) -> Calendar:
    """The days on which a site works, by its master data."""
    found = tx.reference("sites", site)
    return Calendar.of_site(found.body if found else {})


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
