"""`recoup-lab forecast` and `backtest` read tables as they are and say honestly how well they do."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from features.returns import BadInputError
from models import volume
from models.volume.free_days import country_of
from models.volume.paths import paths_beside
from training.forecast import forecast
from training.forecasting.backtest import backtest, origins_of, rolled
from training.forecasting.baselines import baselines
from training.forecasting.daysoff import with_days_off
from training.forecasting.history import forecast_of, panel_of
from training.forecasting.measures import summed
from training.forecasting.trial import trial
from training.options import writable, write_table

ARRIVALS = Path(__file__).parents[2] / "notebooks" / "mappings" / "arrivals.yaml"
APP = typer.Typer()
APP.command()(forecast)
APP.command()(backtest)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the simulator leaves it: 90 days, two regions and families, returns days after the sale."""
    where = tmp_path_factory.mktemp("history")
    rng = np.random.default_rng(11)
    days = pd.date_range("2026-01-05", periods=90, tz="UTC")
    spots = [(region, family) for region in ("NORTH", "SOUTH") for family in ("lamps", "tools")]
    sold = pd.DataFrame(
        [(region, family, day) for region, family in spots for day in days for _ in range(rng.poisson(20))],
        columns=["region", "family", "sold_at"],
    )
    back = sold[rng.random(len(sold)) < 0.2]
    requested = back["sold_at"] + pd.to_timedelta(rng.integers(1, 6, len(back)), unit="D")
    returns = back.assign(requested_at=requested, return_line_id=[f"R{i}" for i in range(len(back))])
    returns = returns[returns["requested_at"] <= days[-1]].assign(quantity=1.0)
    sold.assign(sku="S1", site="DAL1", channel="online", quantity=1.0).to_parquet(where / "sales.parquet")
    returns.to_parquet(where / "returns.parquet")
    return where


def run(*arguments: object):
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


@pytest.mark.parametrize("name", ["plan.csv", "plan.parquet"])
def test_a_forecast_of_a_simulated_folder_needs_no_mapping(folder: Path, tmp_path: Path, name: str):
    """28 days for every node, in columns that the contract names, and fit to be issued."""
    done = run("forecast", "--data", folder, "--no-paths", "--out", tmp_path / name)
    assert done.exit_code == 0, done.output
    rows = volume.read_forecast(tmp_path / name)
    assert len(rows) == (4 + 2 + 2 + 1) * 28
    assert {row.region for row in rows} == {"NORTH", "SOUTH", "*"}
    assert not paths_beside(tmp_path / name).exists()
    assert sorted(file.name for file in tmp_path.iterdir()) == [name]


def test_sample_paths_are_written_beside(folder: Path, tmp_path: Path):
    """The paths of the lowest level add up to the means of the long file."""
    out = tmp_path / "plan.csv"
    done = run("forecast", "--data", folder, "--freq", "W", "--horizon", 3, "--out", out)
    assert done.exit_code == 0, done.output
    paths = pd.read_parquet(paths_beside(out))
    drawn = paths.filter(regex=r"^p\d+$")
    total = next(row for row in volume.read_forecast(out) if (row.region, row.family) == ("*", "*"))
    first = drawn[paths["ds"] == paths["ds"].min()]
    assert first.sum().mean() == pytest.approx(total.mean)
    assert len(drawn.columns) == 500


