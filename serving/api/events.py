"""The lifecycle comes in as CloudEvents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from features.events import Event, EventType
from ledger.store import Transaction
from serving.access import Action
from serving.api.dependencies import Answer, Doors, IdempotencyKey, digest, once, permit
from serving.api.wire import Instant, Text
from serving.auth import Caller
from serving.contract import body as bodies
from serving.contract import records
from serving.contract.examples import EVENT
from serving.errors import field_errors, problem

router = APIRouter(prefix="/v1/events", tags=["events"], route_class=bodies.StrictRoute)
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
# What is understood in `data` by type; all else in it is kept and not read.
UNDERSTOOD: Final[Mapping[EventType, Mapping[str, str]]] = {
    EventType.INSPECTION_COMPLETED: {
        "grade": "What condition was found, such as B.",
        "minutes": "How long it took; else the time since the inspection started.",
        "units": "How many were inspected; else one.",
        "inspector": "Who did it, such as emp:4.",
    },
    EventType.SUPPLIER_CLAIM_SETTLED: {
        "amount": "What the supplier paid, as decimal text.",
        "currency": "Its currency, such as USD.",
    },
}
ACTOR: Final = {"actor": "Who did it, such as emp:4: nobody approves the own work."}


def _schema_of(kind: EventType) -> dict[str, Any]:
    """The JSON Schema of one type of event."""
    whole = EventWire.model_json_schema()
    said = {**ACTOR, **UNDERSTOOD.get(kind, {})}
    data = {**whole["properties"]["data"], "properties": {name: {"description": said[name]} for name in said}}
    properties = {**whole["properties"], "type": {"const": kind.value}, "data": data}
    return {"type": "object", "title": kind.value, "properties": properties, "required": whole["required"]}


def _schema() -> dict[str, Any]:
    """The body: one event or a batch, each by its type."""
    one = {"oneOf": [_schema_of(kind) for kind in EventType]}
    many = {"type": "array", "items": one, "minItems": 1, "maxItems": 1000}
    content = {
        "application/cloudevents+json": {"schema": one, "example": EVENT},
        "application/cloudevents-batch+json": {"schema": many, "example": [EVENT]},
        "application/json": {"schema": {"anyOf": [one, many]}, "example": EVENT},
    }
    return {"requestBody": {"required": True, "content": content}}


async def json_of(request: Request) -> Any:
    """The body as JSON; FastAPI would take it for a form of one of the two shapes."""
    bodies.check_media_type(request)
    return bodies.read(await request.body())


@router.post(
    "",
    status_code=202,
    summary="Tell what happened",
    openapi_extra=_schema(),
    response_model=records.EventsAccepted,
)
def receive(
    request: Request,
    doors: Doors,
    caller: Sender,
    key: IdempotencyKey,
    sent: Annotated[Any, Depends(json_of)],
) -> JSONResponse:
    """Accept one event or a batch; a repeat of (source, id) is accepted and changes nothing."""
    many = isinstance(sent, list)
    try:
        batch = Batch.validate_python(sent if many else [sent])
    except ValidationError as error:
        wrong = field_errors(error.errors(), body=sent, skip=0 if many else 1)
        detail = "An event is wrong; each place is named in errors."
        return problem(request, 422, "invalid", detail, errors=wrong)

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
