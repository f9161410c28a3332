"""Votes, delegations and recalls out of forms: each goes the way that the API's own call goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData

from features.returns import RecoupError
from policy.approvals import State
from serving.access import Action
from serving.api import approvals as api
from serving.api.dependencies import Doors
from serving.auth import Caller
from serving.errors import ProblemError
from serving.runtime import Runtime
from serving.web.problems import PageRoute
from serving.web.rendering import page
from serving.web.visitors import PageForm, signed_in, text_of
from serving.web.work.inbox import View, show

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Voter = Annotated[Caller, signed_in(Action.VOTE)]
Recaller = Annotated[Caller, signed_in(Action.RECALL)]
LONGEST: Final = 100  # characters of a form's key
Reads = TypeVar("Reads", bound=BaseModel)


@router.post("/approvals/votes")
def votes(request: Request, doors: Doors, caller: Voter, form: PageForm) -> Response:
    """The same vote on every case that was ticked; each counts, fails and is recorded on its own."""
    picked = [str(one).split(" ", 1) for one in form.getlist("pick")]
    if not picked:
        raise ProblemError(422, "nothing_picked", "Tick the cases to decide, then approve or reject them.")
    said = {name: text_of(form, name) for name in ("vote", "comment")}
    reason = {"reason_code": text_of(form, "reason_code") or None}
    items = [{**said, **reason, "approval_id": one[0], "etag": one[-1]} for one in picked]
    key = f"{_key(form)}/{said['vote']}"
    answer = api.vote_on_many(request, doors, caller, key, _read(api.VotesRequest, votes=items))
    results = json.loads(bytes(answer.body))["items"]
    with doors.ledger.read() as tx:
        lines = {one[0]: tx.approval(one[0]) for one in picked}
    shown = [
        {
            "approval": api.wire(lines[one[0]], now=doors.now()),
            "status": item["status"],
            "problem": item.get("problem"),
        }
        for one, item in zip(picked, results, strict=True)
    ]
    return page(
        request, "voted.html", {"results": shown, "vote": said["vote"], "back": _view(form).address()}
    )


@router.post("/approvals/{approval_id}/vote")
def vote(request: Request, doors: Doors, caller: Voter, form: PageForm, approval_id: str) -> Response:
    """Approve or reject, on the facts that the page showed."""
    choice = text_of(form, "vote")

    def cast() -> None:
        body = _read(
            api.VoteRequest,
            vote=choice,
            comment=text_of(form, "comment"),
            reason_code=text_of(form, "reason_code") or None,
        )
        key = f"{_key(form)}/{choice}"
        api.vote(doors, caller, key, approval_id, body, text_of(form, "etag"))

    return _done(request, doors, caller, form, approval_id, cast)


@router.post("/approvals/{approval_id}/delegate")
def delegate(request: Request, doors: Doors, caller: Voter, form: PageForm, approval_id: str) -> Response:
    """Pass the case on to somebody else."""

    def pass_on() -> None:
        body = _read(api.DelegateRequest, to=text_of(form, "to"))
        api.delegate(doors, caller, f"{_key(form)}/delegate", approval_id, body, text_of(form, "etag"))

    return _done(request, doors, caller, form, approval_id, pass_on)


@router.post("/approvals/{approval_id}/recall")
def recall(request: Request, doors: Doors, caller: Recaller, form: PageForm, approval_id: str) -> Response:
    """Close the case without a decision."""

    def take_back() -> None:
        body = _read(api.RecallRequest, reason=text_of(form, "reason"))
        api.recall(doors, caller, f"{_key(form)}/recall", approval_id, body, text_of(form, "etag"))

    return _done(request, doors, caller, form, approval_id, take_back)


def _done(  # the parts of one decision
    request: Request,
    doors: Runtime,
    caller: Caller,
    form: FormData,
    approval_id: str,
    work: Callable[[], None],
) -> Response:
    """On to the next case; or the same case as it is now, with what speaks against it and what was typed."""
    view = _view(form)
    try:
        work()
    except RecoupError as error:
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR or error.status == HTTPStatus.NOT_FOUND:
            raise
        said = f"{error} {error.hint}".strip()
        return show(
            request,
            doors,
            caller,
            view,
            opened=approval_id,
            said=said,
            status=error.status,
            typed=text_of(form, "comment"),
        )
    return RedirectResponse(view.address(open=text_of(form, "following"), done=approval_id), 303)


def _view(form: FormData) -> View:
    status, first = text_of(form, "status"), text_of(form, "first")
    return View(
        status if status in set(State) else State.PENDING,
        text_of(form, "role"),
        text_of(form, "site"),
        text_of(form, "after"),
        int(first) if first.isdigit() else 1,
    )


def _key(form: FormData) -> str:
    """The key by which a form that is sent twice counts once."""
    key = text_of(form, "form_key")
    if not key or len(key) > LONGEST or not key.isascii() or not key.isprintable():
        raise ProblemError(422, "form_key", "This form is not whole; open its page again.")
    return f"page/{key}"


def _read(shape: type[Reads], **fields: Any) -> Reads:
    """A form's fields as the call of the API takes them.

    Raises
    ------
    ProblemError
        422 in words for a person.
    """
    try:
        return shape.model_validate(fields)
    except ValidationError as error:
        names = ", ".join(dict.fromkeys(str(one["loc"][0]) for one in error.errors() if one["loc"]))
        hint = " A person is written like emp:17." if "to" in fields else ""
        raise ProblemError(
            422, "invalid", f"This is not filled in as it should be: {names}.{hint}"
        ) from error
