"""Who may vote on an approval, what a vote does, who may take it back. Pure: no clock, no database."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from features.returns import RecoupError
from policy.approvals.cases import Approval, Choice, Part, Vote, Voter, person, same_person
from policy.approvals.refusals import (
    AlreadyVotedError,
    ClosedError,
    NotAllowedError,
    OverLimitError,
    OwnCaseError,
    WrongRoleError,
)
from policy.approvals.states import State
from policy.authority import Authority

ADMINISTRATOR: Final = "admin"


def check_vote(approval: Approval, voter: Voter, *, authority: Authority, now: datetime) -> None:
    """Refuse a vote that must not count; approving and rejecting take the same right.

    Raises
    ------
    OwnCaseError, WrongRoleError, OverLimitError, NotAllowedError
        403: own case, role not asked, amount over the limit, another site.
    ClosedError, AlreadyVotedError
        409: closed or lapsed, or voted before.
    """
    check_part(approval, voter.actor)
    _check_right(approval, voter, authority)
    _check_open(approval, now)
    check_voice(approval, voter.actor)


def may_vote(approval: Approval, voter: Voter, *, authority: Authority, now: datetime) -> bool:
    """Whether `check_vote` would let the vote through."""
    try:
        check_vote(approval, voter, authority=authority, now=now)
    except RecoupError:
        return False
    return True


def check_recall(approval: Approval, voter: Voter, *, authority: Authority, now: datetime) -> None:
    """Refuse a recall by anyone but who requested and who may decide; a recall only ever closes.

    Raises
    ------
    NotAllowedError, ClosedError
        403 or 409.
    """
    _check_open(approval, now)
    part = approval.part_of(voter.actor)
    if part not in {Part.REQUESTED, Part.HOLDS_REQUESTING_KEY}:
        check_part(approval, voter.actor)
        _check_right(approval, voter, authority)


def outcome(approval: Approval, votes: Iterable[Vote]) -> State:
    """Where the votes take a pending approval: one rejection closes it, enough people approve it."""
    if approval.state is not State.PENDING:
        return approval.state
    votes = tuple(votes)
    if any(vote.choice is Choice.REJECT for vote in votes):
        return State.REJECTED
    people = {person(vote.actor) for vote in votes if vote.choice is Choice.APPROVE}
    return State.APPROVED if len(people) >= approval.requirement.needed else State.PENDING


def check_part(approval: Approval, actor: str) -> None:
    """Nobody who has had to do with the case decides it (FIN-03)."""
    part = approval.part_of(actor)
    if part is not None:
        raise OwnCaseError(f"'{actor}' {part} this case and cannot approve it.")


def check_site(approval: Approval, voter: Voter) -> None:
    """Nobody decides at a site that is not theirs."""
    if voter.sites and approval.site not in voter.sites:
        raise NotAllowedError(f"This approval belongs to site {approval.site}, which is not one of yours.")


def check_voice(approval: Approval, actor: str) -> None:
    """Each counts once, and so do two of whom one passed the question on to the other."""
    linked = [pair for pair in approval.passed if any(same_person(name, actor) for name in pair)]
    voices = {actor, *(name for pair in linked for name in pair)}
    for vote in approval.votes:
        if same_person(vote.actor, actor):
            raise AlreadyVotedError("You have voted on this approval already.")
        if any(same_person(vote.actor, name) for name in voices):
            raise AlreadyVotedError("This approval was passed on; one of the two has voted already.")


def _check_right(approval: Approval, voter: Voter, authority: Authority) -> None:
    requirement = approval.requirement
    check_site(approval, voter)
    # An administrator makes keys and roles, so no role next to it may approve either.
    roles = voter.roles if ADMINISTRATOR not in voter.roles else frozenset()
    asked, ladder, amount = roles & requirement.voters.all, frozenset(authority.ladder), requirement.amount
    if asked - ladder or any(amount is not None and authority.covers(role, amount) for role in asked):
        return
    if amount is not None and (asked or (roles & ladder and requirement.voters.all & ladder)):
        raise OverLimitError(f"{amount.text} {amount.currency} is more than your role may answer for.")
    raise WrongRoleError(f"This approval asks for {' or '.join(requirement.roles)}.")


def _check_open(approval: Approval, now: datetime) -> None:
    if approval.state is not State.PENDING:
        raise ClosedError(f"This approval is {approval.state}.")
    if now >= approval.expires_at:
        raise ClosedError(f"This approval lapsed at {approval.expires_at.isoformat()}.")
