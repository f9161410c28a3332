"""Where events go out to."""

from __future__ import annotations

import secrets
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import Field

from features.events import EventType
from ledger.chain import NotInLedgerError
from ledger.outbox import DEAD, DELIVERED, PENDING, Endpoint
from ledger.store import Transaction
from serving.access import Action
from serving.api.dependencies import Answer, Doors, IdempotencyKey, digest, once, permit
from serving.api.wire import Filter, Flag, Instant, Wire
from serving.auth import Caller
from serving.contract import records
from serving.contract.body import StrictRoute
from serving.stamps import iso, new_id
from serving.webhooks.addresses import public_addresses

router = APIRouter(prefix="/v1", tags=["operations"], route_class=StrictRoute)
PAGE = 100
Keeper = Annotated[Caller, permit(Action.WEBHOOKS)]


class Standing(StrEnum):
    """What became of a delivery."""

    PENDING = PENDING
    DELIVERED = DELIVERED
    DEAD = DEAD


class EndpointRequest(Wire):
    """Where events go out to."""

    # No user:password@ in it: that would be a secret in every list of endpoints.
    url: Annotated[str, Field(strict=True, max_length=2000, pattern=r"^https?://[^/?#@\\\s]+([/?#]\S*)?$")]
    types: Annotated[tuple[EventType, ...], Field(max_length=60)] = ()


class ReplayRequest(Wire):
    """From when on; receivers know messages that they have seen by their ids."""

    since: Instant
    dead_only: Flag = False


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
        public_addresses(body.url)

    def work(tx: Transaction) -> Answer:
        secret = "whsec_" + secrets.token_urlsafe(32)
        new = Endpoint(new_id("whk"), body.url, secret, tuple(kind.value for kind in body.types))
        tx.put_endpoint(new, actor=caller.actor, at=doors.now())
        return Answer(201, {**wire(new), "secret": secret})

    return once(doors, caller, key, digest("endpoint", body), work).response()


@router.post(
    "/webhook-endpoints/{endpoint_id}/replay",
    status_code=202,
    summary="Send again",
    response_model=records.Replaying,
)
def replay(
    doors: Doors, caller: Keeper, key: IdempotencyKey, endpoint_id: str, body: ReplayRequest
) -> JSONResponse:
    """Send every message since a moment again, or only those that were given up, with the ids they had."""

    def work(tx: Transaction) -> Answer:
        again = tx.replay(
            endpoint_id, since=body.since, actor=caller.actor, at=doors.now(), dead_only=body.dead_only
        )
        return Answer(202, {"messages": again})

    return once(doors, caller, key, digest(f"replay {endpoint_id}", body), work).response()


@router.get(
    "/webhook-endpoints/{endpoint_id}/deliveries",
    summary="What is on its way, has arrived or was given up",
    response_model=records.Deliveries,
)
def deliveries(
    doors: Doors,
    caller: Keeper,
    endpoint_id: str,
    status: Annotated[Standing, Query()] = Standing.DEAD,
    after: Annotated[Filter, Query()] = None,
) -> dict[str, Any]:
    """Messages to one endpoint, oldest first; those that were given up unless another state is named."""
    with doors.ledger.read() as tx:
        if all(one.id != endpoint_id for one in tx.endpoints()):
            raise NotInLedgerError("there is no webhook endpoint of this id.")
        page = tx.undelivered(endpoint_id, status=status.value, after=after, limit=PAGE)
    items = [{**asdict(one), "at": iso(one.at), "next_at": iso(one.next_at)} for one in page]
    return {"items": items, "next": page[-1].message_id if len(page) == PAGE else None}


@router.delete("/webhook-endpoints/{endpoint_id}", status_code=204, summary="Send no more")
def remove_endpoint(doors: Doors, caller: Keeper, endpoint_id: str) -> None:
    """Disable an endpoint."""
    with doors.ledger.write() as tx:
        tx.disable_endpoint(endpoint_id, actor=caller.actor, at=doors.now())


def wire(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint without its secret."""
    return {"id": endpoint.id, "url": endpoint.url, "types": list(endpoint.types), "active": endpoint.active}
