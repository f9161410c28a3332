"""A simulated world looks like the published one, repeats by its seed, and is told whole."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.metrics import average_precision_score

from features.events import EventType
from features.returns import BadInputError, Disposition, Grade, Reason
from features.table import CANONICAL
from training.simulator.laws.catalogue import FAMILIES
from training.simulator.laws.claims import HOLIDAY_EXTENSION, LONGER_FOR_DEFECTS, WINDOW_DAYS
from training.simulator.laws.condition import NEW_CODES_FROM
from training.simulator.laws.market import DAYS
from training.simulator.world import Tables, simulate, write

START = datetime(2023, 11, 1, tzinfo=UTC)


def a_world(returns: int, seed: int = 7) -> Tables:
    return simulate(returns=returns, rng=np.random.default_rng(seed), start=START)


@pytest.fixture(scope="module")
def world() -> Tables:
    return a_world(20_000)


def rate(world: Tables, **chosen: str) -> float:
    """Share of matured sales that came back: the last half year has not come back yet."""
    end = world.returns["requested_at"].max() - timedelta(days=180)
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
    """UCI Online Retail: median 9 days, P90 66 days (80 % within 21 days would contradict it)."""
    days = (world.returns["requested_at"] - world.returns["sold_at"]) / pd.Timedelta(days=1)
    assert days.median() == pytest.approx(9, abs=1)
    assert days.quantile(0.9) == pytest.approx(66, abs=7)


def test_nothing_comes_back_after_its_window(world: Tables):
    """The contract's days, longer for defects and for what was sold in the season of gifts."""
    returns, cause = world.returns, world.truth["latent_cause"]
    days = (returns["requested_at"].dt.floor("D") - returns["sold_at"].dt.floor("D")).dt.days
    gift = returns["sold_at"].dt.month.isin([11, 12])
    limit = WINDOW_DAYS + LONGER_FOR_DEFECTS * (cause == 0) + HOLIDAY_EXTENSION * gift
    assert (days <= limit).all()
    assert (days[gift] > WINDOW_DAYS + LONGER_FOR_DEFECTS).any()
    assert days.min() >= 1


def test_january_brings_back_the_gifts(world: Tables):
    """January returns lie 25-35 % (here with the noise of a small world) above the autumn mean."""
    when = world.returns["requested_at"]
    over = []
    for year in (2024, 2025, 2026):
        january = ((when.dt.year == year) & (when.dt.month == 1)).sum() / 31
        autumn = ((when.dt.year == year - 1) & when.dt.month.isin([9, 10, 11])).sum() / 91
        over.append(january / autumn)
    assert 1.20 < np.mean(over[1:]) < 1.40


def test_fraud_is_rare_and_only_found_where_somebody_investigated(world: Tables):
    """Confirmed fraud is 1-4 % of returns, abusive customers' claims 9-15 %; labels come 10-90 days later."""
    returns = world.returns
    judged = returns["fraud"].notna()
    assert 0.01 < (returns["fraud"] == 1).mean() < 0.04
    assert 0.09 < (world.truth["latent_type"] > 0).mean() < 0.15
    assert not returns.loc[judged, "grade"].isna().any()
    assert judged.equals(returns["fraud_known_at"].notna())
    known = (returns["fraud_known_at"] - returns["inspected_at"]).dropna() / pd.Timedelta(days=1)
    assert known.between(9.99, 90.01).all()


def test_dispositions_and_recovery_are_the_published_ones(world: Tables):
    """Profile of CMR 2004: 20 % restocked, 55 % reworked, 10 % salvaged, 15 % dumped; 45 % recovered."""
    share = world.returns["disposition"].value_counts(normalize=True)
    assert share["RESTOCK"] == pytest.approx(0.20, abs=0.05)
    reworked = share[["REPACKAGE_RESTOCK", "OPEN_BOX_RESALE", "REFURBISH", "RETURN_TO_VENDOR"]].sum()
    assert reworked == pytest.approx(0.55, abs=0.08)
    assert share[["LIQUIDATE", "PARTS_HARVEST"]].sum() == pytest.approx(0.10, abs=0.05)
    assert share[["DESTROY", "RECYCLE", "DONATE"]].sum() == pytest.approx(0.15, abs=0.05)
    value = (world.returns["price_paid"] * world.returns["quantity"]).sum()
    assert world.returns["recovered"].sum() / value == pytest.approx(0.45, abs=0.05)


def test_values_decay_as_published():
    """PCs lose 1 % of value a week, electronics 4-8 % a month, power tools 1 % a month."""
    loss = {family.name: family.weekly_loss for family in FAMILIES}
    assert loss["electronics"] == pytest.approx(0.01)
    assert 0.04 < 1 - (1 - loss["electronics"]) ** (30.4 / 7) < 0.08
    assert 1 - (1 - loss["power_tools"]) ** (30.4 / 7) == pytest.approx(0.01, abs=0.001)


