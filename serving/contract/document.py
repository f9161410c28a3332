"""The OpenAPI document: what FastAPI knows of the calls, and what HTTP clients need besides.

Refusals, headers, rights, links and examples are the same for many calls, so they are derived here once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from serving.access import RIGHTS, Action
from serving.contract.examples import BODIES, LINKS
from serving.errors import MEDIA_TYPE, TYPE_BASE, Problem

Operation = dict[str, Any]

REFUSALS: Final[Mapping[int, str]] = {
    400: "The body or a parameter cannot be read, or Idempotency-Key is missing.",
    401: "No key, or none that is good.",
    403: "The key's role or sites do not reach that.",
    404: "There is no such thing.",
    406: "None of the media types that Accept names can be given.",
    409: "It contradicts what is recorded, or a request with this Idempotency-Key is being answered.",
    412: "It has changed since it was read.",
    413: "The body is too large.",
    415: "The body is of another media type, charset or coding.",
    422: "Fields are wrong, or Idempotency-Key was used for another request.",
    428: "If-Match is missing.",
    429: "Too many requests; Retry-After says when to go on.",
    503: "The ledger or a model is not there now; Retry-After says when to try again.",
}
# What a call refuses besides what follows from its parameters and body.
FURTHER: Final[Mapping[str, tuple[int, ...]]] = {
    "recommendations_recommend": (404,),
    "forecasts_forecasts": (404, 406),
    "forecasts_override": (404,),
    "forecasts_accuracy": (404,),
    "forecasts_labor_plan": (404, 406, 422),
}
SHEETS: Final = ("text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
IN_SHEETS: Final = frozenset({"forecasts_forecasts", "forecasts_labor_plan"})
WITH_ETAG: Final = frozenset({"approvals_read", "approvals_vote", "approvals_delegate", "approvals_recall"})
# Calls that answer the same in two ways: made now, or there already.
TWOFOLD: Final = {"recommendations_recommend": "200", "reference_put": "201"}


def _text(description: str, **more: Any) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}, **more}


HEADERS: Final = {
    "X-Request-ID": _text("The caller's own where it was well-formed.", required=True),
    "traceparent": _text("W3C trace context: its trace id is in problems and logs.", required=True),
    "ETag": _text("For If-Match.", required=True),
    "Retry-After": _text("Seconds.", required=True),
    "WWW-Authenticate": _text("How to say who is calling.", required=True),
    "Idempotent-Replayed": _text("There where this is the answer given before."),
}
PARAMETERS: Final = {
    "RequestId": _text("Comes back with the answer.", name="X-Request-ID", **{"in": "header"}),
    "TraceParent": _text("W3C trace context.", name="traceparent", **{"in": "header"}),
}
# By FastAPI's name: the header as it is written, and that it has to be there.
REQUIRED: Final = {"idempotency-key": "Idempotency-Key", "if-match": "If-Match"}
HEALTH: Final = {
    "/livez": "Whether the process runs.",
    "/readyz": "Whether models, ledger and policy are fit to answer.",
    "/metrics": "Metrics for Prometheus, by route template.",
}


def document(routes: Sequence[APIRoute], *, version: str, description: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of these routes."""
    shown = [route for route in routes if route.include_in_schema]
    made = get_openapi(title="Recoup", version=version, description=description, routes=shown)
    parts = made.setdefault("components", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        parts.get("schemas", {}).pop(unused, None)
    _say_names(made)
    for form in (schema for name, schema in parts["schemas"].items() if name.startswith("Body_")):
        form["properties"] = {name: _never_null(one) for name, one in form["properties"].items()}
    for route in shown:
        for method in route.methods or ():
            _complete(made["paths"][route.path_format][method.lower()], route, method)
    made["paths"] |= {path: _health(summary) for path, summary in HEALTH.items()}
    parts["schemas"] |= _problem_schemas()
    parts["headers"] = dict(HEADERS)
    parts["parameters"] = PARAMETERS
    parts["responses"] = {f"Problem{status}": _refusal(status) for status in REFUSALS}
    parts["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "An API key of `recoup keys create`."}
    }
    return made


def _say_names(part: Any) -> None:
    """Have every object whose names follow a pattern refuse the others; pydantic's schemas leave that out."""
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        _say_names(inner)
    if isinstance(part, dict) and isinstance(part.get("patternProperties"), dict):
        part["additionalProperties"] = False


def name_of(route: APIRoute) -> str:
    """The operation's id: the noun and the verb, such as approvals_vote."""
    return f"{route.endpoint.__module__.rpartition('.')[2]}_{route.endpoint.__name__}"


def action_of(route: APIRoute) -> Action | None:
    """What a caller must be allowed to do for it; None where it is open."""
    return next(_actions(route.dependant), None)


def _actions(dependant: Dependant) -> Iterator[Action]:
    action = getattr(dependant.call, "action", None)
    if isinstance(action, Action):
        yield action
    for inner in dependant.dependencies:
        yield from _actions(inner)


def _complete(operation: Operation, route: APIRoute, method: str) -> None:
    """Add to one call its name, rights, parameters, examples, refusals, headers and links."""
    name = operation["operationId"] = name_of(route)
    action = action_of(route)
    if action is not None:
        operation["security"] = [{"key": []}]
        operation["x-roles"] = sorted(role for role, rights in RIGHTS.items() if action in rights)
    operation["parameters"] = [_parameter(one) for one in operation.get("parameters", ())]
    operation["parameters"] += [{"$ref": f"#/components/parameters/{one}"} for one in PARAMETERS]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        if name in BODIES:
            content["example"] = BODIES[name]
    responses = operation["responses"]
    responses.pop("422", None)
    for answer in responses.values():
        _answered(answer, name, method)
    if name in TWOFOLD:
        responses[TWOFOLD[name]] = next(iter(responses.values()))
    refused = sorted(_refused(operation, route))
    responses |= {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in refused}


def _parameter(parameter: dict[str, Any]) -> dict[str, Any]:
    """A parameter as it travels: it is there or it is not, and is never null."""
    schema = _never_null(parameter["schema"])
    written = REQUIRED.get(parameter["name"])
    return {
        **parameter,
        "name": written or parameter["name"],
        "schema": schema,
        "required": parameter["required"] or written is not None,
    }


def _never_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    kept = {name: one for name, one in schema.items() if name not in {"anyOf", "title"}}
    if kept.get("default", 0) is None:
        del kept["default"]
    return kept | (kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {})


def _answered(answer: dict[str, Any], name: str, method: str) -> None:
    names = ["X-Request-ID", "traceparent"]
    names += ["ETag"] if name in WITH_ETAG else []
    names += ["Idempotent-Replayed"] if method == "POST" else []
    answer["headers"] = {one: {"$ref": f"#/components/headers/{one}"} for one in names}
    if name in IN_SHEETS:
        answer["content"] |= {kind: {"schema": {"type": "string"}} for kind in SHEETS}
    if name in LINKS:
        answer["links"] = LINKS[name]


def _refused(operation: Operation, route: APIRoute) -> set[int]:
    """The statuses of refusals that follow from what a call takes."""
    own = [parameter["name"] for parameter in operation["parameters"] if "name" in parameter]
    found = {429, 503, *FURTHER.get(operation["operationId"], ())}
    found |= {401, 403} if "security" in operation else set()
    found |= {400} if own else set()
    found |= {404} if "{" in route.path_format else set()
    found |= {400, 413, 415, 422} if "requestBody" in operation else set()
    found |= {409, 422} if "Idempotency-Key" in own else set()
    found |= {409} if {"PUT", "DELETE"} & (route.methods or set()) else set()
    return found | ({412, 428} if "If-Match" in own else set())


def _refusal(status: int) -> dict[str, Any]:
    names = ["X-Request-ID", "traceparent"]
    names += {401: ["WWW-Authenticate"], 429: ["Retry-After"], 503: ["Retry-After"]}.get(status, [])
    return {
        "description": REFUSALS[status],
        "headers": {one: {"$ref": f"#/components/headers/{one}"} for one in names},
        "content": {
            MEDIA_TYPE: {
                "schema": {
                    "allOf": [
                        {"$ref": "#/components/schemas/Problem"},
                        {"properties": {"status": {"const": status}}},
                    ]
                }
            }
        },
    }


def _problem_schemas() -> dict[str, Any]:
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    inner = schema.pop("$defs")
    schema["examples"] = [
        {
            "type": f"{TYPE_BASE}invalid",
            "title": "Unprocessable Entity",
            "status": 422,
            "code": "invalid",
            "detail": "1 field is wrong; each is named in errors.",
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
            "errors": [{"pointer": "/item/sku", "detail": "Field required"}],
        }
    ]
    return {"Problem": schema, **inner}


def _health(summary: str) -> dict[str, Any]:
    answer = {"content": {"text/plain": {"schema": {"type": "string"}}}}
    responses = {"200": {"description": "It does.", **answer}}
    if summary is HEALTH["/readyz"]:
        responses["503"] = {"description": "Not now.", **answer}
    return {"get": {"tags": ["health"], "summary": summary, "security": [], "responses": responses}}
