"""What runs the day: operations metrics, webhook endpoints."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import Field

from features.events import EventType
from ledger.outbox import Endpoint
from ledger.store import Transaction
from serving import metrics
from serving.access import Action
from serving.api.dependencies import Answer, Doors, IdempotencyKey, digest, once, permit
from serving.api.wire import Instant, Text, Wire
from serving.auth import Caller
from serving.errors import ProblemError
from serving.identity import new_id
from serving.times import iso

router = APIRouter(prefix="/v1", tags=["operations"])
Reader = Annotated[Caller, permit(Action.METRICS)]
Keeper = Annotated[Caller, permit(Action.WEBHOOKS)]
DEFAULT_WINDOW = timedelta(days=30)


class EndpointRequest(Wire):
    """Where events go out to."""

    url: Annotated[str, Field(strict=True, max_length=2000, pattern=r"^https?://")]
    types: Annotated[tuple[EventType, ...], Field(max_length=60)] = ()


@router.get("/metrics/operations", summary="The operations metrics")
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
    with doors.ledger.read() as tx:
        events = tx.events_between(since, until, site=site)
    return {
        "from": iso(since),
        "to": iso(until),
        "site": site,
        "metrics": metrics.operations(events, now=until),
    }


@router.get("/webhook-endpoints", summary="Where events go out to")
def endpoints(doors: Doors, caller: Keeper) -> dict[str, Any]:
    """All endpoints; their secrets are shown only once, when they are made."""
    with doors.ledger.read() as tx:
        return {"items": [wire(one) for one in tx.endpoints()]}


@router.post("/webhook-endpoints", status_code=201, summary="Send events to an address")
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
