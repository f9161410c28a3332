"""Who may vote on an approval, what a vote does, and when it lapses. Pure: no clock, no database."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from features.returns import Money, RecoupError
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
LAST_TOLD: Final = "service_manager"  # OPS-08: the owner of the stage is told, then the service manager
_SATURDAY: Final = 5


class Choice(StrEnum):
    """What a voter says."""

    APPROVE = "approve"
    REJECT = "reject"


class OverrideReason(StrEnum):
    """Why a person decides otherwise than was recommended."""

    CONDITION_DIFFERS = "CONDITION_DIFFERS"
    VALUE_DIFFERS = "VALUE_DIFFERS"
    EVIDENCE_MISSING = "EVIDENCE_MISSING"
    EVIDENCE_NEW = "EVIDENCE_NEW"
    FRAUD_SUSPECTED = "FRAUD_SUSPECTED"
    POLICY_EXCEPTION = "POLICY_EXCEPTION"
    CUSTOMER_AGREEMENT = "CUSTOMER_AGREEMENT"
    SUPPLIER_AGREEMENT = "SUPPLIER_AGREEMENT"
    CAPACITY = "CAPACITY"
    SAFETY = "SAFETY"
    DATA_ERROR = "DATA_ERROR"
    OTHER = "OTHER"


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
    passed : tuple of (delegator, delegate)
        Who passed it on to whom: the two have one voice in it between them.
    stake : Money or None
        The credit that the case asks for: what the limit of a delegation must cover.
    """

    requirement: Requirement
    site: str
    expires_at: datetime
    involved: Mapping[str, Part]
    state: State = State.PENDING
    votes: tuple[Vote, ...] = ()
    passed: tuple[tuple[str, str], ...] = ()
    stake: Money | None = None


@dataclass(frozen=True, slots=True)
class Delegation:
    """A right to vote that its holder shares with someone from a moment up to another.

    Attributes
    ----------
    holder : Voter
        Who passes it on, with the one role and the sites that are passed on; limits are those of now.
    limit : Money or None
        What a case may be about at most; None where the holder's own limit is enough of one.
    """

    holder: Voter
    to: str
    since: datetime
    until: datetime
    limit: Money | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an escalation: who may vote from then on, and who is told."""

    roles: tuple[str, ...]
    told: tuple[str, ...]


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


class DelegationError(NotAllowedError):
    """The delegation does not reach this vote."""

    code = "delegation_does_not_reach"
    hint = (
        "A delegation holds for one person, for its dates, up to its limit, and not for the holder's cases."
    )


class ReasonError(RecoupError):
    """Who decides against a recommendation says why."""

    status = 422
    code = "reason_code"
    hint = f"The codes are {', '.join(OverrideReason)}."


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
    _check_voice(approval, voter.actor)


def check_delegated_vote(
    approval: Approval, voter: Voter, *, through: Delegation, authority: Authority, now: datetime
) -> None:
    """Refuse a vote in someone's place unless both may have a part in it and the holder could cast it.

    Raises
    ------
    DelegationError
        403: the delegation is someone else's, not in force at `now`, or the case is about more.
    NotAllowedError, ClosedError, AlreadyVotedError
        As for the holder's own vote; a holder's right is never itself one that was passed on.
    """
    if not same_person(through.to, voter.actor) or same_person(through.holder.actor, voter.actor):
        raise DelegationError("This delegation is not to you.")
    if ADMINISTRATOR in voter.roles:
        raise WrongRoleError("An administrator approves nothing, for nobody.")
    if not through.since <= now < through.until:
        raise DelegationError("This delegation is not in force now.")
    if through.limit is not None and not _within(approval.stake, through.limit):
        raise DelegationError(f"This delegation reaches up to {through.limit.text} {through.limit.currency}.")
    _check_part(approval, voter.actor)
    _check_site(approval, voter)
    check_vote(approval, through.holder, authority=authority, now=now)
    _check_voice(approval, voter.actor)


def right_to_vote(
    approval: Approval,
    voter: Voter,
    *,
    delegations: Iterable[Delegation],
    authority: Authority,
    now: datetime,
) -> Delegation | None:
    """The delegation that a vote needs; None where the voter's own right is enough.

    Raises
    ------
    NotAllowedError, ClosedError, AlreadyVotedError
        Where neither carries the vote: what `check_vote` says of it.
    """
    try:
        check_vote(approval, voter, authority=authority, now=now)
    except (WrongRoleError, OverLimitError):
        for through in delegations:
            try:
                check_delegated_vote(approval, voter, through=through, authority=authority, now=now)
            except RecoupError:
                continue
            return through
        raise
    return None


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

    The delegate answers in the delegator's place: the two have one voice in it between them.

    Raises
    ------
    NotAllowedError, ClosedError, AlreadyVotedError
        As for a vote.
    """
    check_vote(approval, voter, authority=authority, now=now)
    if same_person(to, voter.actor):
        raise NotAllowedError("An approval is delegated to someone else, not to oneself.")
    _check_part(approval, to)
    _check_voice(approval, to)


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


