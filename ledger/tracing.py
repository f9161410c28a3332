"""Statements of a ledger as spans of OpenTelemetry: their text with placeholders, never a value.

The instrumentation that OpenTelemetry has for SQLAlchemy refuses the release that the ledger needs.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Engine, event

SPAN: Final = "recoup.span"


def trace(engine: Engine, provider: Any) -> None:
    """Have every statement of an engine make a span, named by its first word, under the one that is open."""
    tracer = provider.get_tracer("recoup.ledger")

    @event.listens_for(engine, "before_cursor_execute")
    def _begin(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        words = statement.split(maxsplit=1)
        span = tracer.start_span(words[0].upper() if words else "SQL")
        span.set_attribute("db.system.name", engine.dialect.name)
        span.set_attribute("db.query.text", statement)
        connection.info.setdefault(SPAN, []).append(span)

    @event.listens_for(engine, "after_cursor_execute")
    def _end(connection: Any, *_: Any) -> None:
        _close(connection)

    @event.listens_for(engine, "handle_error")
    def _fail(context: Any) -> None:
        if context.connection is not None:
            _close(context.connection, error=type(context.original_exception).__name__)


def _close(connection: Any, *, error: str | None = None) -> None:
    spans = connection.info.get(SPAN)
    if spans:
        span = spans.pop()
        if error:
            span.set_attribute("error.type", error)  # not its words: they may quote a value
        span.end()
