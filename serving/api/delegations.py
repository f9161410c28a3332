"""Standing delegations: an approver's right, shared for a while and up to an amount."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import Field

from ledger.chain import NotInLedgerError
from ledger.reference import Reference
from ledger.store import Transaction
from policy.approvals import DelegationError, WrongRoleError, same_person
from serving.access import Action
from serving.api.dependencies import Answer, Doors, IdempotencyKey, digest, once, permit
from serving.api.wire import Actor, Instant, MoneyWire, Text, Wire
from serving.auth import Caller
from serving.case.approving import DELEGATIONS
from serving.contract import shapes
from serving.contract.body import StrictRoute
from serving.errors import ProblemError
from serving.stamps import iso, new_id

router = APIRouter(prefix="/v1/delegations", tags=["approvals"], route_class=StrictRoute)
Reader = Annotated[Caller, permit(Action.INBOX)]
Holder = Annotated[Caller, permit(Action.VOTE)]


class DelegationRequest(Wire):
    """Who may vote in the caller's place, when, and on how much."""

    to: Actor
    role: Text | None = None
    since: Annotated[Instant, Field(alias="from")]
    until: Instant
    limit: Annotated[
        MoneyWire | None, Field(description="The largest case; the caller's own limit holds as well.")
    ] = None


@router.post("", status_code=201, summary="Have somebody stand in", response_model=shapes.Delegation)
def add(doors: Doors, caller: Holder, key: IdempotencyKey, body: DelegationRequest) -> JSONResponse:
    """Let somebody vote under the caller's role for a while; never on cases of either of the two."""
    if body.role not in {None, caller.role}:
        raise WrongRoleError("A role that is not one's own cannot be passed on.")
    if same_person(body.to, caller.subject):
        raise DelegationError("A right is delegated to someone else, not to oneself.")
    if not body.since < body.until or body.until <= doors.now():
        raise ProblemError(422, "delegation_dates", "A delegation ends after it begins, and not in the past.")

    def work(tx: Transaction) -> Answer:
        entry = {
            "holder": caller.subject,
            "role": caller.role,
            "sites": sorted(caller.sites),
            "to": body.to,
            "from": body.since.isoformat(),
            "until": body.until.isoformat(),
            "limit": body.limit.model_dump() if body.limit else None,
            "revoked_at": None,
        }
        new = tx.put_reference(DELEGATIONS, new_id("dgn"), body=entry, actor=caller.subject, at=doors.now())
        return Answer(201, wire(new))

    return once(doors, caller, key, digest("delegation", body), work).response()


@router.get("", summary="Who stands in for whom", response_model=shapes.Delegations)
def read(doors: Doors, caller: Reader) -> dict[str, Any]:
    """The delegations from and to the caller; every one for those who do not vote."""
    with doors.ledger.read() as tx:
        found = [entry for entry in tx.references(DELEGATIONS) if entry.body]
    mine = [entry for entry in found if caller.role == "auditor" or _concerns(entry, caller)]
    return {"items": [wire(entry) for entry in mine]}


@router.delete("/{delegation_id}", status_code=204, summary="Have nobody stand in any more")
def end(doors: Doors, caller: Holder, delegation_id: str) -> None:
    """End a delegation from now on; for who made it, and for who stands in."""
    with doors.ledger.write() as tx:
        entry = tx.reference(DELEGATIONS, delegation_id)
        if entry is None or not _concerns(entry, caller):
            raise NotInLedgerError("there is no such delegation from or to you.")
        if entry.body["revoked_at"] is None:
            now = doors.now()
            ended = {**entry.body, "revoked_at": now.isoformat()}
            tx.put_reference(DELEGATIONS, delegation_id, body=ended, actor=caller.subject, at=now)


def _concerns(entry: Reference, caller: Caller) -> bool:
    return any(same_person(entry.body[name], caller.subject) for name in ("holder", "to"))


def wire(entry: Reference) -> dict[str, Any]:
    """A standing delegation as it is answered."""
    body = {name: entry.body[name] for name in ("role", "sites", "to", "limit")}
    moments = {name: _utc(entry.body[name]) for name in ("from", "until", "revoked_at")}
    return {"id": entry.id, "holder": entry.body["holder"], **body, **moments, "created_at": iso(entry.at)}


def _utc(moment: str | None) -> str | None:
    return moment.replace("+00:00", "Z") if moment else None
