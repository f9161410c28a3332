"""Generated forms are the same for the same seed, and their truth lies where it is written."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from training.simulator.forms import Wear, draw, forms, layouts, spoil

KINDS = {"RETURN_FORM", "PROOF_OF_DELIVERY", "SUPPLIER_CLAIM"}


def test_there_are_several_layouts_of_every_kind():
    kinds = [layout.kind for layout in layouts().values()]
    assert set(kinds) == KINDS
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
    cells = [cell.field for row in (*layout.rows, layout.table, *layout.tail) for cell in row]
    assert sorted(cells) == sorted(truth.field for truth in form.truths)
    height, width = form.pixels.shape
    for truth in form.truths:
        corners = np.array(truth.polygon)
        assert corners.min() >= 0
        assert (corners.max(axis=0) <= (width, height)).all()


def test_there_is_ink_where_the_truth_says_and_it_moves_with_the_paper():
    rng = np.random.default_rng(2)
    worn = spoil(draw(layouts()["pod_over"], rng=rng), Wear(dpi=150, skew=3.0), rng=rng)
    for truth in worn.truths:
        (left, top), (right, bottom) = np.min(truth.polygon, axis=0), np.max(truth.polygon, axis=0)
        assert worn.pixels[int(top) : int(bottom), int(left) : int(right)].min() < 100


def test_the_amounts_of_a_claim_agree():
    form = draw(layouts()["claim_boxed"], rng=np.random.default_rng(3))
    values = {truth.field: truth.value for truth in form.truths}
    assert Decimal(values["unit_price"]) * int(values["quantity"]) == Decimal(values["line_total"])