def test_a_site_changes_its_codes_and_the_policy_its_version(world: Tables):
    """Since the day of the new code book RNO1 writes fewer Bs; the second policy refurbishes less."""
    returns = world.returns
    day = (returns["requested_at"] - pd.Timestamp(START)) / pd.Timedelta(days=1)
    here, graded = returns["site"] == "RNO1", returns["grade"].notna()
    share = (returns["grade"] == "B").groupby([here[graded], day[graded] >= NEW_CODES_FROM]).mean()
    assert share[True, True] < 0.6 * share[True, False]
    assert share[False, True] == pytest.approx(share[False, False], abs=0.02)
    refurbished = (returns["disposition"] == "REFURBISH").groupby(returns["policy_version"]).mean()
    assert refurbished["v2"] < refurbished["v1"] - 0.02
    acquired = returns["requested_at"][returns["site"] == "CHI1"].min()
    assert acquired >= pd.Timestamp(START) + timedelta(days=DAYS // 2)


def test_households_and_rings_share_addresses_and_devices(world: Tables):
    """Many addresses hold several accounts, few of which are rings."""
    for column in ("address_id", "device_id"):
        accounts = world.returns.groupby(column)["customer_id"].nunique()
        assert 0.05 < (accounts > 1).mean() < 0.4
    assert 0.005 < world.truth["latent_ring"].mean() < 0.05


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
    events = world.events
    counts = events.drop_duplicates("id")["type"].value_counts()
    for kind in (EventType.RMA_REQUESTED, EventType.RECEIPT_CONFIRMED, EventType.DISPOSITION_DECIDED):
        assert counts[str(kind)] == len(world.returns)
    assert (events["recordedtime"] > events["time"]).all()
    assert all(isinstance(json.loads(data), dict) for data in events["data"].head(500))


def test_events_arrive_late_twice_and_in_disorder(world: Tables):
    """Deliveries come in order of availability, which is not that of time; a repeat is the same event."""
    events = world.events
    assert events["availabletime"].is_monotonic_increasing
    assert (events["availabletime"] > events["recordedtime"]).all()
    assert not events["time"].is_monotonic_increasing
    repeated = events[events.duplicated("id", keep=False)]
    assert 0.005 < repeated["id"].nunique() / events["id"].nunique() < 0.02
    content = ["id", "type", "subject", "time", "data"]
    assert len(repeated.drop_duplicates(content)) == repeated["id"].nunique()


def test_the_truth_sums_to_one(world: Tables):
    """Predictions of the truth are distributions over the codes that occur."""
    for codes in (world.returns["grade"].dropna().unique(), world.returns["disposition"].unique()):
        total = world.truth[[f"p_{code}" for code in codes]].sum(axis=1).to_numpy()
        assert total == pytest.approx(1.0)


def test_the_truth_about_minutes_covers_as_it_says(world: Tables):
    """Half of the inspections take at most p50, nine in ten at most p90; the mean recovery is unbiased."""
    seen = world.returns["minutes"].notna()
    minutes, truth = world.returns.loc[seen, "minutes"], world.truth[seen]
    assert (minutes <= truth["minutes_p50"]).mean() == pytest.approx(0.5, abs=0.015)
    assert (minutes <= truth["minutes_p90"]).mean() == pytest.approx(0.9, abs=0.01)
    recovered = world.returns["recovered"]
    assert world.truth["recovered_mean"].sum() / recovered.sum() == pytest.approx(1, abs=0.02)
    assert (recovered <= world.truth["recovered_p90"] + 0.01).mean() > 0.89


def test_a_record_beats_a_single_line_in_finding_the_abusers(world: Tables):
    """The filter earns its keep: abusive types are ranked far above chance, and without bias."""
    abusive = (world.truth["latent_type"] > 0).to_numpy(float)
    said = 1 - world.truth["p_type_normal"].to_numpy()
    assert said.mean() == pytest.approx(abusive.mean(), abs=0.015)
    score = norm.ppf(np.clip(said, 1e-9, 1 - 1e-9))
    assert score[abusive == 1].mean() - score[abusive == 0].mean() > 1.0


def test_fraud_can_be_foretold_but_not_for_certain(world: Tables):
    """The best possible ranking of fraud has an average precision of .6 to .8: much can be learned."""
    judged = world.returns["fraud"].notna()
    found = world.returns.loc[judged, "fraud"].astype(bool)
    assert 0.6 < average_precision_score(found, world.truth.loc[judged, "p_fraud"]) < 0.8


def test_the_same_seed_gives_the_same_world():
    """Two worlds of one seed are equal to the last digit, a third of another seed is not."""
    one, two, other = a_world(400), a_world(400), a_world(400, seed=8)
    pd.testing.assert_frame_equal(one.returns, two.returns)
    pd.testing.assert_frame_equal(one.truth, two.truth)
    assert not one.returns["sold_at"].equals(other.returns["sold_at"])


def test_a_world_is_written_whole(tmp_path: Path):
    """Five tables and all parameters lie in the folder, and read back as they were."""
    small = a_world(50)
    write(small, tmp_path / "w", seed=7)
    assert sorted(path.name for path in (tmp_path / "w").iterdir()) == [
        "events.parquet", "market.parquet", "returns.parquet", "sales.parquet", "truth.parquet", "world.json",
    ]  # fmt: skip
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "w" / "returns.parquet"), small.returns)
    told = json.loads((tmp_path / "w" / "world.json").read_text())
    assert told["seed"] == 7
    assert told["laws"]["fraud"]["FRAUD_FOUND"] == 0.78
    assert len(told["products"]["sku"]) == 600


def test_a_world_without_returns_is_refused():
    """Nought returns are no world."""
    with pytest.raises(BadInputError, match="at least one return"):
        a_world(0)
