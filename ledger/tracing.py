"""Statements of a ledger as spans of OpenTelemetry; imported only where traces are sent."""

from __future__ import annotations

from typing import Any

from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from sqlalchemy import Engine


def trace(engine: Engine, provider: Any) -> None:
    """Have every statement of an engine make a span: its text with placeholders, never a value."""
    SQLAlchemyInstrumentor().instrument(engine=engine, tracer_provider=provider, enable_commenter=False)
