"""The real returns of a gift wholesaler are forecast by day and by week, and measured."""

import json
import os
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from models import volume
from training.backtest import backtest
from training.forecast import forecast

pytestmark = pytest.mark.journey

MAPPING = Path(__file__).parents[2] / "notebooks" / "mappings" / "online_retail.yaml"
# The data stay where they are, for their licences differ; RECOUP_REAL_DATA names the folder.
TABLE = Path(os.environ.get("RECOUP_REAL_DATA", "real-data")) / "online_retail" / "online_retail.parquet"

APP = typer.Typer()
APP.command()(forecast)
APP.command()(backtest)


@pytest.fixture(autouse=True)
def _real_data() -> None:
    if not TABLE.exists():
        pytest.skip("no real data here; RECOUP_REAL_DATA names the folder that holds online_retail/")


@pytest.mark.parametrize(("freq", "horizon"), [("D", 28), ("W", 4)])
def test_real_returns_are_forecast_28_days_ahead(tmp_path: Path, freq: str, horizon: int):
    """Every node for 28 days, whole and coherent enough to be issued."""
    out = tmp_path / "plan.csv"
    done = CliRunner().invoke(
        APP,
        [
            "forecast",
            *("--data", str(TABLE), "--mapping", str(MAPPING)),
            *("--freq", freq, "--horizon", str(horizon), "--out", str(out)),
        ],
    )
    assert done.exit_code == 0, done.output
    rows = volume.read_forecast(out)
    total = sum(row.mean for row in rows if (row.region, row.family) == ("*", "*"))
    # The year before saw 80 to 311 lines a week.
    assert 4 * 80 < total < 4 * 311


def test_real_backtest_beats_the_naive_forecast_and_covers(tmp_path: Path):
    """Eight weekly origins: better than repeating last week, coherent, and nine in ten under P90."""
    done = CliRunner().invoke(
        APP,
        [
            "backtest",
            *("--data", str(TABLE), "--mapping", str(MAPPING)),
            *("--freq", "W", "--horizon", "4", "--origins", "8", "--json"),
        ],
    )
    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["recoup.region_family.wape"] < 0.9 * figures["seasonal_naive.region_family.wape"]
    assert figures["recoup.all.coherence_error"] == 0
    assert 0.8 < figures["recoup.region_family.coverage_q90"] < 0.98
