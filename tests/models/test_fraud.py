"""Fraud: a calibrated score, bands within the review budget, reasons from a fixed vocabulary."""

import numpy as np
import pytest

from features.returns import BadInputError
from features.table import take
from models import fraud


@pytest.fixture
def fitted(world, quick, rng):
    train, later = world(6000)
    tables = []
    for table in (train, later):
        greedy = table["credit_requested"] / table["price_paid"] > 1.3
        tables.append((table, (rng.uniform(size=len(greedy)) < np.where(greedy, 0.3, 0.01)).astype(float)))
    (train, y), held_out = tables
    return fraud.fit(train, y, rng=np.random.default_rng(1), params=quick), held_out


def test_the_score_is_a_probability_that_holds_on_later_rows(fitted):
    model, (later, y) = fitted
    score = model.predict(later).score
    assert score.mean() == pytest.approx(y.mean(), abs=0.02)
    assert score[y == 1].mean() > 2 * score[y == 0].mean()


def test_no_more_is_flagged_than_people_can_review(fitted):
    model, (later, _) = fitted
    band = model.predict(later).band
    assert (band != "low").mean() < 2 * fraud.REVIEW_SHARE
    assert set(band) <= {"low", "medium", "high"}


def test_bands_rise_with_the_score(fitted):
    model, (later, _) = fitted
    prediction = model.predict(later)
    assert prediction.score[prediction.band == "low"].max() < prediction.score[prediction.band != "low"].min()


def test_reasons_are_given_only_when_asked(fitted):
    model, (later, _) = fitted
    assert model.predict(later).reasons == ()


def test_the_strongest_reason_is_the_one_that_was_planted(fitted):
    model, (later, _) = fitted
    top = take(later, np.argsort(-model.predict(later).score)[:5])
    for reasons in model.predict(top, reasons=True).reasons:
        assert reasons[0].code == "CREDIT_AGAINST_PRICE"
        assert reasons[0].text == fraud.TEXTS["CREDIT_AGAINST_PRICE"]
        assert reasons[0].contribution > 0


def test_every_feature_speaks_for_a_code_of_the_vocabulary():
    names = ["credit_to_price", "customer_count_30d", "site_count_7d", "sku", "attr_age", "customer_note:0"]
    assert {fraud.code_of(name) for name in names} <= set(fraud.TEXTS)


def test_a_model_read_back_scores_the_same_to_the_last_bit(fitted, tmp_path):
    model, (later, _) = fitted
    model.save(tmp_path)
    np.testing.assert_array_equal(fraud.load(tmp_path).predict(later).score, model.predict(later).score)


def test_verdicts_that_are_not_known_yet_are_left_out(world, quick):
    train, _ = world()
    y = np.full(len(train["family"]), np.nan)
    with pytest.raises(BadInputError, match="at least 10 rows"):
        fraud.fit(train, y, rng=np.random.default_rng(1), params=quick)
