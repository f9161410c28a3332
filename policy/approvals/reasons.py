"""Why a person decides otherwise than was recommended: one vocabulary for votes and for outcomes."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from features.returns import RecoupError


class OverrideReason(StrEnum):
    """Why a person decides otherwise than was recommended."""

    CONDITION_DIFFERS = "CONDITION_DIFFERS"
    VALUE_DIFFERS = "VALUE_DIFFERS"
    EVIDENCE_MISSING = "EVIDENCE_MISSING"
    EVIDENCE_NEW = "EVIDENCE_NEW"
    FRAUD_SUSPECTED = "FRAUD_SUSPECTED"
    POLICY_EXCEPTION = "POLICY_EXCEPTION"
    CUSTOMER_AGREEMENT = "CUSTOMER_AGREEMENT"
    SUPPLIER_AGREEMENT = "SUPPLIER_AGREEMENT"
    CAPACITY = "CAPACITY"
    SAFETY = "SAFETY"
    DATA_ERROR = "DATA_ERROR"
    OTHER = "OTHER"


# Systems of their own have codes of their own: a word of this shape is taken, and counted as OTHER.
_FOREIGN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{1,39}")


class ReasonError(RecoupError):
    """Who decides against a recommendation says why."""

    status = 422
    code = "reason_code"
    hint = f"The codes are {', '.join(OverrideReason)}."
    pointer = "/reason_code"


def check_rejection(reason_code: OverrideReason | None, comment: str) -> None:
    """Refuse a rejection that says neither by code nor in words why.

    Raises
    ------
    ReasonError
        422, naming the codes.
    """
    if reason_code is None and not comment.strip():
        raise ReasonError("Say why it is decided otherwise than recommended: give a reason_code.")


def check_override(reason_code: str | None) -> None:
    """Refuse an outcome against the recommendation that gives no code; one that is not ours is taken.

    Raises
    ------
    ReasonError
        422, naming the codes.
    """
    if reason_code is None:
        raise ReasonError("The disposition is not the recommended one: say why with a reason_code.")
    if not _FOREIGN.fullmatch(reason_code):
        raise ReasonError("A reason_code is one word of 2 to 40 letters, digits, '_', '-' and '.'.")


def counted_as(reason_code: str) -> OverrideReason:
    """The code of the vocabulary under which a reason is counted."""
    spelt = reason_code.upper().replace("-", "_").replace(".", "_")
    return OverrideReason(spelt) if spelt in set(OverrideReason) else OverrideReason.OTHER


def reasoned(reason_code: OverrideReason | None, comment: str) -> str:
    """A vote's comment that opens with its reason code."""
    return f"{reason_code}: {comment}".removesuffix(": ") if reason_code else comment


def reason_in(comment: str) -> OverrideReason | None:
    """The reason code that a vote's comment opens with."""
    first = comment.partition(":")[0]
    return OverrideReason(first) if first in set(OverrideReason) else None
