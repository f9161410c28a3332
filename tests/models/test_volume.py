"""The volume forecast keeps its promises: coherent, whole, calibrated, honest about what it does not know."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.returns import BadInputError
from models import volume
from models.volume.bases import forecasts, turn
from models.volume.hazard import expected_returns, hazards
from models.volume.panel import Lags, Panel

LEVELS = ("region", "family")


def a_history(
    days: int = 120, *, regions: tuple[str, ...] = ("NORTH", "SOUTH"), mean: float = 6.0
) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    rows = [
        {
            "region": region,
            "family": family,
            "ds": day,
            "y": rng.poisson(mean * (0.2 if day.dayofweek > 4 else 1.3)),
        }
        for region in regions
        for family in ("lamps", "tools")
        for day in pd.date_range("2026-01-05", periods=days)
    ]
    return pd.DataFrame(rows)


def a_panel(days: int = 120, freq: str = "D") -> Panel:
    return volume.panel(a_history(days), levels=LEVELS, freq=freq)


def a_forecast(panel: Panel, horizon: int = 14, seed: int = 1) -> volume.Forecast:
    rng = np.random.default_rng(seed)
    return volume.fit(panel, horizon=horizon, rng=rng).predict(panel, horizon=horizon, rng=rng, paths=200)


@pytest.fixture(scope="module")
def forecast() -> volume.Forecast:
    return a_forecast(a_panel())


def test_every_total_is_the_sum_of_its_parts_on_every_path(forecast: volume.Forecast):
    """Coherent by construction: means add up exactly, in all combinations of collapsed levels."""
    rows = forecast.rows()
    assert len(rows) == (4 + 2 + 2 + 1) * 14
    means = rows.set_index([*LEVELS, "ds"])["mean"]
    for day in forecast.ds:
        by_region = sum(means[region, "*", day] for region in ("NORTH", "SOUTH"))
        by_family = sum(means["*", family, day] for family in ("lamps", "tools"))
        assert by_region == pytest.approx(means["*", "*", day], abs=1e-9)
        assert by_family == pytest.approx(means["*", "*", day], abs=1e-9)


def test_volumes_are_whole_units_and_quantiles_rise(forecast: volume.Forecast):
    """Nobody returns half a drill, and a higher quantile is never lower."""
    rows = forecast.rows()
    quantiles = rows[list(volume.QUANTILE_NAMES)]
    assert all(kind == np.int64 for kind in quantiles.dtypes)
    assert (quantiles.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    assert (quantiles >= 0).all(axis=None)


def test_quantiles_of_a_total_are_not_sums_of_quantiles(forecast: volume.Forecast):
    """The P90 of a sum lies below the sum of P90s."""
    rows = forecast.rows()
    bottom = rows[(rows.region != "*") & (rows.family != "*")].groupby("ds")["q90"].sum()
    top = rows[(rows.region == "*") & (rows.family == "*")].set_index("ds")["q90"]
    assert top.sum() < bottom.sum()


def test_the_same_panel_and_seed_give_the_same_paths(forecast: volume.Forecast):
    """Chance comes in by the door."""
    assert np.array_equal(a_forecast(a_panel()).paths, forecast.paths)
    assert not np.array_equal(a_forecast(a_panel(), seed=2).paths, forecast.paths)


def test_weekends_stay_quiet(forecast: volume.Forecast):
    """The weekday profile of the history carries on into the forecast."""
    means = forecast.paths.mean((0, 1))
    weekend = forecast.ds.dayofweek > 4
    assert means[weekend].max() < means[~weekend].min()


def test_more_returns_lately_mean_more_to_come():
    """Doubling the last weeks raises the forecast of that series, and by no more than double."""
    panel = a_panel()
    y = panel.y.copy()
    y[0, -42:] *= 2
    risen = Panel(panel.levels, panel.keys, panel.freq, panel.first, y)
    before, after = (a_forecast(known).paths[:, 0].mean() for known in (panel, risen))
    assert before * 1.1 < after < before * 2.2


def test_a_forecast_knows_nothing_after_its_origin():
    """Cutting a panel equals never having known the rest, lags and sales included."""
    history = a_history(100)
    whole = volume.panel(history, levels=LEVELS, freq="D", sales=history.assign(y=history["y"] * 9))
    early = history[history.ds < history.ds.min() + pd.Timedelta(days=70)]
    known = volume.panel(early, levels=LEVELS, freq="D", sales=early.assign(y=early["y"] * 9))
    assert np.array_equal(a_forecast(whole.until(70), 7).paths, a_forecast(known, 7).paths)


@pytest.mark.parametrize(("freq", "days"), [("W", 300), ("M", 900), ("Q", 1500)])
def test_weeks_months_and_quarters_are_forecast_as_well(freq: str, days: int):
    """Periods follow each other without a gap and carry the day they begin."""
    panel = a_panel(days, freq)
    found = a_forecast(panel, horizon=4)
    assert list(found.ds) == list(panel.periods(panel.length, panel.length + 4).start_time)
    last = panel.y[:, -6:-1].mean()
    assert found.paths[:, :, :2].mean() == pytest.approx(last, rel=0.3)


@pytest.mark.parametrize("horizon", [1, 90])
def test_every_horizon_from_one_to_ninety_is_drawn(horizon: int):
    """The longest horizon works on a history hardly longer than itself."""
    found = a_forecast(a_panel(100), horizon=horizon)
    assert found.paths.shape == (200, 4, horizon)


@pytest.mark.parametrize("horizon", [0, 91])
def test_a_horizon_out_of_reach_is_refused(horizon: int):
    """Further than 90 periods the level is anyone's guess."""
    with pytest.raises(BadInputError, match="1 to 90"):
        volume.fit(a_panel(), horizon=horizon, rng=np.random.default_rng(0))


