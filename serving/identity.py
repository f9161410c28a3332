"""Ids of records: a prefix that says what it is, and 128 bits that nobody can guess."""

from __future__ import annotations

import secrets


def new_id(prefix: str) -> str:
    """A fresh id such as `rec_3f…`."""
    return f"{prefix}_{secrets.token_hex(16)}"
