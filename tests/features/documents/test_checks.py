"""Values that contradict each other are both shown, and neither is corrected by the other."""

from __future__ import annotations

import pytest

from features.documents.checks import by_barcode, cross_checked, own_checks
from features.documents.document import Barcode, Extraction, Field, Item, Kind, Proposal

SQUARE = ((0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0))


def a_field(name: str, value: str, *, kind: str = "money") -> Field:
    blank = an_extraction()
    checks = tuple(own_checks(a_reading(name, value, kind=kind), blank))
    return Field(name, value, value, kind, 1.0, 1, SQUARE, name, "same", accepted=True, checks=checks)


def a_reading(name: str, value: str, *, kind: str = "identifier") -> Proposal:
    return Proposal(
        name=name,
        label=name,
        raw=value,
        value=value,
        type=kind,
        currency=None,
        parsed=True,
        page=1,
        polygon=SQUARE,
        method="same",
        confidence=1.0,
        score=0.9,
        features=(0.0,) * 15,
    )


def an_extraction(*codes: str) -> Extraction:
    barcodes = tuple(Barcode(code, "Code128", 1, SQUARE) for code in codes)
    return Extraction(
        Kind.OTHER,
        1.0,
        "MDY",
        date_order_known=True,
        pages=(),
        words=(),
        barcodes=barcodes,
        candidates=(),
        proposals=(),
    )


def verdict(fields: tuple[Field, ...], name: str, check: str) -> tuple[bool, str] | None:
    field = next(field for field in fields if field.name == name)
    return next(((c.passed, c.sentence) for c in field.checks if c.name == check), None)


@pytest.mark.parametrize(("claimed", "holds"), [("30.00", True), ("31.00", False)])
def test_rows_add_up_to_the_amount_claimed_or_both_are_shown(claimed: str, holds):
    rows = [Item((a_field("line_total", "10.00"),)), Item((a_field("line_total", "20.00"),))]
    fields, _ = cross_checked([a_field("claim_amount", claimed)], rows)
    said = verdict(fields, "claim_amount", "sum")
    assert said is not None
    assert said[0] is holds
    assert "30.00" in said[1]
    assert claimed in said[1]
    assert fields[0].accepted is holds


def test_tax_makes_up_the_difference_to_the_total():
    named = [a_field("subtotal", "100.00"), a_field("tax", "6.00"), a_field("total", "106.00")]
    assert verdict(cross_checked(named, [])[0], "total", "tax") == (
        True,
        "100.00 and tax of 6.00 make 106.00; it says 106.00.",
    )


def test_dates_that_cannot_follow_each_other_are_named():
    named = [
        a_field("order_date", "2026-05-02", kind="date"),
        a_field("request_date", "2026-05-01", kind="date"),
    ]
    said = verdict(cross_checked(named, [])[0], "request_date", "date_sequence")
    assert said is not None
    assert not said[0]


@pytest.mark.parametrize(("short", "holds"), [("2", True), ("1", False)])
def test_pieces_received_and_short_make_up_the_rows(short: str, holds):
    rows = [
        Item((a_field("quantity", "7", kind="number"),)),
        Item((a_field("quantity", "5", kind="number"),)),
    ]
    named = [a_field("pieces", "10", kind="number"), a_field("short", short, kind="number")]
    said = verdict(cross_checked(named, rows)[0], "pieces", "pieces")
    assert said is not None
    assert said[0] is holds


@pytest.mark.parametrize(
    ("number", "holds"), [("1Z5R89390357567127", True), ("1Z5R89390357567128", False), ("HELLO7", False)]
)
def test_a_tracking_number_is_told_from_one_that_no_carrier_issued(number: str, holds):
    checks = {
        check.name: check.passed for check in own_checks(a_reading("tracking", number), an_extraction())
    }
    assert checks["check_digit"] is holds


@pytest.mark.parametrize(("number", "holds"), [("4006381333931", True), ("4006381333932", False)])
def test_the_check_digit_of_a_gtin_counts(number: str, holds):
    checks = {check.name: check.passed for check in own_checks(a_reading("gtin", number), an_extraction())}
    assert checks["check_digit"] is holds


def test_a_barcode_settles_what_letters_look_alike():
    reading = a_reading("pro_number", "QO0001612")
    assert by_barcode(reading, an_extraction("000001612")).value == "000001612"


def test_a_barcode_that_says_something_else_settles_nothing():
    reading = a_reading("pro_number", "000001612")
    assert by_barcode(reading, an_extraction("000001613")) == reading
