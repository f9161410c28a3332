"""Every refusal as application/problem+json (RFC 9457), never echoing what was sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from features.returns import RecoupError

TYPE_BASE = "https://recoup.example/problems/"
_MALFORMED = {"json_invalid", "missing_body", "model_attributes_type"}
_log = structlog.get_logger("recoup.errors")


class ProblemError(RecoupError):
    """A refusal with its status and code given where it is raised."""

    def __init__(
        self, status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})


class FieldError(BaseModel):
    """One wrong place, as a JSON pointer."""

    pointer: str
    detail: str


class Problem(BaseModel):
    """The body of every refusal."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    trace_id: str
    errors: list[FieldError] = []


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
    return JSONResponse(body, status, dict(headers or {}), media_type="application/problem+json")


def error_problem(request: Request, error: RecoupError) -> dict[str, Any]:
    """The problem that one of our own errors is; one that knows its field names it."""
    place = getattr(error, "pointer", None)
    errors = [FieldError(pointer=place, detail=str(error))] if place else []
    return problem_body(request, error.status, error.code, f"{error} {error.hint}".strip(), errors=errors)


def pointer(location: Sequence[str | int]) -> str:
    """A JSON pointer (RFC 6901) from pydantic's location of an error."""
    parts = [str(part).replace("~", "~0").replace("/", "~1") for part in location]
    return "".join(f"/{part}" for part in parts)


def field_errors(errors: Sequence[Mapping[str, Any]], *, skip: int = 0) -> list[FieldError]:
    """Pydantic's errors without the values that were sent, `skip` leading parts of each place left out."""
    return [
        FieldError(
            pointer=pointer(error["loc"][skip:]), detail=str(error["msg"]).removeprefix("Value error, ")
        )
        for error in errors
    ]


async def _recoup_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RecoupError)
    headers: dict[str, str] = dict(getattr(error, "headers", {}))
    if retry_after := getattr(error, "retry_after", None):
        headers["Retry-After"] = str(retry_after)
    return JSONResponse(
        error_problem(request, error), error.status, headers, media_type="application/problem+json"
    )


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = error.errors()
    in_body = all(item["loc"][:1] == ("body",) for item in errors)
    malformed = any(
        item["type"] in _MALFORMED or (item["loc"] == ("body",) and item["type"] == "missing")
        for item in errors
    )
    if malformed:
        return problem(request, 400, "malformed", "The body is not the JSON object that this call takes.")
    status, code = (422, "invalid") if in_body else (400, "invalid_parameter")
    count = len(errors)
    detail = f"{count} field{'s are' if count > 1 else ' is'} wrong; each is named in errors."
    return problem(request, status, code, detail, errors=field_errors(errors, skip=1))


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code).name.lower()
    return problem(request, error.status_code, code, str(error.detail), headers=error.headers)


def unexpected(request: Request, error: Exception) -> JSONResponse:
    """The answer to what nobody foresaw; the log has the place, nobody has the words."""
    # The exception's text may quote personal data: its type and place are logged, not its words.
    _log.error("unexpected", error=type(error).__name__, exc_info=(type(error), None, error.__traceback__))
    return problem(request, 500, "internal", "Something failed inside; the trace id leads to it in the log.")


def install(app: FastAPI) -> None:
    """Give `app` problem+json for its own and the framework's errors."""
    app.add_exception_handler(RecoupError, _recoup_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
