"""What schemathesis is told about the contract beyond its document: loaded by it, in its own process."""

from __future__ import annotations

import os
import re
from typing import Any
from uuid import uuid4

import schemathesis

KEY = "Idempotency-Key"
KEPT = "RECOUP_CONTRACT_KEYS"  # the variable that names the keys with which the calls are made
NOBODYS = "key_0000000000000000"
WELL_FORMED = re.compile(r"[\x21-\x7e]{1,200}")
# How a body or parameter is refused for its form. What is refused for its meaning has codes of its own: dates
# out of order, a rule's file that is missing, a host that nobody knows.
FOR_ITS_FORM = {"malformed", "invalid", "invalid_parameter", "idempotency_key_missing"}


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:  # noqa: ARG001  # as schemathesis calls it
    """Give every request an idempotency key of its own, and end no API key that the calls are made with."""
    without_key = getattr(case.meta.phase.data, "parameter", None) == "Authorization"
    if WELL_FORMED.fullmatch(str(case.headers.get(KEY, ""))) and not without_key:
        case.headers[KEY] = str(uuid4())
    # A key that ended itself, or that of another role, would have every call after it refused.
    if case.path_parameters.get("key_id") in os.environ.get(KEPT, "").split():
        case.path_parameters["key_id"] = NOBODYS


@schemathesis.check
def right_data_is_taken(ctx: Any, response: Any, case: Any) -> None:  # noqa: ARG001  # likewise
    """Refuse nothing for its form that is of the documented form."""
    refused = response.status_code in {400, 415, 422} and case.meta.generation.mode.is_positive
    if refused and response.json()["code"] in FOR_ITS_FORM:
        raise AssertionError(f"refused for its form: {response.text}")
