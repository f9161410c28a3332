"""Real tables go from file to verdict and forecast by commands and mapping files alone."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from models import volume
from tests.journeys.laboratory import MAPPINGS, Laboratory, real

pytestmark = pytest.mark.journey

RETAIL = "online_retail/online_retail.parquet"


def test_repairs_are_predicted_better_than_by_the_majority(tmp_path: Path):
    """Every third repair attempt of Open Repair, judged by the latest fifth of every provider."""
    attempts = pd.read_parquet(real("openrepair/openrepair.parquet")).iloc[::3]
    attempts.to_parquet(tmp_path / "attempts.parquet")
    laboratory = Laboratory(tmp_path)
    told = laboratory.must(
        *("train", "disposition", "--data", "attempts.parquet"),
        *("--mapping", MAPPINGS / "openrepair.yaml"),
    )
    assert "recoup-disposition version 1, challenger" in told
    figures = laboratory.figures("evaluate", "disposition")
    asked = attempts["repair_status"] != "Unknown"
    assert figures["rows"] == pytest.approx(asked.sum() / 5, rel=0.01)
    assert figures["accuracy_lo"] > figures["majority_accuracy"]
    assert figures["log_loss_hi"] < figures["baseline_log_loss"]
    assert figures["macro_f1"] > 0.42
    assert figures["ece"] < 0.05
    assert figures["coverage_90"] > 0.80


def test_fraudulent_claims_of_the_next_year_are_ranked_far_above_chance(tmp_path: Path):
    """Vehicle claims: trained on 1994, tested on 1995; bare boosting has an AUC of .778."""
    data = real("vehicle_claims/vehicle_claims.csv.gz")
    laboratory = Laboratory(tmp_path)
    laboratory.must("train", "fraud", "--data", data, "--mapping", MAPPINGS / "vehicle_claims.yaml")
    figures = laboratory.figures("evaluate", "fraud")
    assert figures["rows"] == (pd.read_csv(data, usecols=["Year"])["Year"] == 1995).sum()
    assert figures["auc_lo"] > 0.75
    assert figures["average_precision"] > 2 * figures["baseline_average_precision"]
    assert figures["log_loss_hi"] < figures["baseline_log_loss_hi"]
    assert figures["ece"] < 0.03


@pytest.mark.parametrize(("freq", "horizon"), [("D", 28), ("W", 4)])
def test_returns_of_every_country_and_family_are_forecast_28_days_ahead(
    tmp_path: Path, freq: str, horizon: int
):
    """Hundreds of sparse series, whole and coherent: `read_forecast` refuses rows that do not add up."""
    data = real(RETAIL)
    Laboratory(tmp_path).must(
        *("forecast", "--data", data, "--mapping", MAPPINGS / "online_retail.yaml"),
        *("--freq", freq, "--horizon", horizon, "--out", "plan.csv"),
    )
    rows = volume.read_forecast(tmp_path / "plan.csv")
    assert {row.region for row in rows} == {"*", *pd.read_parquet(data, columns=["Country"])["Country"]}
    assert {row.family for row in rows} > {"*", "lighting", "kitchen", "other"}
    assert len({row.ds for row in rows}) == horizon
    total = sum(row.mean for row in rows if (row.region, row.family) == ("*", "*"))
    # The months before saw 80 to 311 lines a week.
    assert 4 * 80 < total < 4 * 311
    home = sum(row.mean for row in rows if (row.region, row.family) == ("United Kingdom", "*"))
    assert home > 0.7 * total


def test_the_backtest_beats_the_field_and_covers(tmp_path: Path):
    """Home and abroad by week, eight origins: better than AutoETS and last week; nine in ten under P90."""
    figures = Laboratory(tmp_path).figures(
        *("backtest", "--data", real(RETAIL), "--mapping", MAPPINGS / "online_retail_regions.yaml"),
        *("--freq", "W", "--horizon", 4, "--origins", 8),
    )
    ours = figures["recoup.region_family.wape"]
    assert ours < 0.9 * figures["seasonal_naive.region_family.wape"]
    assert ours < figures["auto_ets.region_family.wape"]
    assert figures["recoup.all.coherence_error"] == 0
    assert 0.8 < figures["recoup.region_family.coverage_q90"] < 0.98
