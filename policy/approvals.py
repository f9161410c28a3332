"""Who may vote on an approval, what a vote does, and when it lapses. Pure: no clock, no database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from features.returns import RecoupError
from policy.authority import Authority
from policy.verdict import Requirement


class State(StrEnum):
    """Where an approval stands."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    RECALLED = "recalled"
    SUPERSEDED = "superseded"


# The one table of states: code obeys it, the diagram in the docs is drawn from it.
# Changed facts void an approval even after it was given; nothing else ever reopens or undoes one.
MOVES: Final[Mapping[State, frozenset[State]]] = {
    State.PENDING: frozenset(
        {State.APPROVED, State.REJECTED, State.EXPIRED, State.RECALLED, State.SUPERSEDED},
    ),
    State.APPROVED: frozenset({State.SUPERSEDED}),
    State.REJECTED: frozenset(),
    State.EXPIRED: frozenset(),
    State.RECALLED: frozenset(),
    State.SUPERSEDED: frozenset(),
}
ADMINISTRATOR: Final = "admin"
_SATURDAY: Final = 5


class Choice(StrEnum):
    """What a voter says."""

    APPROVE = "approve"
    REJECT = "reject"


class Part(StrEnum):
    """What someone has had to do with a case; any of it bars them from approving it (FIN-03)."""

    REQUESTED = "requested"
    HOLDS_REQUESTING_KEY = "holds the key that requested"
    RECEIVED = "received"
    INSPECTED = "inspected"
    CHANGED_FACTS = "changed the facts of"


@dataclass(frozen=True, slots=True)
class Vote:
    """One vote as it was cast."""

    actor: str
    choice: Choice


@dataclass(frozen=True, slots=True)
class Voter:
    """Who wants to act; no sites means all of them."""

    actor: str
    roles: frozenset[str]
    sites: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Approval:
    """An approval as it stands.

    Attributes
    ----------
    involved : mapping of actor to Part
        Who has had to do with the case.
    """

    requirement: Requirement
    site: str
    expires_at: datetime
    involved: Mapping[str, Part]
    state: State = State.PENDING
    votes: tuple[Vote, ...] = ()


class NotAllowedError(RecoupError):
    """Something that the person who asks may not do to an approval."""

    status = 403
    code = "vote_not_allowed"


class OwnCaseError(NotAllowedError):
    """Nobody approves their own case."""

    code = "own_case"
    hint = (
        "Ask a colleague who has had nothing to do with the case; there is no exception for administrators."
    )


class WrongRoleError(NotAllowedError):
    """The role is not asked here."""

    code = "wrong_role"
    hint = "The approval lists the roles that are asked."


class OverLimitError(NotAllowedError):
    """The credit is larger than the voter may answer for."""

    code = "over_limit"
    hint = "Ask someone whose limit covers the amount, or delegate to them."


class ClosedError(RecoupError):
    """The approval takes no more votes."""

    status = 409
    code = "approval_closed"
    hint = "Read the recommendation again; changed facts open a new approval."


class AlreadyVotedError(RecoupError):
    """Each person counts once."""

    status = 409
    code = "already_voted"
    hint = "A second person has to vote."


def check_move(state: State, to: State) -> None:
    """Refuse a move that the table does not hold.

    Raises
    ------
    ClosedError
        If an approval in `state` cannot become `to`.
    """
    if to not in MOVES[state]:
        raise ClosedError(f"This approval is {state} and cannot become {to}.")


def check_vote(approval: Approval, voter: Voter, *, authority: Authority, now: datetime) -> None:
    """Refuse a vote that must not count; approving and rejecting take the same right.

    Raises
    ------
    OwnCaseError, WrongRoleError, OverLimitError, NotAllowedError
        403: own case, role not asked, amount over the limit, another site.
    ClosedError, AlreadyVotedError
        409: closed or lapsed, or voted before.
    """
    _check_part(approval, voter.actor)
    _check_right(approval, voter, authority)
    _check_open(approval, now)
    if any(_same(vote.actor, voter.actor) for vote in approval.votes):
        raise AlreadyVotedError("You have voted on this approval already.")


def may_vote(approval: Approval, voter: Voter, *, authority: Authority, now: datetime) -> bool:
    """Whether `check_vote` would let the vote through."""
    try:
        check_vote(approval, voter, authority=authority, now=now)
    except RecoupError:
        return False
    return True


def check_delegation(
    approval: Approval, voter: Voter, *, to: str, authority: Authority, now: datetime
) -> None:
    """Refuse to hand an approval to someone who is part of the case, or by someone who could not vote.

    Delegating passes on the question and not the right: the delegate's vote is checked like any other.

    Raises
    ------
    NotAllowedError, ClosedError, AlreadyVotedError
        As for a vote.
    """
    check_vote(approval, voter, authority=authority, now=now)
    if _same(to, voter.actor):
        raise NotAllowedError("An approval is delegated to someone else, not to oneself.")
    _check_part(approval, to)


def check_recall(approval: Approval, voter: Voter, *, authority: Authority, now: datetime) -> None:
    """Refuse a recall by anyone but who requested and who may decide; a recall only ever closes.

    Raises
    ------
    NotAllowedError, ClosedError
        403 or 409.
    """
    _check_open(approval, now)
    part = _part(approval, voter.actor)
    if part not in {Part.REQUESTED, Part.HOLDS_REQUESTING_KEY}:
        _check_part(approval, voter.actor)
        _check_right(approval, voter, authority)


def outcome(approval: Approval, votes: Iterable[Vote]) -> State:
    """Where the votes take a pending approval: one rejection closes it, enough people approve it."""
    if approval.state is not State.PENDING:
        return approval.state
    votes = tuple(votes)
    if any(vote.choice is Choice.REJECT for vote in votes):
        return State.REJECTED
    people = {_person(vote.actor) for vote in votes if vote.choice is Choice.APPROVE}
    return State.APPROVED if len(people) >= approval.requirement.needed else State.PENDING


def after_business_days(start: datetime, days: int) -> datetime:
    """The same time of day, so many weekdays later; a start at the weekend counts from its Monday."""
    moment = start
    while moment.weekday() >= _SATURDAY:
        moment = (moment + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    for _ in range(days):
        moment += timedelta(days=1)
        while moment.weekday() >= _SATURDAY:
            moment += timedelta(days=1)
    return moment


def is_overdue(since: datetime, *, business_days: int, now: datetime) -> bool:
    """Whether something that waits since then is past its time (OPS-08); the clock is passed in."""
    return now > after_business_days(since, business_days)


def diagram() -> str:
    """The table of states as a Mermaid diagram, for the docs."""
    moves = [f"    {state} --> {to}" for state, after in MOVES.items() for to in sorted(after)]
    ends = [f"    {state} --> [*]" for state, after in MOVES.items() if not after]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {State.PENDING}", *moves, *ends])


def _check_part(approval: Approval, actor: str) -> None:
    part = _part(approval, actor)
    if part is not None:
        raise OwnCaseError(f"'{actor}' {part} this case and cannot approve it.")


def _part(approval: Approval, actor: str) -> Part | None:
    return next((part for name, part in approval.involved.items() if _same(name, actor)), None)


def _check_right(approval: Approval, voter: Voter, authority: Authority) -> None:
    requirement = approval.requirement
    if voter.sites and approval.site not in voter.sites:
        raise NotAllowedError(f"This approval belongs to site {approval.site}, which is not one of yours.")
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


def _same(one: str, other: str) -> bool:
    return _person(one) == _person(other)


def _person(actor: str) -> str:
    return actor.strip().casefold()