def test_the_same_seed_writes_the_same_file(folder: Path, tmp_path: Path):
    """A forecast can be made again."""
    for name in ("a.csv", "b.csv"):
        assert run("forecast", "--data", folder, "--horizon", 5, "--out", tmp_path / name).exit_code == 0
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_levels_are_the_callers_choice(folder: Path, tmp_path: Path):
    """One level gives that level and the total."""
    out = tmp_path / "plan.csv"
    done = run("forecast", "--data", folder, "--levels", "family", "--horizon", 2, "--out", out)
    assert done.exit_code == 0, done.output
    assert set(pd.read_csv(out)["family"]) == {"lamps", "tools", "*"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--horizon", "91"), "1 to 90"),
        (("--freq", "H"), "no frequency"),
        (("--levels", "planet"), "no column 'planet'"),
        (("--out", "plan.xlsx"), ".csv or .parquet"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_written(
    folder: Path, tmp_path: Path, arguments: tuple[str, str], words: str
):
    """One sentence, and no half a file."""
    given = {"--data": str(folder), "--out": "plan.csv", **dict([arguments])}
    given["--out"] = str(tmp_path / given["--out"])
    done = run("forecast", *(part for pair in given.items() for part in pair))
    assert isinstance(done.exception, BadInputError)
    assert words in str(done.exception)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["plan.csv", "plan.parquet"])
def test_a_table_that_breaks_off_leaves_the_earlier_file(tmp_path: Path, name: str):
    """Written beside and renamed: neither half a file nor a partial one is left."""
    out = tmp_path / name
    write_table(pd.DataFrame({"mean": [1.0]}), out)
    before = out.read_bytes()

    class Unwritable:
        """What no file format takes."""

        def __str__(self) -> str:
            raise OSError

    with pytest.raises((OSError, pa.ArrowInvalid)):
        write_table(pd.DataFrame({"mean": [1.0, Unwritable()]}), out)
    assert out.read_bytes() == before
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(
    ("out", "words"),
    [("no/plan.csv", "no folder"), ("plan.txt", ".csv or .parquet"), ("folder.csv", "is a folder")],
)
def test_an_out_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path, out: str, words: str):
    """A sentence now, not a traceback after an hour."""
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(BadInputError, match=words):
        writable(tmp_path / out)


def test_a_panel_of_the_folder_knows_sales_and_lags(folder: Path):
    """Every return names its sale, so every lag is known, one to five days."""
    panel = panel_of(folder, None, freq="D", levels=None)
    assert panel.sales is not None
    assert panel.lags is not None
    assert set(panel.lags.lag) == {1, 2, 3, 4, 5}
    assert panel.length == 90


def test_sales_and_lags_know_the_channel_where_both_tables_name_it():
    """The parts of the sales add up to them, and a return counts for the channel of its sale."""
    sales = pd.DataFrame({"sold_at": pd.date_range("2026-01-01", periods=60).repeat(2), "quantity": 1})
    sales["channel"] = ["branch", "online"] * 60
    back = sales[sales["channel"] == "online"].assign(
        requested_at=lambda rows: rows["sold_at"] + pd.Timedelta(days=2), return_line_id=range(60)
    )
    rows = back.assign(ds=back["requested_at"], y=1.0)[["ds", "y"]]
    bare = volume.panel(
        rows,
        levels=(),
        freq="D",
        sales=sales.rename(columns={"sold_at": "ds", "quantity": "y"})
        .groupby("ds", as_index=False)["y"]
        .sum(),
    )
    split, names = volume.with_channels(bare, sales, time="sold_at", quantity="quantity")
    found = volume.with_lags(split, back, time="requested_at", sold="sold_at", channels=names)
    assert names == ["branch", "online"]
    assert found.by_channel is not None
    assert found.sales is not None
    assert found.lags is not None
    assert found.lags.channel is not None
    assert found.by_channel.sum(0) == pytest.approx(found.sales)
    assert set(found.lags.channel) == {1}


def test_a_return_without_a_sale_date_finds_the_customers_last_purchase(tmp_path: Path):
    """Customer and product lead to the sale before the return, never to a later one."""
    days = pd.date_range("2026-01-01", periods=30)
    base = {"region": "NORTH", "family": "lamps", "sku": "S1"}
    sales = pd.DataFrame({**base, "customer_id": "C1", "sold_at": days[[0, 10, 25]], "quantity": 1.0})
    returns = pd.DataFrame(
        {**base, "customer_id": ["C1", "C2"], "requested_at": days[[14, 29]], "return_line_id": ["a", "b"]}
    )
    sales.to_parquet(tmp_path / "sales.parquet")
    returns.to_parquet(tmp_path / "returns.parquet")
    panel = panel_of(tmp_path, None, freq="D", levels=None)
    assert panel.lags is not None
    assert panel.lags.lag.tolist() == [4]


