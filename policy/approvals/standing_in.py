"""Standing in: a right to vote that its holder shares, and how far it reaches."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from features.returns import Money, RecoupError
from policy.approvals.cases import Approval, Delegation, Voter, same_person
from policy.approvals.refusals import DelegationError, NotAllowedError, OverLimitError, WrongRoleError
from policy.approvals.voting import ADMINISTRATOR, check_part, check_site, check_voice, check_vote
from policy.authority import Authority


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
    check_part(approval, voter.actor)
    check_site(approval, voter)
    check_vote(approval, through.holder, authority=authority, now=now)
    check_voice(approval, voter.actor)


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
    check_part(approval, to)
    check_voice(approval, to)


def _within(stake: Money | None, limit: Money) -> bool:
    return stake is not None and stake.currency == limit.currency and stake.minor <= limit.minor
