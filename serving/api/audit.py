"""The audit trail: read in pages, verified as a whole."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from serving.access import Action
from serving.api.dependencies import Doors, permit
from serving.api.wire import Filter
from serving.auth import Caller
from serving.contract import records
from serving.contract.body import StrictRoute

router = APIRouter(prefix="/v1/audit", tags=["audit"], route_class=StrictRoute)
Auditor = Annotated[Caller, permit(Action.AUDIT)]
PAGE = 500
LAST = 2**53 - 1


@router.get("", summary="Entries in order", response_model=records.AuditEntries)
def entries(
    doors: Doors,
    caller: Auditor,
    after: Annotated[int, Query(ge=0, le=LAST)] = 0,
    subject: Annotated[Filter, Query()] = None,
) -> dict[str, Any]:
    """A page of the hash chain; `next` is the `after` of the following page."""
    with doors.ledger.read() as tx:
        page = tx.audit(after=after, subject=subject, limit=PAGE)
    items = [
        {
            "seq": entry.seq,
            "at": entry.at,
            "actor": entry.actor,
            "kind": entry.kind,
            "subject": entry.subject,
            "body": dict(entry.body),
            "previous": entry.previous,
            "hash": entry.hash,
        }
        for entry in page
    ]
    return {"items": items, "next": page[-1].seq if len(page) == PAGE else None}


@router.get("/verify", summary="Verify the whole chain", response_model=records.Verified)
def verify(doors: Doors, caller: Auditor) -> dict[str, Any]:
    """Follow every link and compare every row that it witnesses."""
    found = doors.ledger.verify()
    body = {"valid": found.valid, "entries": found.entries, "head": found.head}
    return body if found.valid else {**body, "problem": found.problem}