def check_reason(*, overrides: bool, reason_code: str | None, comment: str = "") -> None:
    """Refuse a reason outside the vocabulary, and a decision against the recommendation without any.

    Raises
    ------
    ReasonError
        422, naming the codes.
    """
    if reason_code is not None and reason_code not in set(OverrideReason):
        raise ReasonError("This reason code is not known.")
    if overrides and reason_code is None and not comment.strip():
        raise ReasonError("Say why it is decided otherwise than recommended: give a reason_code.")


def escalation(requirement: Requirement, *, owner: str) -> tuple[Step, ...]:
    """The steps that an approval climbs while nobody decides it: roles are added, none is taken away.

    Money climbs the ladder, where each role could vote all along but was not asked. Specialists are reminded
    first. The service manager is told last and joins the voters only where `owner`, the owner of the rule,
    is operations: finance and compliance reserve their questions to those whom they name.
    """
    roles, steps = requirement.roles, []
    if requirement.amount is None:
        steps.append(Step(roles, roles))
    for role in requirement.higher:
        roles = (*roles, role)
        steps.append(Step(roles, (role,)))
    if LAST_TOLD not in roles:
        joins = requirement.amount is None and owner == "operations"
        steps.append(Step((*roles, LAST_TOLD) if joins else roles, (LAST_TOLD,)))
    return tuple(steps)


def after_business_days(start: datetime, days: int, *, closed: Collection[date] = frozenset()) -> datetime:
    """The same time of day, so many open days later; a start on a closed day counts from the next open one.

    Weekends are closed, and the days in `closed`.
    """
    moment = start
    while not _is_open(moment, closed):
        moment = datetime.combine(moment.date() + timedelta(days=1), time(), moment.tzinfo)
    for _ in range(days):
        moment += timedelta(days=1)
        while not _is_open(moment, closed):
            moment += timedelta(days=1)
    return moment


def is_overdue(
    since: datetime, *, business_days: int, now: datetime, closed: Collection[date] = frozenset()
) -> bool:
    """Whether something that waits since then is past its time (OPS-08); the clock is passed in."""
    return now > after_business_days(since, business_days, closed=closed)


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
    return next((part for name, part in approval.involved.items() if same_person(name, actor)), None)


def _check_site(approval: Approval, voter: Voter) -> None:
    if voter.sites and approval.site not in voter.sites:
        raise NotAllowedError(f"This approval belongs to site {approval.site}, which is not one of yours.")


def _check_voice(approval: Approval, actor: str) -> None:
    """Each counts once, and so do two of whom one passed the question on to the other."""
    linked = [pair for pair in approval.passed if any(same_person(name, actor) for name in pair)]
    voices = {actor, *(name for pair in linked for name in pair)}
    for vote in approval.votes:
        if same_person(vote.actor, actor):
            raise AlreadyVotedError("You have voted on this approval already.")
        if any(same_person(vote.actor, name) for name in voices):
            raise AlreadyVotedError("This approval was passed on; one of the two has voted already.")


def _within(stake: Money | None, limit: Money) -> bool:
    return stake is not None and stake.currency == limit.currency and stake.minor <= limit.minor


def _check_right(approval: Approval, voter: Voter, authority: Authority) -> None:
    requirement = approval.requirement
    _check_site(approval, voter)
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


def _is_open(moment: datetime, closed: Collection[date]) -> bool:
    return moment.weekday() < _SATURDAY and moment.date() not in closed


def same_person(one: str, other: str) -> bool:
    """Whether two actors are one person, however they are spelt."""
    one, other = _person(one), _person(other)
    if ":" in one and ":" in other:
        return one == other
    # An actor without a kind may be of any: doubt counts as the same person.
    return _subject(one) == _subject(other)


def _subject(person: str) -> str:
    return person.partition(":")[2] if ":" in person else person


def _person(actor: str) -> str:
    """An actor however it is spelt: letters alike, without case, spaces and characters that nobody sees."""
    letters = (letter for letter in unicodedata.normalize("NFKC", actor) if not letter.isspace())
    return "".join(letter for letter in letters if unicodedata.category(letter) != "Cf").casefold()
