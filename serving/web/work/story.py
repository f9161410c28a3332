"""/returns/{id}: everything that happened to one return, in order, and what was recommended at each stage."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from ledger.chain import NotInLedgerError
from ledger.recommendations import Recommendation
from ledger.store import Transaction
from serving import auth
from serving.access import Action, allowed
from serving.api import recommendations as api
from serving.api.approvals import etag
from serving.api.approvals import wire as approval_wire
from serving.api.dependencies import Doors
from serving.auth import Caller
from serving.case import quality
from serving.runtime import Runtime
from serving.web.problems import PageRoute
from serving.web.rendering import page
from serving.web.visitors import signed_in
from serving.web.work.evidence import sheet

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Caller, signed_in(Action.READ_RETURNS)]
ENTRIES: Final = 200  # of the audit trail, and recommendations of one line
_TONES: Final = {"approve": "good", "reject": "bad"}


@router.get("/returns/{return_line_id:path}")
def story(
    request: Request,
    doors: Doors,
    caller: Reader,
    return_line_id: str,
    replay: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """The whole story of one return; `replay` names a recommendation to judge again."""
    with doors.ledger.read() as tx:
        made = _in_reach(tx, caller, return_line_id)
        moments = sorted(_moments(doors, tx, return_line_id, made), key=lambda one: one["at"])
        audits = allowed(caller.role, Action.AUDIT)
        entries = tx.audit(subject=return_line_id, limit=ENTRIES) if audits else ()
        papers = [sheet(one, tx.corrections(one.id)) for one in _papers(tx, return_line_id, made)]
        outcomes = tx.outcomes(return_line_id=return_line_id)
    again = api.judge_again(doors, caller, replay) if replay in {one.id for one in made} else None
    shown = {
        "line": return_line_id,
        "current": made[-1] if made else None,
        "made": made,
        "moments": moments,
        "entries": entries,
        "audits": audits,
        "papers": papers,
        "outcomes": outcomes,
        "again": again,
    }
    return page(request, "story.html", shown)


def _in_reach(tx: Transaction, caller: Caller, line: str) -> tuple[Recommendation, ...]:
    """Every recommendation of the line, if this caller may see it."""
    made = tx.recommendations(return_line_id=line, limit=ENTRIES)
    for one in made:
        auth.check_site(caller, one.site)
    quality.check_blind(tx, caller, made)
    # Of a line that nothing was recommended for nobody knows the site.
    if not made and (caller.sites or not tx.events(line)):
        raise NotInLedgerError("there is no return of this id.")
    return made


def _papers(tx: Transaction, line: str, made: tuple[Recommendation, ...]) -> tuple[Any, ...]:
    named = tx.documents_of([name for one in made for name in one.request.get("document_ids", ())])
    return tuple({one.id: one for one in (*named, *tx.documents_about(line))}.values())


def _moments(
    doors: Runtime, tx: Transaction, line: str, made: tuple[Recommendation, ...]
) -> Iterator[dict[str, Any]]:
    for event in tx.events(line):
        words = event.type.removeprefix("returns.").removesuffix(".v1").replace(".", " ")
        yield _moment(
            event.time,
            "event",
            words,
            str(event.data.get("actor", "")),
            data=event.data,
            late=event.recorded_at,
        )
    for one in made:
        yield _moment(one.created_at, "recommendation", "Recommended", one.requested_by, made=one)
        for change in tx.statuses(one.id)[1:]:
            yield _moment(change.at, "status", change.status, change.actor, reason=change.reason)
        yield from _asked(doors, tx, one)
    for paper in _papers(tx, line, made):
        yield _moment(paper.at, "document", paper.kind, paper.actor, paper=paper.id)
        for correction in tx.corrections(paper.id):
            yield _moment(correction.at, "correction", "Document corrected", correction.actor, fix=correction)
    for outcome in tx.outcomes(return_line_id=line):
        yield _moment(outcome.at, "outcome", outcome.disposition, outcome.actor, outcome=outcome)


def _asked(doors: Runtime, tx: Transaction, made: Recommendation) -> Iterator[dict[str, Any]]:
    """What became of each approval of a recommendation."""
    for approval in tx.approvals_of(made.id):
        shown = {**approval_wire(approval, now=doors.now()), "etag": etag(approval)}
        yield _moment(approval.created_at, "approval", "Approval asked", approval.actor, approval=shown)
        for vote in tx.votes(approval.id):
            yield _moment(
                vote.at, "vote", vote.vote, vote.voter, vote=vote, approval=shown, tone=_TONES[vote.vote]
            )
        for passed in tx.delegations(approval.id):
            yield _moment(
                passed.at, "delegation", "Passed on", passed.delegator, to=passed.delegate, approval=shown
            )
        for change in tx.approval_changes(approval.id):
            yield _moment(
                change.at, "change", change.status, change.actor, reason=change.reason, approval=shown
            )


def _moment(at: datetime, kind: str, title: str, actor: str, **more: Any) -> dict[str, Any]:
    return {"at": at, "kind": kind, "title": title, "actor": actor, "tone": "", **more}
