"""A simulated world looks like the published one, tells its exact truth and repeats by its seed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from features.events import EventType
from features.returns import BadInputError, Disposition, Grade, Reason
from features.table import CANONICAL
from training.simulator.sales import DAYS
from training.simulator.world import Tables, simulate, write

START = datetime(2023, 11, 1, tzinfo=UTC)


def a_world(returns: int, seed: int = 7) -> Tables:
    return simulate(returns=returns, rng=np.random.default_rng(seed), start=START)


@pytest.fixture(scope="module")
def world() -> Tables:
    return a_world(20_000)


def rate(world: Tables, **chosen: str) -> float:
    """Share of matured sales that came back: the last half year has not come back yet."""
    end = pd.Timestamp(START) + timedelta(days=DAYS - 180)
    sales = world.sales[world.sales["sold_at"] < end]
    for column, value in chosen.items():
        sales = sales[sales[column] == value]
    return float(sales["order_number"].isin(world.returns["order_number"]).mean())


def test_there_are_exactly_as_many_returns_as_asked_for(world: Tables):
    """The tables agree on the lines, whose number is the one asked for."""
    assert len(world.returns) == 20_000
    assert world.returns["return_line_id"].is_unique
    assert world.truth["return_line_id"].tolist() == world.returns["return_line_id"].tolist()


def test_rates_of_return_are_the_published_ones(world: Tables):
    """NRF 2025: 15.8 % overall, 19.3 % online; apparel 20-40 %, electronics 8-15 %."""
    assert rate(world) == pytest.approx(0.158, abs=0.008)
    assert rate(world, channel="online") == pytest.approx(0.193, abs=0.010)
    assert 0.20 < rate(world, family="apparel") < 0.40
    assert 0.08 < rate(world, family="electronics") < 0.15
    assert 0.05 < rate(world, family="lighting") < 0.155


def test_the_lag_is_that_of_online_retail(world: Tables):
    """UCI Online Retail: median 9 days, P90 66 days."""
    days = (world.returns["requested_at"] - world.returns["sold_at"]) / pd.Timedelta(days=1)
    assert days.median() == pytest.approx(9, abs=1)
    assert days.quantile(0.9) == pytest.approx(66, abs=7)


def test_january_brings_back_the_gifts(world: Tables):
    """January returns lie 25-35 % (here with the noise of a small world) above the autumn mean."""
    when = world.returns["requested_at"]
    january = ((when.dt.year == 2026) & (when.dt.month == 1)).sum() / 31
    autumn = ((when.dt.year == 2025) & when.dt.month.isin([9, 10, 11])).sum() / 91
    assert 1.18 < january / autumn < 1.42


def test_fraud_is_rare_and_only_found_where_somebody_looked(world: Tables):
    """Confirmed fraud is 1-4 % of returns, abusive customers' claims 9-15 %; labels come 10-90 days later."""
    returns = world.returns
    assert 0.01 < (returns["fraud"] == 1).mean() < 0.04
    assert 0.09 < (world.truth["latent_type"] > 0).mean() < 0.15
    assert returns["fraud"].isna().equals(returns["grade"].isna())
    known = (returns["fraud_known_at"] - returns["inspected_at"]).dropna() / pd.Timedelta(days=1)
    assert known.between(9.99, 90.01).all()


def test_dispositions_and_recovery_are_the_published_ones(world: Tables):
    """CMR 2004: 20 % restocked, 55 % reworked, 10 % salvaged, 15 % dumped; about 45 % recovered."""
    share = world.returns["disposition"].value_counts(normalize=True)
    assert share["RESTOCK"] == pytest.approx(0.20, abs=0.05)
    reworked = share[["REPACKAGE_RESTOCK", "OPEN_BOX_RESALE", "REFURBISH", "RETURN_TO_VENDOR"]].sum()
    assert reworked == pytest.approx(0.55, abs=0.08)
    assert share[["LIQUIDATE", "PARTS_HARVEST"]].sum() == pytest.approx(0.10, abs=0.05)
    assert share[["DESTROY", "RECYCLE", "DONATE"]].sum() == pytest.approx(0.15, abs=0.05)
    value = (world.returns["price_paid"] * world.returns["quantity"]).sum()
    assert world.returns["recovered"].sum() / value == pytest.approx(0.45, abs=0.05)


