"""/approvals: what waits for the signed-in role, and beside it one case with all its evidence."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response

from ledger.approvals import ESCALATED, REMINDED, Approval
from ledger.store import Transaction
from policy.approvals import OverrideReason, State, same_person
from policy.authority import APPROVERS
from serving.access import Action
from serving.api import approvals as api
from serving.api.dependencies import Doors
from serving.auth import Caller
from serving.runtime import Runtime
from serving.web.problems import PageRoute
from serving.web.rendering import page
from serving.web.visitors import signed_in
from serving.web.work.case import case_of, is_approver, owner_of

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Caller, signed_in(Action.INBOX)]
ROWS: Final = 25
COUNTED: Final = 10_001  # more are shown as "more than 10,000"
SOON: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class View:
    """Which part of the inbox is looked at; what is not narrowed is left out of addresses."""

    status: str = State.PENDING
    role: str = ""
    site: str = ""
    after: str = ""
    first: int = 1

    def address(self, **changes: Any) -> str:
        """The page with this view and `changes`, such as the case that is open."""
        asked = {name: getattr(self, name) for name in self.__dataclass_fields__} | changes
        plain = View()
        kept = {k: v for k, v in asked.items() if v and v != getattr(plain, k, "")}
        return f"/approvals?{urlencode(kept)}" if kept else "/approvals"


def view_of(
    status: State = State.PENDING,
    role: Annotated[str, Query(max_length=50)] = "",
    site: Annotated[str, Query(max_length=200)] = "",
    after: Annotated[str, Query(max_length=200)] = "",
    first: Annotated[int, Query(ge=1, le=10**9)] = 1,
) -> View:
    """The view that an address names."""
    return View(status, role, site, after, first)


@router.get("/approvals")
def inbox(
    request: Request,
    doors: Doors,
    caller: Reader,
    view: Annotated[View, Depends(view_of)],
    opened: Annotated[str, Query(alias="open", max_length=200)] = "",
    done: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """The inbox; the first case, or the one that the address names, is open beside it."""
    return show(request, doors, caller, view, opened=opened, done=done)


@router.get("/approvals/{approval_id}")
def one(request: Request, doors: Doors, caller: Reader, approval_id: str) -> Response:
    """One case, wherever in the inbox it stands."""
    return show(request, doors, caller, View(), opened=approval_id)


def show(  # what the page shows
    request: Request,
    doors: Runtime,
    caller: Caller,
    view: View,
    *,
    opened: str = "",
    done: str = "",
    said: str = "",
    status: int = 200,
    typed: str = "",
) -> Response:
    """The inbox as a page."""
    narrowed = api.scope(caller, status=view.status, role=view.role or None, site=view.site or None)
    with doors.ledger.read() as tx:
        listed = tx.approvals(**narrowed, after=view.after or None, limit=ROWS + 1)
        total = tx.count_approvals(**narrowed, at_most=COUNTED)
        rows = _rows(doors, tx, caller, listed[:ROWS])
        chosen = opened or (listed[0].id if listed else "")
        case = case_of(doors, tx, caller, tx.approval(chosen)) if chosen else None
        finished = api.wire(tx.approval(done), now=doors.now()) if done else None
        sites = sorted(caller.sites) or [entry.id for entry in tx.references("sites")]
    shown = {
        "view": view,
        "rows": rows,
        "total": total,
        "counted_out": total < COUNTED,
        "next": listed[ROWS - 1].id if len(listed) > ROWS else "",
        "case": case,
        "opened": chosen,
        "explicit": bool(opened),
        "following": _following(listed, chosen),
        "done": finished,
        "said": said,
        "typed": typed,
        "sites": sites,
        "roles": APPROVERS,
        "own_role": caller.role if is_approver(caller) else "",
        "states": list(State),
        "codes": list(OverrideReason),
        "form_key": secrets.token_urlsafe(16),
    }
    return page(request, "inbox.html", shown, status=status)


def _rows(
    doors: Runtime, tx: Transaction, caller: Caller, listed: tuple[Approval, ...]
) -> list[dict[str, Any]]:
    known = tx.recommendations_of([one.recommendation_id for one in listed])
    steps = tx.approval_steps([one.id for one in listed])
    rows = []
    for approval in listed:
        recommendation = known[approval.recommendation_id]
        own = [recommendation.requested_by, recommendation.actor]
        rows.append(
            {
                **api.wire(approval, now=doors.now()),
                "etag": api.etag(approval),
                "asked": recommendation.line.requested,
                "reason": recommendation.request.get("reason", ""),
                "family": recommendation.line.family,
                "recommended": recommendation.body["disposition"]["recommended"],
                "fraud": recommendation.body["fraud"]["band"],
                "owner": owner_of(doors, recommendation, approval.rule),
                "own": any(same_person(actor, caller.subject) for actor in own),
                "escalated": steps[approval.id][ESCALATED] > 0,
                "reminded": steps[approval.id][REMINDED] > 0,
                "due": due(approval, doors.now()),
            }
        )
    return rows


def due(approval: Approval, now: datetime) -> str:
    """Whether a pending approval is past its time, close to it, or neither."""
    if approval.status != State.PENDING or approval.expires_at is None:
        return ""
    return "over" if approval.expires_at <= now else "soon" if approval.expires_at - now <= SOON else ""


def _following(listed: tuple[Approval, ...], chosen: str) -> str:
    """The case after the one that is open: where a decision leads on to."""
    ids = [approval.id for approval in listed]
    place = ids.index(chosen) + 1 if chosen in ids else 0
    return ids[place] if place < len(ids) else ""
