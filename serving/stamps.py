"""What every record is stamped with: an id that nobody can guess and a moment in UTC."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime


def new_id(prefix: str) -> str:
    """A fresh id such as `rec_3f…`: what it is, and 128 bits of chance."""
    return f"{prefix}_{secrets.token_hex(16)}"


def utc_now() -> datetime:
    """The one clock of the service; everything else is handed the time."""
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """The one spelling of a moment on the wire: RFC 3339 in UTC, ending in Z."""
    return moment.isoformat().replace("+00:00", "Z")