def test_one_observation_is_enough_for_a_forecast():
    """A single return on a single day: a level, wide open, but whole and finite."""
    one = pd.DataFrame({"region": ["NORTH"], "family": ["lamps"], "ds": ["2026-03-02"], "y": [5]})
    found = a_forecast(volume.panel(one, levels=LEVELS, freq="D"), horizon=28)
    assert 1 < found.paths.mean() < 20
    assert np.quantile(found.paths, 0.95) > np.quantile(found.paths, 0.1)


def test_a_series_of_zeros_stays_at_zero():
    """Nothing came and next to nothing is expected; nothing divides by it."""
    history = a_history(60)
    history.loc[history.region == "SOUTH", "y"] = 0
    found = a_forecast(volume.panel(history, levels=LEVELS, freq="D"), horizon=7)
    of_south = [index for index, key in enumerate(found.keys) if key[0] == "SOUTH"]
    assert found.paths[:, of_south].mean() < 0.05


def test_all_zeros_are_a_forecast_too():
    """A panel without a single return gives a flat future and no error."""
    history = a_history(60).assign(y=0)
    assert a_forecast(volume.panel(history, levels=LEVELS, freq="D"), horizon=7).paths.mean() < 0.05


def test_a_new_region_is_forecast_from_its_own_short_life():
    """Periods before a region existed are not zeros of that region."""
    history = a_history(120)
    opened = history.ds.min() + pd.Timedelta(days=106)
    history = history[(history.region == "NORTH") | (history.ds >= opened)]
    found = a_forecast(volume.panel(history, levels=LEVELS, freq="D"), horizon=14)
    north, south = (
        found.paths[:, [k for k, key in enumerate(found.keys) if key[0] == region]].mean()
        for region in ("NORTH", "SOUTH")
    )
    assert south == pytest.approx(north, rel=0.4)


def test_a_region_that_has_only_sold_is_forecast_from_its_sales():
    """Open sales of a region without a first return still make a series."""
    history = a_history(80, regions=("NORTH",))
    sales = pd.concat([history.assign(y=50), history.assign(y=50, region="WEST")])
    panel = volume.panel(history, levels=LEVELS, freq="D", sales=sales)
    assert ("WEST", "lamps") in panel.keys
    assert np.isfinite(a_forecast(panel, horizon=7).paths).all()


def test_a_site_that_has_closed_is_not_forecast_to_reopen():
    """Sixty days without a return: next to nothing is expected of it, and the others are as they were."""
    history = a_history(200)
    closed = history.ds >= history.ds.max() - pd.Timedelta(days=60)
    history.loc[closed & (history.region == "SOUTH"), "y"] = 0
    found = a_forecast(volume.panel(history, levels=LEVELS, freq="D"), horizon=7)
    north, south = (
        found.paths[:, [k for k, key in enumerate(found.keys) if key[0] == region]].mean()
        for region in ("NORTH", "SOUTH")
    )
    assert south < 0.2 * north


def test_weeks_in_which_everything_was_shut_say_nothing_of_the_level():
    """A fortnight without a return lowers no forecast; one that has lasted until now does."""
    rng = np.random.default_rng(0)
    y = rng.poisson(30.0, size=(4, 30)).astype(float)
    steady = Panel(("region",), (("A",), ("B",), ("C",), ("D",)), "W", pd.Period("2026-01-05", "W-SUN"), y)
    shut, closed = y.copy(), y.copy()
    shut[:, 24:26], closed[:, 24:] = 0, 0
    usual, after, gone = (
        forecasts(replace(steady, y=values), 4)["medium"].sum() for values in (y, shut, closed)
    )
    assert after == pytest.approx(usual, rel=0.05)
    assert gone < 0.8 * usual


