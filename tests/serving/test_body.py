"""A body that is read the quick way holds nothing that the strict reader refuses."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st

from serving.contract.body import DEPTH, LARGEST, check, read
from serving.errors import ProblemError

TEXTS = st.text(max_size=6) | st.sampled_from(["\x00", "\ud800", "a\\u0000", "\u00e9"])
NUMBERS = st.integers(-(10**18), 10**18) | st.sampled_from([LARGEST, LARGEST + 1, -LARGEST - 1, 0])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)


def nested(levels: int) -> list[object]:
    value: list[object] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def refusal(call, value) -> str | None:
    try:
        call(value)
    except ProblemError as error:
        return error.code
    return None


@given(value=VALUES, escaped=st.booleans())
@example(value=nested(DEPTH), escaped=True)
@example(value=nested(DEPTH + 1), escaped=True)
@example(value={"a": LARGEST + 1}, escaped=True)
@example(value={"\x00": 1}, escaped=True)
def test_a_body_is_refused_as_its_value_is(value, escaped):
    """Whichever way it is read, and however it was written."""
    body = json.dumps(value, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    if not escaped and "\ud800" in json.dumps(value, ensure_ascii=False):
        assert refusal(read, body) == "malformed"  # no UTF-8
    else:
        assert refusal(read, body) == refusal(check, value)
