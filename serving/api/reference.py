"""Versioned master data from ERP and WMS: contracts, suppliers, sites, recalls, products."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import Field

from ledger.chain import NotInLedgerError
from ledger.reference import Reference
from serving.access import Action
from serving.api.dependencies import Doors, permit
from serving.api.wire import Instant, Text
from serving.auth import Caller
from serving.contract import records
from serving.contract.body import StrictRoute
from serving.stamps import iso

router = APIRouter(prefix="/v1/reference", tags=["reference"], route_class=StrictRoute)
Writer = Annotated[Caller, permit(Action.REFERENCE_WRITE)]
Reader = Annotated[Caller, permit(Action.REFERENCE_READ)]
Body = Annotated[dict[Text, Any], Field(max_length=200, description="What ERP or WMS says now; see docs.")]


class Kind(StrEnum):
    """What there is master data about."""

    CONTRACTS = "contracts"
    SUPPLIERS = "suppliers"
    SITES = "sites"
    RECALLS = "recalls"
    PRODUCTS = "products"


@router.put(
    "/{kind}/{reference_id}", summary="Say what holds from now on", response_model=records.ReferenceVersion
)
def put(doors: Doors, caller: Writer, kind: Kind, reference_id: Text, body: Body) -> JSONResponse:
    """Append a version; the same body again appends none."""
    with doors.ledger.write() as tx:
        before = tx.reference(kind, reference_id)
        stored = tx.put_reference(kind, reference_id, body=body, actor=caller.subject, at=doors.now())
    return JSONResponse(wire(stored), 201 if before is None else 200)


@router.get(
    "/{kind}/{reference_id}", summary="What holds now, or held then", response_model=records.ReferenceVersion
)
def get(
    doors: Doors,
    caller: Reader,
    kind: Kind,
    reference_id: Text,
    as_of: Annotated[Instant | None, Query()] = None,
) -> dict[str, Any]:
    """The newest version, or the one that held at `as_of`."""
    with doors.ledger.read() as tx:
        found = tx.reference(kind, reference_id, as_of=as_of)
    if found is None:
        raise NotInLedgerError(f"there is nothing about that under {kind}.")
    return wire(found)


def wire(reference: Reference) -> dict[str, Any]:
    """A version as it is answered."""
    return {
        "kind": reference.kind,
        "id": reference.id,
        "version": reference.version,
        "body": dict(reference.body),
        "at": iso(reference.at),
        "actor": reference.actor,
    }
