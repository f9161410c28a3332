"""The operations metrics of a window, by the definitions of the field."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query

from features.events import Event
from ledger.outbox import Traffic
from ledger.recommendations import Recommendation
from ledger.store import Transaction
from policy.rulebook import Rulebook
from serving import auth
from serving.access import Action
from serving.api.dependencies import Doors, permit
from serving.api.wire import Instant, Text
from serving.auth import Caller
from serving.case import quality
from serving.case.approving import calendar_of
from serving.contract import records
from serving.contract.body import StrictRoute
from serving.errors import ProblemError
from serving.operations import agreement, metrics, yields
from serving.stamps import iso

router = APIRouter(prefix="/v1", tags=["operations"], route_class=StrictRoute)
Reader = Annotated[Caller, permit(Action.METRICS)]
DEFAULT_WINDOW = timedelta(days=30)
LONGEST_OPEN = timedelta(days=90)  # what has lain for longer without an event is no longer looked for
PAGE = 1000


@router.get("/metrics/operations", summary="The operations metrics", response_model=records.OperationsMetrics)
def operations(
    doors: Doors,
    caller: Reader,
    start: Annotated[Instant | None, Query(alias="from")] = None,
    to: Annotated[Instant | None, Query()] = None,
    site: Annotated[Text | None, Query()] = None,
) -> dict[str, Any]:
    """Medians and P90 by the definitions of the field, open cases counted."""
    until = to or doors.now()
    since = start or until - DEFAULT_WINDOW
    site = _site(caller, site)
    book = doors.policies.at(site or "")
    with doors.ledger.read() as tx:
        records = _records(tx, since, until, site)
        closed = calendar_of(tx, site).closed if site else frozenset()
        people = _people(tx, since, until, site, metrics.Calendar(closed))
        people |= _yields(tx, since, until, site, records, book)
    limits = (metrics.APPROVAL_LIMIT, *(limit for _, _, limit in metrics.QUEUES.values()))
    sla = {name: days for name in limits if (days := book.limit(name)) is not None}
    found = metrics.operations(records, now=until, calendar=metrics.Calendar(closed), sla=sla) | people
    return {"from": iso(since), "to": iso(until), "site": site, "metrics": found}


def _site(caller: Caller, site: str | None) -> str | None:
    """The site asked for, which a key that reaches some sites has to name unless there is only one."""
    if site is not None:
        auth.check_site(caller, site)
        return site
    if len(caller.sites) > 1:
        raise ProblemError(400, "site_missing", "Name one of your sites.")
    return min(caller.sites, default=None)


def _records(tx: Transaction, since: datetime, until: datetime, site: str | None) -> metrics.Records:
    long_ago = min(since, until - LONGEST_OPEN)
    recommended, asked = tx.lines_recommended(since, until, site=site)
    told = tx.told(long_ago, until, site=site)
    overridden = {one.outcome.return_line_id for one in told if one.outcome.disposition != one.recommended}
    return metrics.Records(
        events=tx.events_between(since, until, site=site),
        entered=tx.events_between(long_ago, until, types=metrics.STAGES, site=site),
        waiting=tuple(at for at in _pending(tx, site) if at <= until),
        recommended=recommended,
        asked=asked,
        touched=tx.lines_touched(long_ago, until) | overridden,
    )


def _people(
    tx: Transaction, since: datetime, until: datetime, site: str | None, calendar: metrics.Calendar
) -> dict[str, Any]:
    """How people decide, by role: their votes, and what they did with what was recommended."""
    known = tx.keys()
    roles = {auth.Caller(key.subject, key.role).actor: key.role for key in known}
    ballots, told = tx.ballots(since, until, site=site), tx.told(since, until, site=site)
    return {
        "approvals": agreement.votes_by_role(ballots, calendar=calendar),
        "outcomes": agreement.outcomes_by_role(told, roles=roles, calendar=calendar),
    }


def _yields(  # the window, the site and what was read of them already
    tx: Transaction,
    since: datetime,
    until: datetime,
    site: str | None,
    records: metrics.Records,
    book: Rulebook,
) -> dict[str, Any]:
    """What returns brought, what people got through, and how often cleared returns were wrong."""
    outcomes = yields.latest(told.outcome for told in tx.told(since, until, site=site))
    about: dict[str, Recommendation] = {}
    for start in range(0, len(outcomes), PAGE):
        about |= tx.recommendations_of([one.recommendation_id for one in outcomes[start : start + PAGE]])
    ended = [yields.ended(one, about[one.recommendation_id]) for one in outcomes]
    asked = tx.reviews_by_day(since.date(), until.date(), site=site)
    return {
        "inventory_recovery_value": yields.inventory_recovery(ended, records.events),
        "inspection_productivity": yields.inspection_productivity(records.events),
        "review_load": yields.review_load(asked, budgets=book.budgets, recommended=len(records.recommended)),
        **_integration(tx.traffic(since, until, site=site), records.events),
        "quality_review": quality.error_rate(tx.draws_between(since, until, site=site)),
    }


def _integration(ours: Traffic, told: Sequence[Event]) -> dict[str, Any]:
    """Our own messages and those that other systems sent here, by what went wrong with them."""
    theirs = metrics.failures_told(told)
    sent = ours.sent + len(told)
    return {
        "integration_failure_rate": metrics.ratio(ours.failed + theirs, sent),
        "integration": {
            "unit": "messages",
            "sent": sent,
            "dead_lettered": ours.dead,
            "replayed": ours.replayed,
            "failures_told": theirs,
            "duplicates": ours.repeats,
        },
    }


def _pending(tx: Transaction, site: str | None) -> Iterator[datetime]:
    last: str | None = None
    while page := tx.approvals(sites=[site] if site else None, after=last, limit=PAGE):
        yield from (approval.created_at for approval in page)
        last = page[-1].id
