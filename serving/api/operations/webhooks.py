"""Where events go out to."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import Field

from features.events import EventType
from ledger.outbox import Endpoint
from ledger.store import Transaction
from serving.access import Action
from serving.api.dependencies import Answer, Doors, IdempotencyKey, digest, once, permit
from serving.api.wire import Wire
from serving.auth import Caller
from serving.contract import records
from serving.contract.body import StrictRoute
from serving.errors import ProblemError
from serving.stamps import new_id

router = APIRouter(prefix="/v1", tags=["operations"], route_class=StrictRoute)
Keeper = Annotated[Caller, permit(Action.WEBHOOKS)]


class EndpointRequest(Wire):
    """Where events go out to."""

    url: Annotated[str, Field(strict=True, max_length=2000, pattern=r"^https?://")]
    types: Annotated[tuple[EventType, ...], Field(max_length=60)] = ()


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