def test_a_leap_day_is_a_day_like_any_other():
    """29 February has its own column, the days after it theirs, and a forecast across it skips none."""
    days = pd.date_range("2028-01-01", "2028-03-10")
    lines = pd.DataFrame({"at": days, "region": "NORTH"})
    tidy = volume.tally(lines, levels=["region"], time="at", quantity=None, freq="D")
    whole = volume.panel(tidy, levels=["region"], freq="D")
    assert (whole.length, whole.y.min()) == (len(days), 1.0)
    found = a_forecast(whole.until(55), horizon=10)
    assert list(found.ds) == list(pd.date_range("2028-02-25", periods=10))
    assert pd.Timestamp("2028-02-29") in found.ds


def test_times_of_several_zones_are_counted_on_one_clock():
    """Half past midnight in Berlin is still the day before in UTC; a time without a zone is UTC."""
    at = ["2026-03-03T00:30:00+01:00", "2026-03-02T23:00:00Z", "2026-03-02T12:00:00"]
    lines = pd.DataFrame({"at": pd.Series(at, dtype=object).map(pd.Timestamp), "region": "NORTH"})
    tidy = volume.tally(lines, levels=["region"], time="at", quantity=None, freq="D")
    assert dict(zip(tidy.ds.astype(str), tidy.y, strict=True)) == {"2026-03-02": 3.0}


def test_a_gap_is_a_time_without_returns():
    """Missing rows are periods in which nothing came back."""
    history = a_history(30)
    panel = volume.panel(history[history.ds.dt.day != 10], levels=LEVELS, freq="D")
    gap = [index for index, period in enumerate(panel.periods(0, panel.length)) if period.day == 10]
    assert gap
    assert panel.y[:, gap].sum() == 0


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("y", -1, "negative"),
        ("y", np.nan, "no number"),
        ("y", np.inf, "no number"),
        ("ds", None, "no date"),
        ("region", "*", "collapsed"),
    ],
)
def test_a_bad_row_is_refused_naming_its_series(column: str, value: Any, words: str):
    """One clear sentence says what is wrong and where."""
    history = a_history(20).astype({"y": float, "ds": object})
    history.loc[7, column] = value
    with pytest.raises(BadInputError, match=words) as refusal:
        volume.panel(history, levels=LEVELS, freq="D")
    assert "family=lamps" in str(refusal.value)


def test_a_row_that_comes_twice_is_refused():
    """Two answers for one series and day are none."""
    history = a_history(20)
    with pytest.raises(BadInputError, match=r"twice.*region=NORTH, family=lamps, 2026-01-05"):
        volume.panel(pd.concat([history, history.head(1)]), levels=LEVELS, freq="D")


def test_missing_columns_frequencies_and_rows_are_refused():
    """What cannot be read is named."""
    history = a_history(20)
    with pytest.raises(BadInputError, match="no column 'site'"):
        volume.panel(history, levels=("site",), freq="D")
    with pytest.raises(BadInputError, match="no frequency"):
        volume.panel(history, levels=LEVELS, freq="H")
    with pytest.raises(BadInputError, match="no row"):
        volume.panel(history.head(0), levels=LEVELS, freq="D")


def test_a_model_is_saved_as_text_and_answers_the_same(tmp_path: Path):
    """Numbers in JSON and LightGBM's text; loading gives the same paths and digest."""
    panel = a_panel(200)
    model = volume.fit(panel, horizon=14, rng=np.random.default_rng(0))
    model.save(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"volume.json", "booster.txt"}
    json.loads((tmp_path / "volume.json").read_text())
    again = volume.load(tmp_path)
    said, heard = (
        one.predict(panel, horizon=14, rng=np.random.default_rng(5)).paths for one in (model, again)
    )
    assert np.array_equal(said, heard)
    assert again.digest == model.digest


def test_a_model_refuses_a_panel_of_other_levels():
    """A model by day does not answer about weeks."""
    model = volume.fit(a_panel(60), horizon=7, rng=np.random.default_rng(0))
    with pytest.raises(BadInputError, match="by D, not"):
        model.predict(a_panel(60, "W"), horizon=4, rng=np.random.default_rng(0))


def a_selling_panel() -> Panel:
    history = a_history(300, mean=20.0)
    return volume.panel(history, levels=LEVELS, freq="D", sales=history.assign(y=history.y * 5))


