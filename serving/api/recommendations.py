"""Return lines in, recommendations out; what became of them; judged again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import Field, ValidationError

from features.events import EventType
from features.returns import Disposition, RecoupError
from ledger.evidence import Outcome
from ledger.outbox import Message
from ledger.recommendations import Recommendation as Recorded
from ledger.store import Transaction
from policy.approvals import OverrideReason, check_override
from policy.policies import PolicySet
from serving import auth, triage
from serving.access import Action
from serving.api.dependencies import Answer, Doors, IdempotencyKey, digest, once, permit, remembered
from serving.api.policies import PolicyFiles, candidate_of
from serving.api.wire import Filter, Flag, MoneyWire, Real, RecommendationRequest, Text, Wire
from serving.auth import Caller
from serving.case import quality
from serving.case.replaying import replay
from serving.contract import shapes
from serving.contract.body import StrictRoute
from serving.errors import ProblemError, code_of, error_problem, field_errors, problem_body
from serving.monitoring import watch
from serving.runtime import Runtime
from serving.stamps import iso, new_id

router = APIRouter(prefix="/v1/recommendations", tags=["recommendations"], route_class=StrictRoute)
Asker = Annotated[Caller, permit(Action.RECOMMEND)]
Reader = Annotated[Caller, permit(Action.READ_RETURNS)]
Teller = Annotated[Caller, permit(Action.OUTCOME)]
PAGE = 100
CALL = "recommend"
_WHY = (
    "Why the disposition is not the recommended one; required then, and not otherwise. One of "
    f"{', '.join(OverrideReason)}; another word of 2 to 40 characters is taken and counted as OTHER."
)


class BatchRequest(Wire):
    """Up to a thousand lines; each is answered on its own."""

    items: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=1000)]


class OutcomeRequest(Wire):
    """What became of the return."""

    disposition: Disposition
    recovered: MoneyWire | None = None
    minutes: Real | None = None
    fraud_confirmed: Flag | None = None
    reason_code: Annotated[Text | None, Field(description=_WHY, examples=list(OverrideReason))] = None


class ReplayRequest(Wire):
    """Under which policy set: one recorded, or a candidate's files; that of the recommendation by default."""

    policy_digest: Text | None = None
    files: PolicyFiles | None = None


@router.post("", status_code=201, summary="Triage one return line", response_model=shapes.Recommendation)
def recommend(doors: Doors, caller: Asker, key: IdempotencyKey, body: RecommendationRequest) -> JSONResponse:
    """Recommend disposition and credit within policy; held or capped is still 201, with its status.

    A retry with the same key gets the same answer; the same payload under a new key gets the first
    recommendation (200); another payload is 409 unless it names the recommendation it revises.
    """
    return _recommend(doors, caller, key, body).response()


def _recommend(doors: Runtime, caller: Caller, key: str, body: RecommendationRequest) -> Answer:
    auth.check_site(caller, body.site)
    payload = digest(CALL, body)
    with doors.ledger.read() as tx:
        if answer := remembered(tx, caller, key, payload) or _known(tx, body, payload):
            return answer
    if doors.champions.degraded and doors.settings.without_models == "refuse":
        raise ProblemError(
            503, "models_missing", "A model is not loaded; try again later.", headers={"Retry-After": "30"}
        )
    asked = triage.Asked(
        body.line(), body.model_dump(mode="json", exclude_none=True), payload, caller.actor, body.revises
    )
    case = triage.prepare(doors, asked.line)

    def work(tx: Transaction) -> Answer:
        return _known(tx, body, payload) or Answer(201, triage.record(doors, tx, asked, case))

    answer = once(doors, caller, key, payload, work)
    if answer.status == HTTPStatus.CREATED and "Idempotent-Replayed" not in answer.headers:
        watch.recommended(answer.body, case, doors.champions)
    return answer


def _known(tx: Transaction, body: RecommendationRequest, payload: str) -> Answer | None:
    """The first recommendation of this very payload, under whatever key it came."""
    current = tx.current(body.return_line_id, body.stage)
    return Answer(200, present(current)) if current and current.payload_digest == payload else None


@router.post("/batch", status_code=207, summary="Triage up to 1,000 lines", response_model=shapes.BatchAnswer)
def recommend_batch(
    request: Request, doors: Doors, caller: Asker, key: IdempotencyKey, body: BatchRequest
) -> JSONResponse:
    """Answer every line on its own: a recommendation or a problem, in the order of the request."""
    payload = digest("batch", body)
    with doors.ledger.read() as tx:
        if answer := remembered(tx, caller, key, payload):
            return answer.response()
    items = [
        _one_of_many(request, doors, caller, f"{key}/{place}", item) for place, item in enumerate(body.items)
    ]
    return once(doors, caller, key, payload, lambda _: Answer(207, {"items": items})).response()


