"""Minutes and recovered amounts: quantiles that cover, means that add up, one answer a disposition."""

import numpy as np
import pytest

from features.returns import BadInputError, Disposition
from features.table import take
from models import recovery, workload


@pytest.fixture
def minutes(world, quick):
    train, later = world()
    return workload.fit(train, train["minutes"], rng=np.random.default_rng(1), params=quick), later


@pytest.fixture
def recovered(world, quick):
    train, later = world()
    return recovery.fit(train, train["recovered"], rng=np.random.default_rng(1), params=quick), later


def test_half_the_inspections_end_by_the_median_and_nine_in_ten_by_the_ninth_decile(minutes):
    model, later = minutes
    prediction = model.predict(later)
    assert (later["minutes"] <= prediction.p50).mean() == pytest.approx(0.5, abs=0.06)
    assert (later["minutes"] <= prediction.p90).mean() == pytest.approx(0.9, abs=0.05)
    assert (prediction.p50 <= prediction.p90).all()


def test_a_harder_family_takes_longer(minutes):
    model, later = minutes
    row = take(later, np.array([0]))
    asked = [
        model.predict({**row, "family": np.array([f], object)}).p50[0] for f in ("power_tools", "apparel")
    ]
    assert asked[0] < asked[1]


def test_a_workload_model_read_back_is_the_same_to_the_last_bit(minutes, tmp_path):
    model, later = minutes
    model.save(tmp_path)
    np.testing.assert_array_equal(workload.load(tmp_path).predict(later).p90, model.predict(later).p90)


def test_too_few_minutes_are_refused(world, quick):
    train, _ = world()
    with pytest.raises(BadInputError, match="too few"):
        workload.fit(
            train, np.full(len(train["minutes"]), np.nan), rng=np.random.default_rng(1), params=quick
        )


def own(prediction, table, figure):
    place = [prediction.dispositions.index(name) for name in table["disposition"]]
    return getattr(prediction, figure)[np.arange(len(place)), place]


def test_what_was_done_brings_what_was_foretold(recovered):
    model, later = recovered
    prediction = model.predict(later, model.dispositions)
    assert own(prediction, later, "mean").mean() == pytest.approx(later["recovered"].mean(), rel=0.05)
    inside = (own(prediction, later, "p10") <= later["recovered"]) & (
        later["recovered"] <= own(prediction, later, "p90") + 1e-9
    )
    assert inside.mean() > 0.7


def test_quantiles_are_in_order(recovered):
    model, later = recovered
    prediction = model.predict(later, model.dispositions)
    assert (prediction.p10 <= prediction.p50).all()
    assert (prediction.p50 <= prediction.p90).all()


def test_a_disposition_that_training_never_saw_has_no_figure(recovered):
    model, later = recovered
    prediction = model.predict(take(later, np.arange(3)))
    assert prediction.dispositions == tuple(Disposition)
    assert np.isnan(prediction.mean[:, prediction.dispositions.index("DONATE")]).all()
    assert not np.isnan(prediction.mean[:, prediction.dispositions.index("RESTOCK")]).any()


def test_twice_the_price_brings_about_twice_the_amount(recovered):
    model, later = recovered
    row = take(later, np.array([0]))
    cheap, dear = ({**row, "price_paid": np.array([price])} for price in (60.0, 120.0))
    ratio = model.predict(dear, ["RESTOCK"]).mean / model.predict(cheap, ["RESTOCK"]).mean
    assert ratio[0, 0] == pytest.approx(2.0, rel=0.15)


def test_it_answers_before_there_is_a_grade(recovered):
    model, later = recovered
    blind = {**later, "grade": np.full(len(later["grade"]), None, object)}
    assert np.isfinite(model.predict(blind, model.dispositions).mean).all()


def test_a_recovery_model_read_back_is_the_same_to_the_last_bit(recovered, tmp_path):
    model, later = recovered
    model.save(tmp_path)
    again = recovery.load(tmp_path)
    np.testing.assert_array_equal(again.predict(later).mean, model.predict(later).mean)


def test_amounts_without_a_disposition_teach_nothing(world, quick):
    train, _ = world()
    blank = {**train, "disposition": np.full(len(train["minutes"]), None, object)}
    with pytest.raises(BadInputError, match="too few"):
        recovery.fit(blank, train["recovered"], rng=np.random.default_rng(1), params=quick)


def test_asked_only_about_what_it_never_saw_it_has_no_figures(recovered):
    model, later = recovered
    assert np.isnan(model.predict(take(later, np.arange(2)), ["DONATE"]).mean).all()
