"""Return lines in, recommendations out; what became of them; judged again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import Field, ValidationError

from features.events import EventType
from features.returns import Disposition, RecoupError
from ledger.chain import LedgerUnavailableError
from ledger.evidence import Outcome
from ledger.outbox import Message
from ledger.recommendations import Recommendation as Recorded
from ledger.store import Transaction
from policy.approvals import OverrideReason, check_override
from policy.policies import PolicySet
from serving import auth, triage
from serving.access import Action
from serving.api.dependencies import Answer, Doors, IdempotencyKey, digest, once, once_in, permit, remembered
from serving.api.policies import PolicyFiles, candidate_of
from serving.api.wire import Filter, Flag, MoneyWire, Real, RecommendationRequest, Text, Wire
from serving.auth import Caller
from serving.case import quality
from serving.case.answer import Case
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
TOGETHER = 100  # lines of a batch that share a transaction: other writers wait for no more than these
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
    asked = _asked(caller, body)
    with doors.ledger.in_line():
        with doors.ledger.read() as tx:
            found = _look_up(doors, tx, caller, key, asked)
        if isinstance(found, Answer):
            return found
        [prepared] = triage.prepare(doors, [asked.line], [found])

        def work(tx: Transaction) -> Answer:
            return _known(tx, asked) or Answer(201, triage.record(doors, tx, asked, prepared))

        answer = once(doors, caller, key, asked.payload_digest, work)
    if _is_new(answer):
        watch.recommended(answer.body, prepared[0], doors.champions)
    return answer


def _is_new(answer: Answer) -> bool:
    return answer.status == HTTPStatus.CREATED and "Idempotent-Replayed" not in answer.headers


def _asked(caller: Caller, body: RecommendationRequest) -> triage.Asked:
    payload = body.model_dump(mode="json", exclude_none=True)
    return triage.Asked(body.line(), payload, digest(CALL, body), caller.actor, body.revises)


def _look_up(
    doors: Runtime, tx: Transaction, caller: Caller, key: str, asked: triage.Asked
) -> Answer | triage.Known:
    """The answer where there is one, else what is known about the line."""
    if answer := remembered(tx, caller, key, asked.payload_digest) or _known(tx, asked):
        return answer
    if doors.champions.degraded and doors.settings.without_models == "refuse":
        later = {"Retry-After": "30"}
        raise ProblemError(503, "models_missing", "A model is not loaded; try again later.", headers=later)
    return triage.gather(tx, asked.line)


def _known(tx: Transaction, asked: triage.Asked) -> Answer | None:
    """The first recommendation of this very payload, under whatever key it came."""
    current = tx.current(asked.line.return_line_id, asked.line.stage)
    same = current is not None and current.payload_digest == asked.payload_digest
    return Answer(200, present(current)) if current is not None and same else None


@router.post("/batch", status_code=207, summary="Triage up to 1,000 lines", response_model=shapes.BatchAnswer)
def recommend_batch(
    request: Request, doors: Doors, caller: Asker, key: IdempotencyKey, body: BatchRequest
) -> JSONResponse:
    """Answer every line on its own: a recommendation or a problem, in the order of the request."""
    payload = digest("batch", body)
    with doors.ledger.read() as tx:
        if answer := remembered(tx, caller, key, payload):
            return answer.response()
    batch = Batch(request, doors, caller, key)
    items = batch.answers(body.items)
    return once(doors, caller, key, payload, lambda _: Answer(207, {"items": items})).response()


@dataclass(frozen=True, slots=True)
class Batch:
    """Many lines of one request: read, predicted and recorded a part at a time, answered each on its own."""

    request: Request
    doors: Runtime
    caller: Caller
    key: str

    def answers(self, items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """A recommendation or a problem for each item, in order."""
        found: dict[int, dict[str, Any]] = {}
        for start in range(0, len(items), TOGETHER):
            asked: dict[int, triage.Asked] = {}
            for place, item in enumerate(items[start : start + TOGETHER], start):
                one = self._read(item)
                if isinstance(one, triage.Asked):
                    asked[place] = one
                else:
                    found[place] = one
            found |= self._part(asked)
        return [found[place] for place in range(len(items))]

    def _read(self, item: Mapping[str, Any]) -> triage.Asked | dict[str, Any]:
        try:
            body = RecommendationRequest.model_validate(item)
            auth.check_site(self.caller, body.site)
            return _asked(self.caller, body)
        except ValidationError as error:
            found = field_errors(error.errors(), body=item)
            detail = "Fields of this line are wrong; see errors."
            code = code_of(error.errors())
            said = problem_body(self.request, 422, code, detail, errors=found)
            return {"status": 422, "problem": said}
        except RecoupError as error:
            return self._refused(error)

    def _part(self, asked: Mapping[int, triage.Asked]) -> dict[int, dict[str, Any]]:
        """Answer a part in one transaction; where it fails as a whole, line by line."""
        try:
            return self._together(asked)
        except LedgerUnavailableError as error:  # each line would wait for it again
            return {place: self._refused(error) for place in asked}
        except RecoupError as error:
            if len(asked) == 1:
                return {place: self._refused(error) for place in asked}
        found: dict[int, dict[str, Any]] = {}
        for place, one in asked.items():
            found |= self._part({place: one})
        return found

    def _together(self, asked: Mapping[int, triage.Asked]) -> dict[int, dict[str, Any]]:
        found: dict[int, dict[str, Any]] = {}
        known: dict[int, triage.Known] = {}
        with self.doors.ledger.read() as tx:
            for place, one in asked.items():
                try:
                    there = _look_up(self.doors, tx, self.caller, f"{self.key}/{place}", one)
                except RecoupError as error:
                    found[place] = self._refused(error)
                    continue
                if isinstance(there, Answer):
                    found[place] = _item(there)
                else:
                    known[place] = there
        if not known:
            return found
        prepared = triage.prepare(self.doors, [asked[place].line for place in known], [*known.values()])
        new: list[tuple[Answer, Case]] = []
        with self.doors.ledger.write() as tx:
            for place, ready in zip(known, prepared, strict=True):
                said = self._recorded(tx, f"{self.key}/{place}", asked[place], ready)
                found[place] = _item(said) if isinstance(said, Answer) else said
                new += [(said, ready[0])] if isinstance(said, Answer) and _is_new(said) else []
        for answer, case in new:  # once it is certain
            watch.recommended(answer.body, case, self.doors.champions)
        return found

    def _recorded(
        self, tx: Transaction, key: str, asked: triage.Asked, prepared: triage.Prepared
    ) -> Answer | dict[str, Any]:
        before = tx.position

        def work(tx: Transaction) -> Answer:
            return _known(tx, asked) or Answer(201, triage.record(self.doors, tx, asked, prepared))

        try:
            return once_in(tx, self.doors, self.caller, (key, asked.payload_digest), work)
        except RecoupError as error:
            if tx.position != before:
                raise  # half a line is written: the part is undone, and done again line by line
            return self._refused(error)

    def _refused(self, error: RecoupError) -> dict[str, Any]:
        return {"status": error.status, "problem": error_problem(self.request, error)}


def _item(answer: Answer) -> dict[str, Any]:
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
