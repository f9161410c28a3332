"""Parcel numbers are told from misread ones by carriers' own rules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.documents.values.tracking import read, rules

DATA = Path(__file__).parents[4] / ".." / "shared" / "data" / "tracking_numbers"
known = pytest.mark.skipif(not DATA.exists(), reason=f"the numbers are not here: {DATA}")


@known
@pytest.mark.parametrize("path", sorted(DATA.glob("*.json")) or [DATA], ids=lambda path: path.stem)
def test_every_valid_number_of_a_carrier_can_have_been_issued(path: Path):
    for kind in json.loads(path.read_text())["tracking_numbers"]:
        assert [n for n in kind["test_numbers"]["valid"] if not read(n).possible] == []


@pytest.mark.parametrize(
    ("number", "carrier"),
    [("1Z5R89390357567127", "UPS"), ("986578788855", "FedEx"), ("RB123456785GB", "postal union")],
)
def test_a_number_names_who_can_have_issued_it(number: str, carrier: str):
    assert carrier in read(number).carriers


@given(st.integers(0, 9), st.text("0123456789", min_size=15, max_size=15))
def test_exactly_one_check_digit_of_ten_is_right(digit: int, body: str):
    right = [d for d in range(10) if "UPS" in read(f"1Z{body}{d}").carriers]
    assert len(right) == 1
    assert ("UPS" in read(f"1Z{body}{digit}").carriers) == (digit == right[0])


@given(st.text(max_size=60))
def test_no_text_breaks_the_rules(text: str):
    found = read(text)
    assert all(rule in rules() for rule in (*found.possible, *found.failed))
