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


def with_lags(panel: Panel, lines: pd.DataFrame, *, time: str, sold: str) -> Panel:
    """Add the time from sale to return of every line that knows its sale."""
    period = FREQUENCIES[panel.freq].period
    origin = panel.first.ordinal
    back, out = (_moments(lines[name]).dt.to_period(period) for name in (time, sold))
    place = {key: index for index, key in enumerate(panel.keys)}
    named = lines[list(panel.levels)]
    keys = named.where(named.notna(), UNKNOWN).astype(str).itertuples(index=False, name=None)
    series = np.array([place.get(key, -1) for key in keys], dtype=np.int64)
    known = (back.notna() & out.notna()).to_numpy() & (series >= 0)
    at = ordinals(back[known]) - origin
    lag = at - (ordinals(out[known]) - origin)
    # A sale before the table of sales began has no exposure to be held against.
    usable = (lag >= 0) & (lag <= at) & (at < panel.length)
    return replace(panel, lags=Lags(series[known][usable], at[usable], lag[usable]))


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
