"""Blind quality reviews: what is waiting, and what the reviewer would have done."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from features.returns import Disposition
from ledger.store import Transaction
from policy.approvals import OwnCaseError, same_person
from serving import auth
from serving.access import Action
from serving.api.dependencies import Answer, Doors, IdempotencyKey, digest, once, permit
from serving.api.wire import Filter, MoneyWire, Note, Wire
from serving.auth import Caller
from serving.case import quality
from serving.case.approving import involved_in
from serving.contract import records
from serving.contract.body import StrictRoute

router = APIRouter(prefix="/v1/quality-reviews", tags=["quality"], route_class=StrictRoute)
Reviewer = Annotated[Caller, permit(Action.QUALITY)]


class ReviewRequest(Wire):
    """What the reviewer would have done."""

    disposition: Disposition
    credit: MoneyWire
    comment: Note | None = None


@router.get("", summary="Cleared returns to decide again, without the answer", response_model=records.Reviews)
def reviews(
    doors: Doors,
    caller: Reviewer,
    after: Annotated[Filter, Query(description="`next` of the page before")] = None,
) -> dict[str, Any]:
    """A page of the open reviews at the caller's sites, oldest first; `next` where more are open."""
    with doors.ledger.read() as tx:
        return quality.listed(tx, caller, after=after)


@router.post(
    "/{recommendation_id}", status_code=201, summary="Answer a blind review", response_model=records.Reviewed
)
def review(
    doors: Doors, caller: Reviewer, key: IdempotencyKey, recommendation_id: str, body: ReviewRequest
) -> JSONResponse:
    """Record what the reviewer would have done, and tell whether that is what was recommended."""

    def work(tx: Transaction) -> Answer:
        recommendation = tx.recommendation(recommendation_id)
        auth.check_site(caller, recommendation.site)
        if any(same_person(name, caller.actor) for name in involved_in(tx, recommendation)):
            raise OwnCaseError("Nobody reviews a case that they had a part in.")
        decided = (body.disposition, body.credit.parse())
        said = quality.answer(
            tx, recommendation, caller, decided=decided, comment=body.comment, at=doors.now()
        )
        return Answer(201, said)

    return once(doors, caller, key, digest(f"quality {recommendation_id}", body), work).response()
