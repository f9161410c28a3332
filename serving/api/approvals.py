"""The inbox of approvers, and their votes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field, StringConstraints, ValidationError

from features.events import EventType
from features.returns import RecoupError
from ledger.approvals import Approval, Delegation, Vote
from ledger.store import Transaction
from policy import approvals as rules
from policy.approvals import Choice, OverrideReason, State, reason_in, reasoned
from policy.authority import APPROVERS
from serving import auth
from serving.access import Action
from serving.api.dependencies import Answer, Doors, IdempotencyKey, digest, once, permit, remembered
from serving.api.wire import Actor, Filter, Text, Wire
from serving.auth import Caller
from serving.case.approving import cast, circle_of, notify, settle
from serving.contract import shapes
from serving.contract.body import StrictRoute
from serving.errors import ProblemError, code_of, error_problem, field_errors, problem_body
from serving.runtime import Runtime
from serving.stamps import iso, new_id

router = APIRouter(prefix="/v1/approvals", tags=["approvals"], route_class=StrictRoute)
Reader = Annotated[Caller, permit(Action.INBOX)]
Voter = Annotated[Caller, permit(Action.VOTE)]
Recaller = Annotated[Caller, permit(Action.RECALL)]
IfMatch = Annotated[str | None, Header(description="The ETag of the approval as it was read.")]
PAGE = 100


class VoteRequest(Wire):
    """A vote with its reason."""

    vote: Literal["approve", "reject"]
    comment: Annotated[str, StringConstraints(strict=True, max_length=2000)] = ""
    reason_code: Annotated[
        OverrideReason | None, Field(description="Why it is decided otherwise than recommended.")
    ] = None


class OneOfManyVotes(VoteRequest):
    """A vote on one approval as it was read."""

    approval_id: Text
    etag: Text


class VotesRequest(Wire):
    """Up to two hundred votes; each counts, fails and is recorded on its own."""

    votes: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=200)]


class DelegateRequest(Wire):
    """To whom the question is passed on."""

    to: Actor
    role: Text | None = None


class RecallRequest(Wire):
    """Why it is taken back."""

    reason: Annotated[str, StringConstraints(strict=True, min_length=1, max_length=2000)] = Field()


@router.get("", summary="The inbox", response_model=shapes.Approvals)
def inbox(  # filters of a list
    doors: Doors,
    caller: Reader,
    status: Annotated[State | None, Query()] = State.PENDING,
    role: Annotated[Filter, Query()] = None,
    site: Annotated[Filter, Query()] = None,
    after: Annotated[Filter, Query()] = None,
) -> Any:
    """Approvals oldest first; an approver sees what asks for the own role unless another is named."""
    narrowed = scope(caller, status=status, role=role, site=site)
    with doors.ledger.read() as tx:
        page = tx.approvals(**narrowed, after=after, limit=PAGE)
    items = [wire(approval, now=doors.now()) for approval in page]
    return {"items": items, "next": page[-1].id if len(page) == PAGE else None}


def scope(caller: Caller, *, status: str | None, role: str | None, site: str | None) -> dict[str, Any]:
    """What narrows the inbox for this caller: sites in reach, and the own role unless another is named.

    Raises
    ------
    ProblemError
        403 for a site out of reach.
    """
    if site is not None:
        auth.check_site(caller, site)
    sites = [site] if site is not None else sorted(caller.sites) or None
    return {
        "status": status,
        "role": role or (caller.role if caller.role in APPROVERS else None),
        "sites": sites,
    }


@router.get("/{approval_id}", summary="One approval, with its ETag", response_model=shapes.WholeApproval)
def read(doors: Doors, caller: Reader, approval_id: str) -> Response:
    """The approval, its votes and what it is about."""
    with doors.ledger.read() as tx:
        approval = tx.approval(approval_id)
        auth.check_site(caller, approval.site)
        body = whole(tx, approval, now=doors.now())
    return JSONResponse(body, headers={"ETag": etag(approval)})


@router.post(
    "/{approval_id}/votes", summary="Approve or reject", status_code=201, response_model=shapes.WholeApproval
)
def vote(  # header and body of one call
    doors: Doors,
    caller: Voter,
    key: IdempotencyKey,
    approval_id: str,
    body: VoteRequest,
    if_match: IfMatch = None,
) -> Response:
    """Cast a vote on the approval as it was read; 403 on one's own case, 409 once it is closed.

    A rejection goes against the recommendation and says why: with a comment or a `reason_code`.
    """
    return _vote(doors, caller, key, approval_id, body, if_match).response()


def _vote(
    doors: Runtime, caller: Caller, key: str, approval_id: str, body: VoteRequest, if_match: str | None
) -> Answer:
    if Choice(body.vote) is Choice.REJECT:
        rules.check_rejection(body.reason_code, body.comment)

    def work(tx: Transaction) -> Answer:
        approval = _matched(tx, caller, approval_id, if_match)
        now, book = doors.now(), doors.policies.at(approval.site)
        auth.check_no_admin(tx, caller, now=now)
        said = reasoned(body.reason_code, body.comment)
        one = Vote(new_id("vote"), approval.id, caller.subject, caller.role, body.vote, said, now)
        cast(tx, approval, one, voter=voter_of(caller), authority=book.authority)
        return _answer(tx, approval_id, now, status=201)

    return once(doors, caller, key, digest(f"vote {approval_id}", body), work)


@router.post(
    "/votes", status_code=207, summary="Vote on up to 200 approvals", response_model=shapes.VotesAnswer
)
def vote_on_many(
    request: Request, doors: Doors, caller: Voter, key: IdempotencyKey, body: VotesRequest
) -> JSONResponse:
    """Answer every vote on its own, in the order of the request: the approval as it is then, or a problem."""
    payload = digest("votes", body)
    with doors.ledger.read() as tx:
        if answer := remembered(tx, caller, key, payload):
            return answer.response()
    items = [
        _one_of_many(request, doors, caller, f"{key}/{place}", item) for place, item in enumerate(body.votes)
    ]
    return once(doors, caller, key, payload, lambda _: Answer(207, {"items": items})).response()


def _one_of_many(
    request: Request, doors: Runtime, caller: Caller, key: str, item: Mapping[str, Any]
) -> dict[str, Any]:
    try:
        one = OneOfManyVotes.model_validate(item)
        answer = _vote(doors, caller, key, one.approval_id, one, one.etag)
    except ValidationError as error:
        found = field_errors(error.errors(), body=item)
        detail = "Fields of this vote are wrong; see errors."
        said = problem_body(request, 422, code_of(error.errors()), detail, errors=found)
        return {"status": 422, "problem": said}
    except RecoupError as error:
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise  # a retry with the same key casts what is left, and nothing twice
        return {"status": error.status, "problem": error_problem(request, error)}
    return {"status": answer.status, "approval": dict(answer.body), "etag": answer.headers["ETag"]}


@router.post(
    "/{approval_id}/delegate",
    summary="Pass the question on",
    status_code=201,
    response_model=shapes.WholeApproval,
)
def delegate(  # header and body of one call
    doors: Doors,
    caller: Voter,
    key: IdempotencyKey,
    approval_id: str,
    body: DelegateRequest,
    if_match: IfMatch = None,
) -> Response:
    """Hand the approval to somebody else, who then votes in the caller's place: one voice for the two."""
    if body.role not in {None, caller.role}:
        raise rules.WrongRoleError("A role that is not one's own cannot be passed on.")

    def work(tx: Transaction) -> Answer:
        approval = _matched(tx, caller, approval_id, if_match)
        now, book = doors.now(), doors.policies.at(approval.site)
        auth.check_no_admin(tx, caller, now=now)
        standing = circle_of(tx, approval, book.authority)
        rules.check_delegation(standing, voter_of(caller), to=body.to, authority=book.authority, now=now)
        passed = Delegation(new_id("dlg"), approval.id, caller.role, caller.subject, body.to, now)
        tx.add_delegation(passed, expected_version=approval.version)
        notify(tx, EventType.APPROVAL_DELEGATED, approval, {"to": body.to}, actor=caller.subject, at=now)
        return _answer(tx, approval_id, now, status=201)

    return once(doors, caller, key, digest(f"delegate {approval_id}", body), work).response()


