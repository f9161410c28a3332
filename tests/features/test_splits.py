"""Splits: later rows test, groups never straddle."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from features.returns import BadInputError
from features.splits import apart, latest

ROWS = st.lists(st.tuples(st.integers(0, 500), st.sampled_from("abc")), min_size=2, max_size=60)


@given(ROWS, st.floats(0.05, 0.95))
def test_the_tested_rows_of_each_provider_are_its_latest(rows, fraction):
    times = np.datetime64("2026-01-01", "us") + np.array([day for day, _ in rows]) * np.timedelta64(1, "D")
    provider = np.array([name for _, name in rows], object)
    test = latest(times, fraction=fraction, within=provider)
    for name in set(provider):
        own = provider == name
        assert test[own].sum() == int(own.sum() * fraction)
        if test[own].any() and (~test[own]).any():
            assert times[own & test].min() >= times[own & ~test].max()


@given(ROWS)
def test_a_group_never_straddles_the_split(rows):
    test = np.array([day > 250 for day, _ in rows])
    group = np.array([name for _, name in rows], object)
    assume(test.any() and not set(group) <= set(group[test]))
    split = apart(test, [group])
    assert not set(group[split.train]) & set(group[split.test])
    np.testing.assert_array_equal(split.test, test)


def test_a_split_without_test_rows_is_refused():
    with pytest.raises(BadInputError, match="no test rows"):
        apart(np.zeros(3, bool), [])
