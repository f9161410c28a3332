"""Every refusal as application/problem+json (RFC 9457), never echoing what was sent."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from features.returns import RecoupError

TYPE_BASE: Final = "https://recoup.example/problems/"
MEDIA_TYPE: Final = "application/problem+json"
# How pydantic says that a body is not there, or is no object.
_NO_OBJECT: Final = frozenset({"missing", "model_type", "model_attributes_type", "dict_type"})
_CODES: Final = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
_log = structlog.get_logger("recoup.errors")


class FieldError(BaseModel):
    """One wrong place, as a JSON pointer."""

    pointer: Annotated[str, Field(description="RFC 6901, into the body; for a parameter, its name.")]
    detail: str


class Problem(BaseModel):
    """The body of every refusal (RFC 9457)."""

    type: Annotated[str, Field(json_schema_extra={"format": "uri"})]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    code: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", description="Stable; programs decide by it.")]
    detail: str
    trace_id: str
    errors: list[FieldError]


class ProblemError(RecoupError):
    """A refusal with its status, code and wrong places given where it is raised."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[FieldError] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})
        self.errors = tuple(errors)


def problem_body(
    request: Request, status: int, code: str, detail: str, *, errors: Sequence[FieldError] = ()
) -> dict[str, Any]:
    """The members of RFC 9457 for one refusal."""
    return Problem(
        type=TYPE_BASE + code,
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=detail,
        trace_id=getattr(request.state, "trace_id", ""),
        errors=list(errors),
    ).model_dump()


def problem(
    request: Request,
    status: int,
    code: str,
    detail: str,
    *,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The problem response for one refusal."""
    body = problem_body(request, status, code, detail, errors=errors)
    return JSONResponse(body, status, dict(headers or {}), media_type=MEDIA_TYPE)


def error_problem(request: Request, error: RecoupError) -> dict[str, Any]:
    """The problem that one of our own errors is; one that knows its field names it."""
    place = getattr(error, "pointer", None)
    named = [FieldError(pointer=place, detail=str(error))] if place else []
    errors = [*named, *getattr(error, "errors", ())]
    return problem_body(request, error.status, error.code, f"{error} {error.hint}".strip(), errors=errors)


def pointer(location: Sequence[str | int]) -> str:
    """A JSON pointer (RFC 6901) to a place."""
    parts = [str(part).replace("~", "~0").replace("/", "~1") for part in location]
    return "".join(f"/{part}" for part in parts)


def field_errors(errors: Sequence[Mapping[str, Any]], *, body: Any, skip: int = 0) -> list[FieldError]:
    """Pydantic's errors without the values that were sent, each at its place in `body`.

    The first `skip` parts of each location are left out; so is what names no place in the body but the
    variant of a union that pydantic tried.
    """
    found: dict[str, str] = {}
    for error in errors:
        place = pointer(tuple(_in_body(error, body, skip)))
        found.setdefault(place, str(error["msg"]).removeprefix("Value error, "))
    return [FieldError(pointer=place, detail=detail) for place, detail in found.items()]


def code_of(errors: Sequence[Mapping[str, Any]]) -> str:
    """The code of a 422: whether a field is wrong by itself, or only beside others."""
    return "inconsistent" if all(error["type"] == "inconsistent" for error in errors) else "invalid"


def _in_body(error: Mapping[str, Any], body: Any, skip: int) -> Iterator[str | int]:
    location = error["loc"][skip:]
    for number, part in enumerate(location):
        if _has(body, part):
            body = body[part]
        elif error["type"] == "missing" and number == len(location) - 1:
            body = None
        else:
            continue
        yield part
    yield from error.get("ctx", {}).get("place", ())


def _has(body: Any, part: str | int) -> bool:
    if isinstance(body, Sequence) and not isinstance(body, str | bytes):
        return isinstance(part, int) and part < len(body)
    return isinstance(body, Mapping) and part in body


async def _recoup_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RecoupError)
    headers: dict[str, str] = dict(getattr(error, "headers", {}))
    if retry_after := getattr(error, "retry_after", None):
        headers["Retry-After"] = str(retry_after)
    return JSONResponse(error_problem(request, error), error.status, headers, media_type=MEDIA_TYPE)


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = error.errors()
    unreadable = getattr(request.state, "body_problem", None)
    if unreadable is not None:
        return await _recoup_error(request, unreadable)
    if any(item["loc"] == ("body",) and item["type"] in _NO_OBJECT for item in errors):
        return problem(request, 400, "malformed", "The body is not the JSON object that this call takes.")
    wrong = [item for item in errors if item["loc"][:1] == ("body",)]
    if len(wrong) == len(errors):
        found = field_errors(errors, body=error.body, skip=1)
        return problem(request, 422, code_of(errors), _counted(len(found)), errors=found)
    found = [
        FieldError(pointer=pointer(item["loc"][1:2]), detail=str(item["msg"]).removeprefix("Value error, "))
        for item in errors
        if item not in wrong
    ]
    return problem(request, 400, "invalid_parameter", _counted(len(found)), errors=found)


def _counted(count: int) -> str:
    return f"{count} field{'s are' if count > 1 else ' is'} wrong; each is named in errors."


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "bad_request")
    return problem(request, error.status_code, code, str(error.detail), headers=error.headers)


def unexpected(request: Request, error: Exception) -> JSONResponse:
    """The answer to what nobody foresaw; the log has the place, nobody has the words."""
    # The exception's text may quote personal data: its type and place are logged, not its words.
    places = [f"{one.filename}:{one.lineno} {one.name}" for one in traceback.extract_tb(error.__traceback__)]
    _log.error("unexpected", error=type(error).__name__, places=places)
    return problem(request, 500, "internal", "Something failed inside; the trace id leads to it in the log.")


def install(app: FastAPI) -> None:
    """Give `app` problem+json for its own and the framework's errors."""
    app.add_exception_handler(RecoupError, _recoup_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
