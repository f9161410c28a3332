"""Coverage is promised to every class and every site, not only on average."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.evidence.coverage import Cell, cells, summary


def test_an_average_that_hides_a_class_is_seen_through():
    """All of A and none of B is ninety per cent of the rows, and both classes are outside."""
    labels = np.array(["A"] * 90 + ["B"] * 10, object)
    found = cells(labels == "A", labels, np.array([None] * 100, object))
    assert {cell.name: cell.holds for cell in found} == {"A": False, "B": False}
    assert summary(found)["coverage_cells_outside"] == 2


def test_a_class_at_one_site_is_a_cell_of_its_own():
    """Sites, classes, and classes at sites: with two of each there are eight."""
    labels = np.array(["A", "B"] * 50, object)
    sites = np.repeat(np.array(["DAL1", "RNO1"], object), 50)
    names = {cell.name for cell in cells(np.ones(100, bool), labels, sites)}
    assert names == {"DAL1", "RNO1", "A", "B", "A at DAL1", "A at RNO1", "B at DAL1", "B at RNO1"}


def test_a_large_cell_is_held_to_two_points_and_a_small_one_to_chance():
    """The same 85 per cent are too few of 2,000 rows and no surprise in 40."""
    assert not Cell("large", 2000, 1700).holds
    assert Cell("small", 40, 34).holds
    assert Cell("large", 2000, 1760).holds
    assert not Cell("small", 40, 20).holds


@given(st.integers(1, 5000))
def test_a_promise_kept_as_exactly_as_rows_allow_always_holds(rows: int):
    """Nine tenths, rounded, is never outside."""
    assert Cell("any", rows, round(0.9 * rows)).holds


@given(st.integers(0, 2**31))
def test_no_row_is_lost_between_cells(seed: int):
    """The classes together are all rows; so are the sites."""
    rng = np.random.default_rng(seed)
    labels, sites = rng.choice(["A", "B", "C"], 60).astype(object), rng.choice(["N", "S"], 60).astype(object)
    by_name = {cell.name: cell.rows for cell in cells(rng.random(60) < 0.9, labels, sites)}
    assert sum(by_name.get(label, 0) for label in "ABC") == 60
    assert by_name.get("N", 0) + by_name.get("S", 0) == 60