def test_a_model_that_learned_from_sales_says_when_they_are_missing():
    """Trees and weights need the open sales; without them there is a sentence, not LightGBM's own error."""
    panel = a_selling_panel()
    model = volume.fit(panel, horizon=7, rng=np.random.default_rng(0))
    assert model.lift is not None
    with pytest.raises(BadInputError, match=r"has no sales.*give the sales as well, or train"):
        model.predict(replace(panel, sales=None), horizon=7, rng=np.random.default_rng(0))


def test_a_model_of_returns_alone_ignores_sales():
    """What it never learned from changes nothing."""
    panel = a_selling_panel()
    bare = replace(panel, sales=None)
    model = volume.fit(bare, horizon=7, rng=np.random.default_rng(0))
    assert model.lift is not None
    with_sales, without = (model.mean(each, horizon=7) for each in (panel, bare))
    assert np.array_equal(with_sales, without)


def test_half_a_week_at_either_end_does_not_count():
    """Lines from a Wednesday to a Thursday lose both broken weeks; a closed Sunday breaks none."""
    days = pd.bdate_range("2026-01-07", "2026-02-12").append(pd.DatetimeIndex(["2026-01-24"] * 2))
    lines = pd.DataFrame({"at": days, "region": "NORTH"})
    tidy = volume.tally(lines, levels=["region"], time="at", quantity=None, freq="W")
    assert tidy.ds.min() == pd.Timestamp("2026-01-12")
    assert tidy.ds.max() == pd.Timestamp("2026-02-02")


def test_sales_after_the_last_return_prove_quiet_days():
    """Two days of sales without a return are two days without a return."""
    history = a_history(30)
    quiet = history[history.ds < history.ds.max() - pd.Timedelta(days=1)]
    panel = volume.panel(quiet, levels=LEVELS, freq="D", sales=history)
    assert panel.length == 30
    assert panel.y[:, -2:].sum() == 0