def _one_of_many(
    request: Request, doors: Runtime, caller: Caller, key: str, item: Mapping[str, Any]
) -> dict[str, Any]:
    try:
        answer = _recommend(doors, caller, key, RecommendationRequest.model_validate(item))
    except ValidationError as error:
        found = field_errors(error.errors(), body=item)
        detail = "Fields of this line are wrong; see errors."
        said = problem_body(request, 422, code_of(error.errors()), detail, errors=found)
        return {"status": 422, "problem": said}
    except RecoupError as error:
        return {"status": error.status, "problem": error_problem(request, error)}
    return {"status": answer.status, "recommendation": dict(answer.body)}


@router.get(
    "/{recommendation_id}",
    summary="One recommendation as it stands now",
    response_model=shapes.Recommendation,
)
def read(doors: Doors, caller: Reader, recommendation_id: str) -> JSONResponse:
    """What was recommended, with the status that holds now."""
    with doors.ledger.read() as tx:
        found = tx.recommendation(recommendation_id)
        auth.check_site(caller, found.site)
        quality.check_blind(tx, caller, [found])
    return JSONResponse(present(found))


@router.get("", summary="The recommendations of a return line", response_model=shapes.Recommendations)
def of_line(
    doors: Doors,
    caller: Reader,
    return_line_id: Annotated[Text, Query()],
    after: Annotated[Filter, Query()] = None,
) -> dict[str, Any]:
    """All recommendations of one line, oldest first."""
    with doors.ledger.read() as tx:
        page = tx.recommendations(return_line_id=return_line_id, after=after, limit=PAGE)
        quality.check_blind(tx, caller, page)
    items = [present(one) for one in page if caller.sees(one.site)]
    return {"items": items, "next": page[-1].id if len(page) == PAGE else None}


@router.post(
    "/{recommendation_id}/outcome",
    status_code=201,
    summary="Tell what became of it",
    response_model=shapes.OutcomeTold,
)
def outcome(
    doors: Doors, caller: Teller, key: IdempotencyKey, recommendation_id: str, body: OutcomeRequest
) -> JSONResponse:
    """Record disposition, recovered value, minutes and fraud as they turned out: the labels of tomorrow.

    A disposition other than the recommended one says why: 422 without a `reason_code`.
    """

    def work(tx: Transaction) -> Answer:
        recommendation = tx.recommendation(recommendation_id)
        auth.check_site(caller, recommendation.site)
        overrides = body.disposition != recommendation.body["disposition"]["recommended"]
        if overrides:
            check_override(body.reason_code)
        now = doors.now()
        told = Outcome(
            id=new_id("out"),
            recommendation_id=recommendation_id,
            return_line_id=recommendation.return_line_id,
            disposition=body.disposition,
            recovered=body.recovered.parse() if body.recovered else None,
            minutes=body.minutes,
            fraud_confirmed=body.fraud_confirmed,
            reason_code=body.reason_code,
            actor=caller.actor,
            at=now,
        )
        tx.add_outcome(told)
        if overrides:
            data = {"recommendation_id": recommendation_id, "disposition": body.disposition.value}
            data |= {"reason_code": body.reason_code or ""}
            line = recommendation.return_line_id
            tx.enqueue(
                Message(new_id("msg"), EventType.RECOMMENDATION_OVERRIDDEN, line, data, now, caller.actor)
            )
        return Answer(201, {"id": told.id, "recommendation_id": recommendation_id, "at": iso(now)})

    return once(doors, caller, key, digest(f"outcome {recommendation_id}", body), work).response()


@router.post("/{recommendation_id}/replay", summary="Judge it again", response_model=shapes.Replayed)
def judge_again(
    doors: Doors, caller: Reader, recommendation_id: str, body: ReplayRequest | None = None
) -> dict[str, Any]:
    """Judge and predict again from what was recorded and name every difference; nothing is written."""
    with doors.ledger.read() as tx:
        found = tx.recommendation(recommendation_id)
        auth.check_site(caller, found.site)
        quality.check_blind(tx, caller, [found])
        policies = _policies(doors, tx, body or ReplayRequest(), found.policy_digest)
    # Erased personal data leave no request behind.
    asked = RecommendationRequest.model_validate_json(json.dumps(found.request)) if found.request else None
    return replay(found, asked.line() if asked else None, policies=policies, runtime=doors)


def _policies(doors: Runtime, tx: Transaction, asked: ReplayRequest, recorded: str) -> PolicySet:
    if asked.files is not None:
        return candidate_of(asked.files)
    wanted = asked.policy_digest or recorded
    if wanted == doors.policies.digest:
        return doors.policies
    found = tx.policy(wanted)
    if found is None:
        raise ProblemError(404, "policy_unknown", "No policy set of that digest is recorded.")
    return PolicySet.restore(found.content)


def present(recommendation: Recorded) -> dict[str, Any]:
    """The recommendation as it was answered, with the status of now."""
    return {**recommendation.body, "status": str(recommendation.status)}
