"""What the service tells operators: JSON logs, request and trace ids, metrics by route template."""

from __future__ import annotations

import logging
import re
import secrets
import sys
import time
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import structlog
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import Processor

from serving.errors import unexpected
from serving.monitoring.figures import figures

_log = structlog.get_logger("recoup.access")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})  # others are anyone's word
UNSAID = frozenset(
    {"authorization", "key", "secret", "token", "password", "customer", "customer_id", "customer_note"}
    | {"name", "email", "phone", "address", "address_id", "device_id", "comment", "body", "payload"}
)
SECRETS = re.compile(
    r"rk_[\w-]{20,}|whsec_[\w+/=-]+|eyJ[\w-]+\.[\w-]+\.[\w-]*|(?i:bearer )\S+"
    r"|[\w.+-]+@[\w-]+\.[\w.-]+|(?<=://)[^/@\s:]+:[^/@\s]+(?=@)"
)

# Whoever logs for BentoML; the empty name is the root's.
FRAMEWORKS: Final = ("", "bentoml", "uvicorn", "uvicorn.error", "circus")

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def configure_logs(level: str) -> None:
    """One JSON object a line, times in UTC: ours on standard error, and those of the frameworks below."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        redacted,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        ),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    alike = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )
    for name in FRAMEWORKS:
        for handler in logging.getLogger(name).handlers:
            handler.setFormatter(alike)


def redacted(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take out of a line what must not be in a log: values of telling names, and what looks like a secret."""
    for name, value in line.items():
        if name in UNSAID:
            line[name] = "[redacted]"
        elif isinstance(value, str):
            line[name] = SECRETS.sub("[redacted]", value)
    return line


def ids(headers: Mapping[str, str]) -> tuple[str, str]:
    """The request id and trace id of a request: the caller's where well-formed, else new ones."""
    given = headers.get("x-request-id", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else f"req_{secrets.token_hex(8)}"
    parent = _TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    return request_id, parent.group(1) if parent else secrets.token_hex(16)


class Observe:
    """Give every request its ids, every answer its headers, and the log one line for each."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        request_id, trace_id = ids(headers)
        state = scope.setdefault("state", {})
        trace_id = state.setdefault("trace_id", trace_id)  # that of the span, where requests are traced
        state["request_id"] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id, trace_id=trace_id)
        started = time.perf_counter()
        status: int | None = None

        async def send_observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answer = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    answer.setdefault(name, value)
                answer["X-Request-ID"] = request_id
                answer["traceparent"] = f"00-{trace_id}-{secrets.token_hex(8)}-01"
            await send(message)

        try:
            await self.app(scope, receive, send_observed)
        except Exception as error:  # the last line of defence: every request gets an answer
            answer = unexpected(Request(scope), error)
            if status is not None:
                raise  # half an answer is out: only the closed connection can tell
            await answer(scope, receive, send_observed)
        finally:
            line = _line(scope, status, time.perf_counter() - started)
            figures().request(line["method"], line["route"], status or 0, line["ms"] / 1000)
            _log.info("request", **line)


def _line(scope: Scope, status: int | None, seconds: float) -> dict[str, Any]:
    # The route's template, not the path: identifiers in paths can be personal data.
    route = getattr(scope.get("route"), "path", "unmatched")
    return {
        "method": scope["method"] if scope["method"] in METHODS else "other",
        "route": route,
        "status": status,
        "ms": round(seconds * 1000, 2),
    }


class BodyLimit:
    """Refuse a body larger than its route allows, while reading it, with 413."""

    def __init__(self, app: ASGIApp, *, limit: int, documents: int) -> None:
        self.app = app
        self.limit = limit
        self.documents = documents

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request whose body is counted as it arrives."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.documents if scope["path"] == "/v1/documents" else self.limit
        length = dict(scope["headers"]).get(b"content-length", b"0")
        declared = int(length) if length.isdigit() else 0
        too_large = HTTPException(413, f"The body is larger than {limit} bytes; send less at a time.")
        read = 0

        async def receive_counted() -> Message:
            nonlocal read
            if declared > limit:
                raise too_large
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit:
                raise too_large
            return message

        await self.app(scope, receive_counted, send)
