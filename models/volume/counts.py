"""Dated lines become the tidy counts and the lags that a panel is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd

from features.returns import BadInputError
from models.volume.panel import FREQUENCIES, Frequency, Lags, Panel, frequency_of, ordinals

UNKNOWN: Final = "unknown"  # a return without its region is still a return
CHANNEL: Final = "channel"  # by which a thing was sold, where both tables say so
OPEN_SHARE: Final = 0.02  # a weekday with less than this share of the rows counts as closed


def tally(
    lines: pd.DataFrame, *, levels: Sequence[str], time: str, quantity: str | None, freq: str
) -> pd.DataFrame:
    """Count dated lines into tidy rows (levels, ds, y), without the unfinished periods at either end."""
    frequency = frequency_of(freq)
    days = _moments(lines[time]).dt.normalize()
    amount = 1.0 if quantity is None else pd.to_numeric(lines[quantity]).abs().fillna(0.0)
    spots = {name: lines[name].astype("object").where(lines[name].notna(), UNKNOWN) for name in levels}
    rows = pd.DataFrame(spots, index=lines.index).assign(
        period=days.dt.to_period(frequency.period), y=amount, day=days
    )
    rows = rows[days.notna()]
    if rows.empty:
        raise BadInputError(f"no line has a date in '{time}'; a forecast needs dated lines.")
    whole = _whole_periods(rows["day"], frequency)
    rows = rows[rows["period"].between(*whole)]
    counted = rows.groupby([*levels, "period"], observed=True, as_index=False)["y"].sum()
    tidy: pd.DataFrame = counted.assign(ds=counted["period"].dt.start_time).drop(columns="period")
    return tidy


def with_channels(panel: Panel, sales: pd.DataFrame, *, time: str, quantity: str) -> tuple[Panel, list[str]]:
    """Split the panel's sales by the channels of a table of sales; hand back their names in order."""
    assert panel.sales is not None
    shared = [name for name in panel.levels if name in sales]
    named = sales[CHANNEL].astype("object").where(sales[CHANNEL].notna(), UNKNOWN).astype(str)
    names = sorted(set(named))
    period = _moments(sales[time]).dt.to_period(FREQUENCIES[panel.freq].period)
    parts = [tuple(key[panel.levels.index(name)] for name in shared) for key in panel.keys]
    place = {part: number for number, part in enumerate(dict.fromkeys(parts))}
    spots = sales[shared].where(sales[shared].notna(), UNKNOWN).astype(str)
    row = np.array([place.get(key, -1) for key in zip(*(spots[name] for name in shared), strict=True)])
    dated = period.notna().to_numpy()
    at = np.full(len(sales), -1, dtype=np.int64)
    at[dated] = ordinals(period[dated]) - panel.first.ordinal
    inside = (at >= 0) & (at < panel.length) & (row >= 0 if shared else True)
    amount = pd.to_numeric(sales[quantity]).abs().fillna(0.0).to_numpy(np.float64)
    split = np.zeros((len(names), len(place), panel.length))
    which = named.map({name: number for number, name in enumerate(names)}).to_numpy(np.int64)
    rows = row if shared else np.zeros(len(sales), dtype=np.int64)
    np.add.at(split, (which[inside], rows[inside], at[inside]), amount[inside])
    # Shares of the known total, so that the parts add up to it whatever else was left out.
    share = (split + 1e-9) / (split + 1e-9).sum(0)
    return replace(panel, by_channel=share[:, [place[part] for part in parts]] * panel.sales), names


def with_lags(
    panel: Panel, lines: pd.DataFrame, *, time: str, sold: str, channels: Sequence[str] = ()
) -> Panel:
    """Add the time from sale to return, and the channel, of every line that knows its sale."""
    period = FREQUENCIES[panel.freq].period
    origin = panel.first.ordinal
    back, out = (_moments(lines[name]).dt.to_period(period) for name in (time, sold))
    place = {key: index for index, key in enumerate(panel.keys)}
    named = lines[list(panel.levels)]
    keys = named.where(named.notna(), UNKNOWN).astype(str).to_numpy()
    series = np.array([place.get(tuple(key), -1) for key in keys], dtype=np.int64)
    known = (back.notna() & out.notna()).to_numpy() & (series >= 0)
    at = ordinals(back[known]) - origin
    lag = at - (ordinals(out[known]) - origin)
    # A sale before the table of sales began has no exposure to be held against.
    usable = (lag >= 0) & (lag <= at) & (at < panel.length)
    channel = None
    if channels:
        number = {name: index for index, name in enumerate(channels)}
        channel = lines[CHANNEL].astype(str).map(number).to_numpy()[known][usable].astype(np.int64)
    return replace(panel, lags=Lags(series[known][usable], at[usable], lag[usable], channel))


def _moments(times: pd.Series[Any]) -> pd.Series[Any]:
    return pd.to_datetime(times, utc=True).dt.tz_localize(None)


def _whole_periods(days: pd.Series[Any], frequency: Frequency) -> tuple[pd.Period, pd.Period]:
    # Half a week reads as half the returns: a period counts when no open day of it lies outside the data.
    share = days.dt.dayofweek.value_counts(normalize=True)
    is_open = set(share.index[share >= OPEN_SHARE])
    low, high = days.min(), days.max()
    first, last = low.to_period(frequency.period), high.to_period(frequency.period)
    day = pd.Timedelta(days=1)
    before = pd.date_range(first.start_time, low - day)
    after = pd.date_range(high + day, last.end_time.normalize())
    cut_first = is_open.intersection(before.dayofweek) and first < last
    whole_first = first + 1 if cut_first else first
    cut_last = is_open.intersection(after.dayofweek) and whole_first < last
    return whole_first, last - 1 if cut_last else last
