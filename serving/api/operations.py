"""What runs the day: operations metrics, webhook endpoints."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import Field

from features.events import EventType
from ledger.outbox import Endpoint
from ledger.recommendations import Recommendation
from ledger.store import Transaction
from policy.rulebook import Rulebook
from serving import auth
from serving.access import Action
from serving.api.dependencies import Answer, Doors, IdempotencyKey, digest, once, permit
from serving.api.wire import Instant, Text, Wire
from serving.auth import Caller
from serving.case import quality
from serving.case.approving import calendar_of
from serving.contract import records
from serving.contract.body import StrictRoute
from serving.errors import ProblemError
from serving.operations import agreement, metrics, yields
from serving.stamps import iso, new_id

router = APIRouter(prefix="/v1", tags=["operations"], route_class=StrictRoute)
Reader = Annotated[Caller, permit(Action.METRICS)]
Keeper = Annotated[Caller, permit(Action.WEBHOOKS)]
DEFAULT_WINDOW = timedelta(days=30)
LONGEST_OPEN = timedelta(days=90)  # what has lain for longer without an event is no longer looked for
PAGE = 1000


class EndpointRequest(Wire):
    """Where events go out to."""

    url: Annotated[str, Field(strict=True, max_length=2000, pattern=r"^https?://")]
    types: Annotated[tuple[EventType, ...], Field(max_length=60)] = ()


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
        "quality_review": quality.error_rate(tx.draws_between(since, until, site=site)),
    }


def _pending(tx: Transaction, site: str | None) -> Iterator[datetime]:
    last: str | None = None
    while page := tx.approvals(sites=[site] if site else None, after=last, limit=PAGE):
        yield from (approval.created_at for approval in page)
        last = page[-1].id


@router.get("/webhook-endpoints", summary="Where events go out to", response_model=records.Endpoints)
def endpoints(doors: Doors, caller: Keeper) -> dict[str, Any]:
    """All endpoints; their secrets are shown only once, when they are made."""
    with doors.ledger.read() as tx:
        return {"items": [wire(one) for one in tx.endpoints()]}


@router.post(
    "/webhook-endpoints",
    status_code=201,
    summary="Send events to an address",
    response_model=records.EndpointMade,
)
def add_endpoint(doors: Doors, caller: Keeper, key: IdempotencyKey, body: EndpointRequest) -> JSONResponse:
    """Register an endpoint; the answer holds the secret that signs its messages (Standard Webhooks)."""
    if not doors.settings.webhooks_to_private:
        check_public(body.url)

    def work(tx: Transaction) -> Answer:
        secret = "whsec_" + secrets.token_urlsafe(32)
        new = Endpoint(new_id("whk"), body.url, secret, tuple(kind.value for kind in body.types))
        tx.put_endpoint(new, actor=caller.actor, at=doors.now())
        return Answer(201, {**wire(new), "secret": secret})

    return once(doors, caller, key, digest("endpoint", body), work).response()


@router.delete("/webhook-endpoints/{endpoint_id}", status_code=204, summary="Send no more")
def remove_endpoint(doors: Doors, caller: Keeper, endpoint_id: str) -> None:
    """Disable an endpoint."""
    with doors.ledger.write() as tx:
        tx.disable_endpoint(endpoint_id, actor=caller.actor, at=doors.now())


def check_public(url: str) -> None:
    """Refuse an address inside a private network: a webhook must not become a way in."""
    host = urlsplit(url).hostname or ""
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except OSError as error:
        raise ProblemError(422, "webhook_unknown_host", "The host of this URL is not known.") from error
    if not found or not all(ipaddress.ip_address(address).is_global for address in found):
        raise ProblemError(422, "webhook_private", "Webhooks go to public addresses only; see the settings.")


def wire(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint without its secret."""
    return {"id": endpoint.id, "url": endpoint.url, "types": list(endpoint.types), "active": endpoint.active}
