"""Generated forms are the same for the same seed, and their truth lies where it is written."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import pypdfium2
import pytest

from training.simulator.forms import Wear, blanks, draw, fill_in, forms, layouts, spoil

BLANKS = Path(__file__).parents[2] / ".." / "shared" / "data" / "documents" / "logistics"
KINDS = {"RETURN_FORM", "PROOF_OF_DELIVERY", "SUPPLIER_CLAIM"}


def test_half_of_the_layouts_of_every_kind_are_kept_for_judging():
    assert len(layouts()) >= 12
    for use in ("train", "test"):
        kinds = [layout.kind for layout in layouts(use).values()]
        assert set(kinds) >= KINDS
        assert all(kinds.count(kind) >= 2 for kind in KINDS)


def test_the_same_seed_draws_the_same_forms():
    first, second = (list(forms(3, rng=np.random.default_rng(5))) for _ in range(2))
    for left, right in zip(first, second, strict=True):
        assert left.truths == right.truths
        assert np.array_equal(left.pixels, right.pixels)


@pytest.mark.parametrize("name", sorted(layouts()))
def test_every_field_of_a_layout_is_written_once_and_inside_the_page(name: str):
    layout = layouts()[name]
    form = draw(layout, rng=np.random.default_rng(1))
    marks = {ticks.field for ticks in layout.ticks} | ({"signature"} if layout.signature else set())
    assert {truth.field for truth in form.truths if truth.line is None} == (
        {cell.field for cell in layout.cells} | marks
    )
    assert {truth.field for truth in form.truths if truth.line == 0} == {head.field for head in layout.table}
    height, width = form.pixels.shape
    for truth in form.truths:
        corners = np.array(truth.polygon)
        assert corners.min() >= 0
        assert (corners.max(axis=0) <= (width, height)).all()


def test_there_is_ink_where_the_truth_says_and_it_moves_with_the_paper():
    rng = np.random.default_rng(2)
    wear = Wear(dpi=150, skew=3.0, perspective=0.02)
    worn = spoil(draw(layouts()["pod_over"], rng=rng), wear, rng=rng)
    for truth in worn.truths:
        if truth.field == "signature":
            continue
        (left, top), (right, bottom) = np.min(truth.polygon, axis=0), np.max(truth.polygon, axis=0)
        assert worn.pixels[int(top) : int(bottom), int(left) : int(right)].min() < 100


def test_on_a_receipt_what_was_paid_less_the_change_is_its_total():
    receipts = [layout for layout in layouts().values() if layout.style == "receipt"]
    rng = np.random.default_rng(5)
    paid = []
    for form in (draw(layout, rng=rng) for layout in receipts * 5):
        with pypdfium2.PdfDocument(form.digital()) as pdf:
            said = re.search(r"CASH\s+([\d,.]+)\s+CHANGE\s+([\d,.]+)", pdf[0].get_textpage().get_text_range())
        if said:
            cash, change = (Decimal(amount.replace(",", "")) for amount in said.groups())
            total = next(truth.value for truth in form.truths if truth.field == "total")
            paid.append(cash - change == Decimal(total))
    assert paid
    assert all(paid)


def test_the_amounts_of_a_claim_agree():
    form = draw(layouts()["claim_memo"], rng=np.random.default_rng(3))
    claimed = Decimal(0)
    for number in {truth.line for truth in form.truths} - {None}:
        row = {truth.field: truth.value for truth in form.truths if truth.line == number}
        assert Decimal(row["unit_price"]) * int(row["quantity"]) == Decimal(row["line_total"])
        claimed += Decimal(row["line_total"])
    assert {truth.value for truth in form.truths if truth.field == "claim_amount"} == {str(claimed)}


def test_the_digital_form_says_in_text_what_the_scan_shows():
    form = draw(layouts()["rma_deutsch"], rng=np.random.default_rng(6))
    with pypdfium2.PdfDocument(form.digital()) as pdf:
        text = pdf[0].get_textpage().get_text_range()
    assert all(truth.text in text for truth in form.truths)


def test_what_is_left_blank_has_no_truth():
    rng = np.random.default_rng(8)
    drawn = [draw(layouts()["claim_colon"], rng=rng, blank=0.5) for _ in range(20)]
    counts = {len(form.truths) for form in drawn}
    assert 0 in counts
    assert max(counts) <= len(layouts()["claim_colon"].cells) + 1
    assert len(counts) > 3
    assert all(truth.text for form in drawn for truth in form.truths)


@pytest.mark.skipif(not BLANKS.exists(), reason=f"the real blank forms are not here: {BLANKS}")
@pytest.mark.parametrize("name", sorted(blanks()))
def test_real_blank_forms_are_filled_in_where_their_own_fields_are(name: str):
    blank = blanks()[name]
    form = fill_in(blank, BLANKS, rng=np.random.default_rng(4))
    assert {truth.field for truth in form.truths if truth.line is None} == set(blank.single.values())
    with pypdfium2.PdfDocument(form.digital()) as pdf:
        said = pdf[0].get_textpage().get_text_range()
    assert blank.title in said
    for truth in form.truths:
        assert truth.text in said
        (left, top), (right, bottom) = np.min(truth.polygon, axis=0), np.max(truth.polygon, axis=0)
        assert form.pixels[int(top) : int(bottom), int(left) : int(right)].min() < 100