@router.post(
    "/{approval_id}/recall",
    summary="Take the question back",
    status_code=201,
    response_model=shapes.WholeApproval,
)
def recall(  # header and body of one call
    doors: Doors,
    caller: Recaller,
    key: IdempotencyKey,
    approval_id: str,
    body: RecallRequest,
    if_match: IfMatch = None,
) -> Response:
    """Close the approval without a decision; for whoever requested it or may decide it."""

    def work(tx: Transaction) -> Answer:
        approval = _matched(tx, caller, approval_id, if_match)
        now, book = doors.now(), doors.policies.at(approval.site)
        standing = circle_of(tx, approval, book.authority)
        rules.check_recall(standing, voter_of(caller), authority=book.authority, now=now)
        settle(tx, approval, State.RECALLED, actor=caller.subject, at=now, reason=body.reason)
        notify(tx, EventType.APPROVAL_RECALLED, approval, {}, actor=caller.subject, at=now)
        return _answer(tx, approval_id, now, status=201)

    return once(doors, caller, key, digest(f"recall {approval_id}", body), work).response()


def voter_of(caller: Caller) -> rules.Voter:
    """The caller as the rules of voting see one."""
    return rules.Voter(caller.subject, frozenset({caller.role}), caller.sites)


def _matched(tx: Transaction, caller: Caller, approval_id: str, if_match: str | None) -> Approval:
    """The approval, locked, if it is still what the caller read."""
    approval = tx.approval(approval_id, for_update=True)
    auth.check_site(caller, approval.site)
    if if_match is None:
        raise ProblemError(428, "if_match_missing", "Read the approval and send its ETag as If-Match.")
    if approval.status == State.PENDING and if_match.strip() != etag(approval):
        raise ProblemError(
            412, "changed_meanwhile", "The approval has changed since it was read; read it again."
        )
    return approval