def a_panel_with_lags(units: int, reach: int) -> Panel:
    """100 days of constant sales, of which 2 % come back on each of the days 0 to 4 after the sale."""
    length = 100
    lags = [
        (0, t, lag) for t in range(length) for lag in range(min(reach, t + 1)) for _ in range(units // 50)
    ]
    series, period, lag = (np.array(column) for column in zip(*lags, strict=True))
    y = np.bincount(period, minlength=length)[None].astype(float)
    first = pd.Period("2026-01-01", "D")
    sales = np.full((1, length), float(units))
    return Panel(("family",), (("lamps",),), "D", first, y, sales, Lags(series, period, lag))


def test_the_hazard_is_not_fooled_by_sales_too_young_to_come_back():
    """Right-censored: the hazard of each lag is 2 %, though the last sales have shown only a part of it."""
    found = hazards(a_panel_with_lags(100, reach=5))
    assert found[0, 0, :5] == pytest.approx(np.full(5, 0.02), rel=1e-9)
    assert found[0, 0, 5:] == pytest.approx(0)


def test_a_jump_in_sales_is_felt_before_its_returns_arrive():
    """Open sales raise the forecast, though no return of them has come."""
    panel = a_panel_with_lags(100, reach=5)
    sales = panel.sales.copy()
    sales[0, -3:] *= 10
    jumped = Panel(panel.levels, panel.keys, panel.freq, panel.first, panel.y, sales, panel.lags)
    assert forecasts(jumped, 3)["sales"].sum() > 2 * forecasts(panel, 3)["sales"].sum()


def test_each_channel_has_its_own_hazard():
    """What is sold by the channel whose goods come back raises the forecast; by the other it does not."""
    panel = a_panel_with_lags(500, reach=5)
    jump = np.zeros_like(panel.sales)
    jump[0, -3:] = 5000
    lags = replace(panel.lags, channel=np.ones_like(panel.lags.lag))

    def told(extra: tuple[int, int]) -> float:
        halves = panel.sales[None] / 2 + np.array(extra)[:, None, None] * jump
        split = replace(panel, sales=halves.sum(0), by_channel=halves, lags=lags)
        return float(expected_returns(split, np.zeros((1, 3)))[:, -3:].sum())

    assert told((0, 1)) > 3 * told((1, 0))


def test_a_cohort_that_was_never_sold_before_comes_back_as_its_family_does():
    """The first November has no returns of its own: its sales are no dead end."""
    panel = replace(a_panel_with_lags(500, reach=5), first=pd.Period("2026-07-24", "D"))
    assert hazards(panel)[1, 0, :5] == pytest.approx(np.full(5, 0.02), rel=1e-6)


def test_returns_follow_their_sales_on_the_weekday_on_which_the_desk_takes_them():
    """Sales come every day, returns never on a Sunday: open sales are not expected back on one."""
    panel = a_panel_with_lags(100, reach=5)
    sunday = np.asarray(panel.periods(0, panel.length).dayofweek) == 6
    closed = replace(panel, y=np.where(sunday, 0.0, panel.y))
    coming = forecasts(closed, 14)["sales"][0]
    days = np.asarray(panel.periods(panel.length, panel.length + 14).dayofweek)
    assert coming[days == 6].max() < 0.2 * coming[days != 6].min()


def test_a_turn_of_sales_is_carried_on_only_where_turns_lasted():
    """White noise says nothing of the weeks ahead; a level that wanders does."""
    rng = np.random.default_rng(5)
    noise = 1000 + 100 * rng.normal(size=400)
    noise[-3:] = 2000
    assert turn(noise, 4, short=3.0, medium=10.0) == pytest.approx(1.0, abs=0.1)
    wanders = 1000 * np.exp(np.cumsum(0.1 * rng.normal(size=400)))
    wanders[-3:] = 4 * wanders[-4]
    assert turn(wanders, 4, short=3.0, medium=10.0) > 1.1


def test_quantiles_cover_what_they_say():
    """On data like the training data, half fall below the median and nine in ten at or below P90."""
    panel = a_panel(220)
    said = [(at, a_forecast(panel.until(at), 14)) for at in (150, 164, 178, 192, 206)]
    total = np.concatenate([panel.y[:, at : at + 14].sum(0) for at, _ in said])
    for share in (0.5, 0.9):
        limit = np.concatenate(
            [np.quantile(one.paths.sum(1), share, axis=0, method="inverted_cdf") for _, one in said]
        )
        assert (total <= limit).mean() == pytest.approx(share, abs=0.13)


def a_file(forecast: volume.Forecast, folder: Path) -> Path:
    forecast.rows().to_csv(folder / "issue.csv", index=False)
    return folder / "issue.csv"


def test_a_written_forecast_reads_back_row_for_row(forecast: volume.Forecast, tmp_path: Path):
    """What `forecast` writes is what `issue-forecast` reads, as csv and as parquet."""
    rows = volume.read_forecast(a_file(forecast, tmp_path))
    forecast.rows().to_parquet(tmp_path / "issue.parquet")
    assert rows == volume.read_forecast(tmp_path / "issue.parquet")
    first = rows[0]
    assert (first.region, first.family, first.ds) == ("NORTH", "lamps", date(2026, 5, 5))
    assert first.at("site") == "*"
    assert len(rows) == len(forecast.rows())


@pytest.mark.parametrize(
    ("column", "row", "value", "words"),
    [
        ("mean", 0, 99.5, "not the sum over every"),
        ("q50", 3, 1.5, "no whole number"),
        ("q95", 2, 0, "below q90"),
        ("q10", 1, -1, "negative"),
        ("mean", 4, "soon", "no finite number"),
        ("ds", 5, "tomorrow", "no date"),
        ("family", 6, None, "is empty"),
    ],
)
def test_a_forecast_that_does_not_hold_together_is_refused(
    forecast: volume.Forecast, tmp_path: Path, column: str, row: int, value: Any, words: str
):
    """Incoherent, fractional, falling or unreadable figures never become an issue."""
    rows = forecast.rows().astype(object)
    rows.loc[row, column] = value
    rows.to_csv(tmp_path / "bad.csv", index=False)
    with pytest.raises(BadInputError, match=words) as refusal:
        volume.read_forecast(tmp_path / "bad.csv")
    assert "bad.csv: column '" in str(refusal.value)


def test_a_forecast_without_its_totals_twice_or_not_at_all_is_refused(
    forecast: volume.Forecast, tmp_path: Path
):
    """Every node has its total once; a missing file or column is named."""
    rows = forecast.rows()
    lonely = tmp_path / "lonely.csv"
    rows[rows.family != "*"].to_csv(lonely, index=False)
    with pytest.raises(BadInputError, match=r"has no row with '\*'"):
        volume.read_forecast(lonely)
    pd.concat([rows, rows.tail(1)]).to_csv(lonely, index=False)
    with pytest.raises(BadInputError, match="twice"):
        volume.read_forecast(lonely)
    rows.drop(columns="q80").to_csv(lonely, index=False)
    with pytest.raises(BadInputError, match="no column 'q80'"):
        volume.read_forecast(lonely)
    with pytest.raises(BadInputError, match="no such file"):
        volume.read_forecast(tmp_path / "none.csv")
