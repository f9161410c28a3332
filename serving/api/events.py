"""The lifecycle comes in as CloudEvents."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from features.events import Event, EventType
from ledger.store import Transaction
from serving.access import Action
from serving.api.dependencies import Answer, Doors, IdempotencyKey, digest, once, permit
from serving.api.wire import Instant, Text
from serving.auth import Caller
from serving.errors import ProblemError, field_errors, problem

router = APIRouter(prefix="/v1/events", tags=["events"])
Sender = Annotated[Caller, permit(Action.EVENTS)]


class EventWire(BaseModel):
    """A CloudEvent 1.0; extension attributes other than `recordedtime` are accepted and not kept."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    specversion: Annotated[str, Field(pattern=r"^1\.0$")]
    id: Text
    source: Text
    type: EventType
    subject: Annotated[Text, Field(description="return_line_id")]
    time: Annotated[Instant, Field(description="When it happened.")]
    recordedtime: Annotated[Instant | None, Field(description="When it became known.")] = None
    datacontenttype: Annotated[str, Field(pattern=r"^application/json")] = "application/json"
    data: Annotated[dict[str, Any], Field(max_length=200)] = {}


Batch = TypeAdapter(Annotated[list[EventWire], Field(min_length=1, max_length=1000)])
_SCHEMA: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/cloudevents+json": {"schema": EventWire.model_json_schema()},
            "application/cloudevents-batch+json": {"schema": Batch.json_schema()},
            "application/json": {"schema": {"anyOf": [EventWire.model_json_schema(), Batch.json_schema()]}},
        },
    }
}


async def body_of(request: Request) -> bytes:
    """The body as sent."""
    return await request.body()


@router.post("", status_code=202, summary="Tell what happened", openapi_extra=_SCHEMA)
def receive(
    request: Request,
    doors: Doors,
    caller: Sender,
    key: IdempotencyKey,
    body: Annotated[bytes, Depends(body_of)],
) -> JSONResponse:
    """Accept one event or a batch; a repeat of (source, id) is accepted and changes nothing."""
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ProblemError(400, "malformed", "The body is not JSON.") from error
    try:
        batch = Batch.validate_python(sent if isinstance(sent, list) else [sent])
    except ValidationError as error:
        skip = 0 if isinstance(sent, list) else 1
        found = field_errors(error.errors(), skip=skip)
        return problem(
            request, 422, "invalid", "An event is wrong; each place is named in errors.", errors=found
        )

    def work(tx: Transaction) -> Answer:
        now = doors.now()
        events = [
            Event(
                one.id, one.source, one.type, one.subject, one.time, one.recordedtime or now, dict(one.data)
            )
            for one in batch
        ]
        new = tx.add_events(events, actor=caller.subject)
        return Answer(202, {"accepted": len(batch), "new": sum(new)})

    payload = digest("events", json.dumps(sent, sort_keys=True).encode())
    return once(doors, caller, key, payload, work).response()
