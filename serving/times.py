"""The one spelling of a moment on the wire."""

from __future__ import annotations

from datetime import datetime


def iso(moment: datetime) -> str:
    """RFC 3339 in UTC, ending in Z."""
    return moment.isoformat().replace("+00:00", "Z")