def test_every_column_is_canonical_and_every_code_known(world: Tables):
    """The returns table speaks the vocabulary, so it needs no mapping file."""
    returns = world.returns
    assert {column.name for column in CANONICAL} <= set(returns.columns)
    assert set(returns["reason"]) <= set(map(str, Reason))
    assert set(returns["grade"].dropna()) <= set(map(str, Grade))
    assert set(returns["disposition"]) <= set(map(str, Disposition))
    assert (returns["label_known_at"] > returns["requested_at"]).all()


def test_events_follow_the_life_of_each_line(world: Tables):
    """Every line is asked for, received and decided; times are recorded later than they happened."""
    counts = world.events["type"].value_counts()
    for kind in (EventType.RMA_REQUESTED, EventType.RECEIPT_CONFIRMED, EventType.DISPOSITION_DECIDED):
        assert counts[str(kind)] == len(world.returns)
    assert (world.events["recordedtime"] > world.events["time"]).all()
    assert all(isinstance(json.loads(data), dict) for data in world.events["data"].head(500))


def test_the_truth_sums_to_one_and_is_calibrated(world: Tables):
    """Predictions of the truth are distributions, and what they say happens as often as they say."""
    truth, returns = world.truth, world.returns
    for codes in (returns["grade"].dropna().unique(), returns["disposition"].unique()):
        assert truth[[f"p_{code}" for code in codes]].sum(axis=1).to_numpy() == pytest.approx(1.0)
    seen = returns["fraud"].notna()
    bins = pd.qcut(truth.loc[seen, "p_fraud"], 5, labels=False, duplicates="drop")
    said = truth.loc[seen, "p_fraud"].groupby(bins)
    found = returns.loc[seen, "fraud"].astype(float).groupby(bins).mean()
    noise = np.sqrt(said.mean() / said.size()) + 1e-3
    assert (abs(found - said.mean()) < 4 * noise).all()
    for code in returns["disposition"].unique():
        happened = (returns["disposition"] == code).mean()
        assert truth[f"p_{code}"].mean() == pytest.approx(happened, abs=0.01)


def test_the_truth_about_minutes_covers_as_it_says(world: Tables):
    """Half of the inspections take at most p50, nine in ten at most p90; the mean recovery is unbiased."""
    seen = world.returns["minutes"].notna()
    minutes, truth = world.returns.loc[seen, "minutes"], world.truth[seen]
    assert (minutes <= truth["minutes_p50"]).mean() == pytest.approx(0.5, abs=0.015)
    assert (minutes <= truth["minutes_p90"]).mean() == pytest.approx(0.9, abs=0.01)
    assert world.truth["recovered_mean"].sum() / world.returns["recovered"].sum() == pytest.approx(
        1, abs=0.02
    )
    assert (world.returns["recovered"] <= world.truth["recovered_p90"] + 0.01).mean() > 0.89


def test_a_record_beats_a_single_line_in_finding_the_abusers(world: Tables):
    """The filter earns its keep: abusive types are ranked far above chance, and without bias."""
    abusive = (world.truth["latent_type"] > 0).to_numpy(float)
    said = 1 - world.truth["p_type_normal"].to_numpy()
    assert said.mean() == pytest.approx(abusive.mean(), abs=0.01)
    score = norm.ppf(np.clip(said, 1e-9, 1 - 1e-9))
    assert score[abusive == 1].mean() - score[abusive == 0].mean() > 1.0


def test_the_same_seed_gives_the_same_world():
    """Two worlds of one seed are equal to the last digit, a third of another seed is not."""
    one, two, other = a_world(400), a_world(400), a_world(400, seed=8)
    pd.testing.assert_frame_equal(one.returns, two.returns)
    pd.testing.assert_frame_equal(one.truth, two.truth)
    assert not one.returns["sold_at"].equals(other.returns["sold_at"])


def test_a_world_is_written_whole(tmp_path: Path):
    """Four tables and the parameters lie in the folder, and read back as they were."""
    small = a_world(50)
    write(small, tmp_path / "w", seed=7)
    assert sorted(path.name for path in (tmp_path / "w").iterdir()) == [
        "events.parquet", "returns.parquet", "sales.parquet", "truth.parquet", "world.json",
    ]  # fmt: skip
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "w" / "returns.parquet"), small.returns)
    assert json.loads((tmp_path / "w" / "world.json").read_text())["seed"] == 7


def test_a_world_without_returns_is_refused():
    """Nought returns are no world."""
    with pytest.raises(BadInputError, match="at least one return"):
        a_world(0)
