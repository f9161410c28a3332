"""Figures are what textbooks say, and their intervals come from whole customers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from training.evidence.figures import (
    Amounts,
    Binary,
    Classes,
    calibration_error,
    ratios,
    redraw,
    reviewed,
    with_intervals,
)


def some_classes(seed: int, rows: int = 200) -> Classes:
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(4), rows)
    codes = (rng.random(rows)[:, None] > p.cumsum(axis=1)).sum(axis=1)
    return Classes(np.minimum(codes, 3), p, p > 0.2)


@given(st.integers(0, 2**31))
def test_log_loss_of_classes_is_scikit_learns(seed: int):
    """Our one line agrees with the library's."""
    judged = some_classes(seed)
    expected = log_loss(judged.codes, judged.p, labels=range(4))
    assert judged.figures()["log_loss"] == pytest.approx(expected)


def test_a_perfect_answer_has_perfect_figures():
    """Certainty that comes true scores one on every score and nought on every loss."""
    codes = np.array([0, 1, 2, 1])
    figures = Classes(codes, np.eye(3)[codes], np.eye(3, dtype=bool)[codes]).figures()
    assert (
        figures["accuracy"] == figures["macro_f1"] == figures["coverage_90"] == figures["mean_set_size"] == 1
    )
    assert figures["log_loss"] == figures["brier"] == figures["ece"] == pytest.approx(0)
    assert figures["majority_accuracy"] == 0.5


def test_a_fraud_sample_without_fraud_has_no_ranking():
    """AUC of one class does not exist, so it is not reported."""
    figures = Binary(np.zeros(5), np.full(5, 0.1)).figures()
    assert "auc" not in figures
    assert figures["brier"] == pytest.approx(0.01)


def test_ranking_figures_of_a_separating_score_are_one():
    """A score that separates finds all fraud at no false alarm."""
    figures = Binary(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9])).figures()
    assert figures["auc"] == figures["average_precision"] == figures["recall_at_1pct_fpr"] == 1


def test_amounts_cover_what_their_p90_says():
    """`coverage_90` is the share of rows at or under P90."""
    y = np.arange(10.0)
    figures = Amounts(y, np.full(10, 4.5), {50: np.full(10, 4.5), 90: np.full(10, 8.0)}).figures()
    assert figures["coverage_90"] == 0.9
    assert figures["mae"] == 2.5
    assert figures["pinball_p50"] == 1.25


def test_an_overconfident_score_is_off_by_what_it_overstates():
    """Ninety per cent said and half come true is an error of forty points."""
    assert calibration_error(np.full(10, 0.9), np.arange(10) < 5) == pytest.approx(0.4)


def test_redrawn_samples_hold_whole_customers():
    """A block is in a sample with all of its rows, or not at all."""
    blocks = np.array([0, 1, 0, 2, 2, 2, 1])
    for sample in redraw(blocks, np.random.default_rng(1), draws=20):
        for block in range(3):
            counts = [int((sample == row).sum()) for row in np.flatnonzero(blocks == block)]
            assert len(set(counts)) == 1


def test_an_interval_holds_its_figure_and_narrows_with_rows():
    """Ten times the rows give a narrower interval around the value."""
    widths = []
    for rows in (100, 1000):
        judged = some_classes(3, rows)
        samples = redraw(np.arange(rows), np.random.default_rng(0))
        figures = with_intervals(lambda index, of=judged: of.take(index).figures(), samples, rows)
        assert figures["accuracy_lo"] <= figures["accuracy"] <= figures["accuracy_hi"]
        widths.append(figures["accuracy_hi"] - figures["accuracy_lo"])
    assert widths[1] < widths[0]


def test_a_ratio_of_one_is_the_best_possible():
    """Figures compare by quotient; of log-loss also the share of the attainable gain over the baseline."""
    found = ratios(
        {"auc": 0.9, "log_loss": 0.6}, {"auc": 0.5, "log_loss": 1.0}, {"auc": 0.9, "log_loss": 0.5}
    )
    assert found == {
        "bayes_ratio_auc": 1.0,
        "bayes_ratio_log_loss": pytest.approx(1.2),
        "share_of_log_loss_gain": pytest.approx(0.8),
    }


def test_a_class_that_is_always_overstated_shows_in_the_mean_over_classes():
    """Two classes of four are off by twenty points: ten on average, though the likeliest class is right."""
    p = np.tile([0.6, 0.4, 0.0, 0.0], (10, 1))
    codes = np.array([0] * 8 + [1] * 2)
    assert Classes(codes, p).figures()["classwise_ece"] == pytest.approx(0.1)


def test_a_review_budget_is_spent_on_the_dearest_expected_losses():
    """Of forty returns two are looked at: by score for precision, by score times credit for what is saved."""
    y, p, credit = np.zeros(40), np.full(40, 0.01), np.full(40, 10.0)
    y[[0, 1]], p[[0, 2]], p[1], credit[1] = 1, 0.9, 0.5, 500.0
    figures = Binary(y, p, credit).figures()
    assert figures["precision_at_budget"] == 0.5  # rows 0 and 2
    assert figures["savings_at_budget"] == pytest.approx(510 / 40)  # rows 1 and 0


@given(st.integers(1, 400))
def test_a_budget_reaches_its_share_of_the_rows_and_at_least_one(rows: int):
    """One return in twenty, and never the same twice."""
    chosen = reviewed(np.random.default_rng(rows).random(rows))
    assert len(set(chosen.tolist())) == len(chosen) == max(1, round(rows / 20))