def _answer(tx: Transaction, approval_id: str, now: datetime, *, status: int) -> Answer:
    approval = tx.approval(approval_id)
    return Answer(status, whole(tx, approval, now=now), {"ETag": etag(approval)})


def etag(approval: Approval) -> str:
    """The strong validator of an approval's present form."""
    return f'"{approval.id}-{approval.version}"'


def wire(approval: Approval, *, now: datetime) -> dict[str, Any]:
    """An approval as it is listed."""
    lapsed = (
        approval.status == State.PENDING and approval.expires_at is not None and approval.expires_at <= now
    )
    amount = approval.amount
    return {
        "id": approval.id,
        "recommendation_id": approval.recommendation_id,
        "return_line_id": approval.return_line_id,
        "rule": approval.rule,
        "sentence": approval.sentence,
        "roles": list(approval.roles),
        "needed": approval.needed,
        "site": approval.site,
        "amount": {"amount": amount.text, "currency": amount.currency} if amount else None,
        "status": State.EXPIRED.value if lapsed else approval.status,
        "created_at": iso(approval.created_at),
        "expires_at": iso(approval.expires_at) if approval.expires_at else None,
    }


def whole(tx: Transaction, approval: Approval, *, now: datetime) -> dict[str, Any]:
    """An approval with its votes, its delegations and the recommendation's status."""
    votes = [
        {
            "voter": vote.voter,
            "role": vote.role,
            "vote": vote.vote,
            "comment": vote.comment,
            "reason_code": reason_in(vote.comment),
            "at": iso(vote.at),
        }
        for vote in tx.votes(approval.id)
    ]
    passed = [
        {"from": one.delegator, "to": one.delegate, "role": one.role, "at": iso(one.at)}
        for one in tx.delegations(approval.id)
    ]
    recommendation = tx.recommendation(approval.recommendation_id)
    return wire(approval, now=now) | {
        "votes": votes,
        "delegations": passed,
        "recommendation_status": recommendation.status,
        "recommendation_digest": approval.digest,
    }