@pytest.fixture(scope="module")
def tracked(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    home = tmp_path_factory.mktemp("home")
    words = ("backtest", "--data", folder, "--freq", "D", "--horizon", 7, "--origins", 3, "--json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOUP_HOME", str(home))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow sets it for its own later calls
        done = run(*words)
    assert done.exit_code == 0, done.output
    return home, done


@pytest.fixture(scope="module")
def figures(tracked: tuple[Path, Result]) -> dict[str, float]:
    _, done = tracked
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_backtest_names_model_level_and_metric_with_bounds(figures: dict[str, float]):
    """One JSON object on the last line; every figure lies within its interval's reach."""
    rivals = ("seasonal_naive", "auto_ets", "croston_sba", "adida", "bottom_up", "min_trace", "mlforecast")
    for model in ("recoup", *rivals):
        for level in ("total", "region", "family", "region_family"):
            assert figures[f"{model}.{level}.wape_lo"] <= figures[f"{model}.{level}.wape_hi"]
    for metric in ("wape", "rmsse", "wspl", "scrps", "bias", "coverage_80"):
        assert np.isfinite(figures[f"recoup.total.{metric}"])


def test_a_backtest_leaves_figures_and_plots_in_mlflow(tracked: tuple[Path, Result]):
    """Progress goes to standard error; what was measured lies in MLflow with its pictures."""
    home, done = tracked
    assert "origins" in done.stderr
    assert {plot.name for plot in home.rglob("plots/*.png")} == {"total.png", "wape.png", "coverage.png"}


def test_the_gain_over_a_baseline_comes_with_its_interval(folder: Path):
    """One less the ratio of errors, by the same origins for both."""
    panel = panel_of(folder, None, freq="D", levels=None)
    found = rolled(panel, origins_of(panel, horizon=7, count=3, step=7), horizon=7, seed=0)
    value, low, high = found.gain("seasonal_naive", level="region_family")
    told = found.figures()
    ours, theirs = (told[f"{model}.region_family.wape"] for model in ("recoup", "seasonal_naive"))
    assert low <= value <= high
    assert value == pytest.approx(1 - ours / theirs)


def test_our_forecast_adds_up_and_beats_the_naive_one(figures: dict[str, float]):
    """Coherence is exact; open sales and weekdays are worth something."""
    assert figures["recoup.all.coherence_error"] == 0
    assert figures["recoup.region_family.wape"] < figures["seasonal_naive.region_family.wape"]


def test_baselines_are_the_models_that_they_are_called(figures: dict[str, float]):
    """Croston, ADIDA and the trees on lags are not quietly another model that stepped in for them."""
    names = ("seasonal_naive", "croston_sba", "adida", "bottom_up", "mlforecast")
    assert len({figures[f"{model}.total.wape"] for model in names}) == len(names)


def test_trees_on_lags_need_a_history_to_learn_from(folder: Path):
    """A few weeks teach no trees: the statistical forecast stands in, and nothing breaks."""
    panel = panel_of(folder, None, freq="D", levels=None).until(20)
    nodes = list(volume.nodes(panel.keys))
    told = baselines(summed(panel.y, nodes), nodes, panel, horizon=3)
    assert np.array_equal(told["mlforecast"].mean, told["bottom_up"].mean)


def test_a_backtest_sees_nothing_after_its_origin(folder: Path):
    """A calamity after the last origin changes what is measured, and nothing that was said before."""
    panel = panel_of(folder, None, freq="D", levels=None)
    at = origins_of(panel, horizon=7, count=1, step=7)
    y = panel.y.copy()
    y[:, at[0] :] *= 3
    shocked = volume.Panel(panel.levels, panel.keys, panel.freq, panel.first, y, panel.sales, panel.lags)
    calm, rough = (rolled(known, at, horizon=7, seed=0).figures() for known in (panel, shocked))
    amount = panel.y[:, at[0] :].sum()
    said = [
        figures["recoup.total.bias"] * total + total
        for figures, total in ((calm, amount), (rough, 3 * amount))
    ]
    assert said[0] == pytest.approx(said[1])


def test_a_history_too_short_to_test_is_refused(folder: Path):
    """Ninety days leave nothing to forecast ninety days from."""
    panel = panel_of(folder, None, freq="D", levels=None)
    with pytest.raises(BadInputError, match="smaller --horizon"):
        origins_of(panel, horizon=90, count=3, step=7)


def test_few_origins_do_not_feign_certainty(folder: Path):
    """Overlapping horizons ask for long blocks, but four origins still give an interval."""
    panel = panel_of(folder, None, freq="D", levels=None)
    found = rolled(panel, origins_of(panel, horizon=28, count=4, step=7), horizon=28, seed=0).figures()
    assert found["recoup.total.wape_lo"] < found["recoup.total.wape_hi"]


@pytest.mark.parametrize(
    ("region", "country"),
    [
        ("US-SOUTH", "US"),
        ("UK", "GB"),
        ("United Kingdom", "GB"),
        ("France", "FR"),
        ("DEU", "DE"),
        ("ABROAD", None),
    ],
)
def test_a_region_that_names_a_country_has_its_holidays(region: str, country: str | None):
    """By code, by name, or as the head of a part of the country; no guess where it names none."""
    assert country_of(region) == country


def test_holidays_are_counted_in_days_and_weeks_as_far_as_a_forecast_reaches():
    """Thanksgiving 2026 is a Thursday, in the week from 23 November; a region of no country has none."""
    for freq, periods, at in (("D", 300, "2026-11-26"), ("W", 40, "2026-11-23")):
        first = pd.Period("2026-02-02", volume.FREQUENCIES[freq].period)
        bare = volume.Panel(("region",), (("US-SOUTH",), ("ABROAD",)), freq, first, np.ones((2, periods)))
        found = with_days_off(bare)
        assert found.days_off is not None
        days = list(found.periods(0, periods + 90).start_time.strftime("%Y-%m-%d"))
        assert found.days_off[:, days.index(at)].tolist() == [1.0, 0.0]
        assert found.days_off.shape[1] == periods + 90


def test_fewer_returns_are_expected_on_a_holiday_that_closes_the_desk():
    """Two years of holidays without a return foretell one more; days beside it stay as they are."""
    first = pd.Period("2024-01-01", "D")
    y = np.random.default_rng(0).poisson(40.0, (4, 716)).astype(float)
    keys = tuple((f"US-{name}",) for name in "ABCD")
    known = with_days_off(volume.Panel(("region",), keys, "D", first, y))
    assert known.days_off is not None
    closed = replace(known, y=np.where(known.days_off[:, :716] > 0, 0.0, y))  # to 16 December
    mean = forecast_of(closed, horizon=14, seed=0).paths.mean((0, 1))
    assert mean[8] < 0.4 * mean[7]  # Christmas Day beside its eve
    assert mean[7] == pytest.approx(40.0, rel=0.15)


def test_rmas_that_were_announced_are_expected_before_any_of_them_arrives(tmp_path: Path):
    """A parcel comes three days after its request; three times the usual are on their way."""
    days = pd.date_range("2026-01-05", periods=120, tz="UTC")
    counts = np.where(np.arange(120) >= 117, 60, 20)
    asked = pd.DataFrame({"requested_at": np.repeat(days, counts), "site": "DAL1", "family": "lamps"})
    received = asked["requested_at"] + pd.Timedelta(days=3)
    known = received.where(received <= days[-1])  # the rest is in transit
    table = asked.assign(received_at=known, return_line_id=[f"R{n}" for n in range(len(asked))])
    table.to_parquet(tmp_path / "returns.parquet")
    panel = panel_of(tmp_path / "returns.parquet", ARRIVALS, freq="D", levels=None)
    assert panel.sales is not None
    assert panel.y[0, -3:].tolist() == [20.0, 20.0, 20.0]
    announced, blind = (
        forecast_of(known_of, horizon=3, seed=0).paths.mean()
        for known_of in (panel, replace(panel, sales=None, lags=None))
    )
    assert announced > 1.5 * blind


def test_a_trial_shows_error_coverage_and_coherence_for_the_gates(folder: Path):
    """Beside the bare last season, over as many horizons as fit; too short a history shows nothing won."""
    panel = panel_of(folder, None, freq="D", levels=None)
    found = trial(panel, horizon=7, seed=0)
    assert found["wape"] < found["baseline_wape"]
    assert found["wape_lo"] <= found["wape"] <= found["wape_hi"]
    assert (found["coherence_error"], found["origins"]) == (0.0, 6.0)
    assert 0 <= found["off_coverage"] <= 1
    short = trial(panel.until(5), horizon=7, seed=0)
    assert short["wape"] >= short["baseline_wape"]
    assert "off_coverage" not in short
