"""How people decide, by role: agreement with what was recommended, time taken, reasons for overrides.

Whoever agrees with everything at once has stopped looking: automation bias shows here first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from ledger.approvals import Ballot
from ledger.evidence import Told
from policy.approvals import Choice, OverrideReason, counted_as, reason_in
from serving.operations.metrics import Calendar, done_by, ratio

HASTY: Final = 5.0  # seconds; nobody reads a case in less


def votes_by_role(ballots: Iterable[Ballot], *, calendar: Calendar) -> dict[str, Any]:
    """How each role votes: agreement with the recommendation, time taken, approvals too quick to be read.

    A vote's time at hand runs from when the approval was asked for, or from the same voter's vote before it.
    """
    votes: defaultdict[str, list[Ballot]] = defaultdict(list)
    before: dict[str, datetime] = {}
    hasty: defaultdict[str, int] = defaultdict(int)
    for ballot in ballots:
        vote = ballot.vote
        since = max(ballot.asked_at, before.get(vote.voter, ballot.asked_at))
        before[vote.voter] = vote.at
        votes[vote.role].append(ballot)
        quick = (vote.at - since).total_seconds() < HASTY
        hasty[vote.role] += quick and vote.vote == Choice.APPROVE
    return {role: _of_role(cast, hasty[role], calendar) for role, cast in sorted(votes.items())}


def _of_role(cast: Sequence[Ballot], hasty: int, calendar: Calendar) -> dict[str, Any]:
    approving = sum(one.vote.vote == Choice.APPROVE for one in cast)
    return {
        "votes": len(cast),
        "agreement_rate": ratio(approving, len(cast)),
        **_pace(calendar, [(one.asked_at, one.vote.at) for one in cast]),
        "override_reasons": _counts(
            reason_in(one.vote.comment) or OverrideReason.OTHER
            for one in cast
            if one.vote.vote == Choice.REJECT
        ),
        "approved_under_5_seconds": ratio(hasty, approving),
    }


def outcomes_by_role(told: Iterable[Told], *, roles: Mapping[str, str], calendar: Calendar) -> dict[str, Any]:
    """How often what was done is what was recommended, and why not, by the role of who told it.

    `roles` gives the role of each actor; time runs from the recommendation to the outcome.
    """
    by_role: defaultdict[str, list[Told]] = defaultdict(list)
    for one in told:
        by_role[roles.get(one.outcome.actor, "unknown")].append(one)
    return {role: _followed(mine, calendar) for role, mine in sorted(by_role.items())}


def _followed(told: Sequence[Told], calendar: Calendar) -> dict[str, Any]:
    otherwise = [one.outcome for one in told if one.outcome.disposition != one.recommended]
    return {
        "outcomes": len(told),
        "agreement_rate": ratio(len(told) - len(otherwise), len(told)),
        **_pace(calendar, [(one.recommended_at, one.outcome.at) for one in told]),
        "override_reasons": _counts(counted_as(outcome.reason_code or "") for outcome in otherwise),
    }


def _pace(calendar: Calendar, spans: Sequence[tuple[datetime, datetime]]) -> dict[str, Any]:
    hours = calendar.hours([start for start, _ in spans], [end for _, end in spans])
    return {
        "unit": "business hours",
        "median": done_by(hours, share=0.5),
        "p90": done_by(hours, share=0.9),
    }


def _counts(reasons: Iterable[OverrideReason]) -> dict[str, int]:
    """How often each reason was given, the most frequent first."""
    return {reason.value: count for reason, count in Counter(reasons).most_common()}
