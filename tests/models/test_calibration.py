"""Calibration: temperatures undo overconfidence, sets cover by class and site, shifts cover quantiles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from models.calibration import Scaling, conformal, fit_scaling, fit_shift, fit_thresholds, two_classes


def drawn(rng, n=4000):
    raw = rng.normal(size=(n, 3))
    codes = np.array([rng.choice(3, p=row) for row in softmax(raw, axis=1)])
    return raw, codes


def test_a_temperature_undoes_overconfidence(rng):
    raw, codes = drawn(rng)
    scaling = fit_scaling(raw * 3, codes)
    assert scaling.temperature == pytest.approx(3.0, rel=0.15)
    np.testing.assert_allclose(scaling.probabilities(raw * 3), softmax(raw, axis=1), atol=0.06)


def test_log_odds_of_two_classes_are_a_sigmoid():
    raw = np.array([-1.0, 0.0, 2.0])
    np.testing.assert_allclose(softmax(two_classes(raw), axis=1)[:, 1], 1 / (1 + np.exp(-raw)))


def test_a_chance_is_that_of_two_classes_to_the_last_bit(rng):
    raw = np.concatenate([rng.normal(size=500) * 5, [0.0, 800.0, -800.0]])
    scaling = Scaling(1.3)
    np.testing.assert_array_equal(scaling.chance(raw), scaling.probabilities(two_classes(raw))[:, 1])


def test_each_class_at_each_site_is_covered(rng):
    raw, codes = drawn(rng, 12000)
    sites = np.array(["easy", "hard", None], object)[rng.integers(3, size=len(codes))]
    raw[sites == "hard"] *= 0.3
    probabilities = softmax(raw, axis=1)
    half = len(codes) // 2
    limits = fit_thresholds(probabilities[:half], codes[:half], sites[:half])
    sets = limits.sets(probabilities[half:], sites[half:])
    for site in ("easy", "hard"):
        for code in range(3):
            rows = (sites[half:] == site) & (codes[half:] == code)
            assert sets[rows, code].mean() == pytest.approx(0.9, abs=0.05)


def test_a_class_with_too_few_rows_is_always_possible():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2]])
    limits = fit_thresholds(probabilities, np.array([0, 0]), np.array([None, None], object))
    assert limits.sets(probabilities, np.array([None, "new"], object)).all()


@settings(max_examples=50)
@given(st.lists(st.floats(-100, 100), min_size=10, max_size=200))
def test_a_shifted_quantile_covers_the_rows_it_was_fitted_on(values):
    y = np.array(values)
    shift = fit_shift(y, np.zeros(len(y)), level=0.9)
    assert (y <= shift).mean() >= 0.9


def test_with_too_few_rows_nothing_is_certain():
    assert conformal(np.array([1.0]), level=0.9) == np.inf
    assert fit_shift(np.array([1.0]), np.array([0.0]), level=0.9) == 0.0


def test_an_easy_class_is_covered_in_nine_of_ten_too_and_no_more(rng):
    easy = rng.uniform(0.7, 1.0, 8000)
    probabilities = np.column_stack([easy, 1 - easy])
    codes, sites = np.zeros(len(easy), np.int64), np.full(len(easy), None, object)
    limits = fit_thresholds(probabilities[:4000], codes[:4000], sites[:4000])
    covered = limits.sets(probabilities[4000:], sites[4000:])[:, 0]
    assert covered.mean() == pytest.approx(0.9, abs=0.02)
