"""Volumes as a panel: one row a series, one column a period, nothing missing and nothing negative."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.returns import BadInputError

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

ALL: Final = "*"  # stands for a collapsed level in forecast rows
QUIET_DAYS: Final = 7  # days without a return that sales may prove to be known
MAX_PERIODS: Final = 20_000  # 54 years of days: more than that is a typing error in a date


@dataclass(frozen=True, slots=True)
class Frequency:
    """A length of period: pandas' name for it, its mean length in days and its season in periods."""

    period: str
    days: float
    season: int
    year: int


FREQUENCIES: Final = {
    "D": Frequency("D", 1.0, 7, 365),
    "W": Frequency("W-SUN", 7.0, 52, 52),
    "M": Frequency("M", 30.4, 12, 12),
    "Q": Frequency("Q-DEC", 91.3, 4, 4),
}


@dataclass(frozen=True, slots=True)
class Lags:
    """Returns whose sale date is known, as a list: series, period of return, periods since the sale.

    `channel` numbers the channel of the sale as in `Panel.by_channel`, where channels are known.
    """

    series: Integers
    period: Integers
    lag: Integers
    channel: Integers | None = None

    def until(self, origin: int) -> Lags:
        """The returns that were known after `origin` periods."""
        known = self.period < origin
        channel = None if self.channel is None else self.channel[known]
        return Lags(self.series[known], self.period[known], self.lag[known], channel)


@dataclass(frozen=True, slots=True)
class Panel:
    """Volumes of n series over T consecutive periods, as known at the end of the last one.

    Parameters
    ----------
    levels : tuple of str
        Names of the levels, such as region and family.
    keys : tuple of tuple of str
        The values of the levels, one tuple a series.
    freq : str
        D, W (from Monday), M or Q.
    first : pandas.Period
        The first period.
    y : ndarray of shape (n, T), float64, returns a period
    sales : ndarray of shape (n, T), float64, units sold a period, optional
    lags : Lags, optional
        What the returns tell about the time between sale and return.
    days_off : ndarray of shape (n, at least T + H), float64, public holidays a period, optional
        Of the known periods and of as many coming ones as a forecast can reach.
    by_channel : ndarray of shape (channels, n, T), float64, units sold a period, optional
        The parts of `sales`.
    """

    levels: tuple[str, ...]
    keys: tuple[tuple[str, ...], ...]
    freq: str
    first: pd.Period
    y: Floats
    sales: Floats | None = None
    lags: Lags | None = None
    days_off: Floats | None = None
    by_channel: Floats | None = None

    @property
    def length(self) -> int:
        """How many periods are known."""
        return int(self.y.shape[1])

    def periods(self, start: int, stop: int) -> pd.PeriodIndex:
        """Periods by position; positions at or beyond `length` lie in the future."""
        return pd.period_range(self.first + start, periods=stop - start, freq=self.first.freq)

    def off(self, stop: int) -> Floats:
        """Public holidays of the periods before `stop`; none where nothing is known of them."""
        return np.zeros((len(self.y), stop)) if self.days_off is None else self.days_off[:, :stop]

    def until(self, origin: int) -> Panel:
        """The panel as it was known after `origin` periods: later sales and returns are gone."""
        return replace(
            self,
            y=self.y[:, :origin],
            sales=None if self.sales is None else self.sales[:, :origin],
            lags=None if self.lags is None else self.lags.until(origin),
            by_channel=None if self.by_channel is None else self.by_channel[:, :, :origin],
        )


def panel(
    frame: pd.DataFrame, *, levels: Sequence[str], freq: str, sales: pd.DataFrame | None = None
) -> Panel:
    """Make a panel of tidy rows (level columns, ds, y); a period without a row is a period without returns.

    Parameters
    ----------
    frame : pandas.DataFrame
        Level columns, `ds` (a day of the period) and `y` (returns, not negative).
    sales : pandas.DataFrame, optional
        The same columns for units sold; it may lack levels, which then share the sales.

    Raises
    ------
    BadInputError
        If a column is missing, or a row has no date, a negative or no number, or comes twice; it names the
        series.
    """
    names = tuple(levels)
    known = _by_period(frame, names, freq, what="returns")
    if known.empty:
        raise BadInputError(
            "the table of returns has no row; a forecast needs at least one period of history."
        )
    sold = None
    if sales is not None:
        shared = tuple(name for name in names if name in sales.columns)
        sold = _by_period(sales, shared, freq, what="sales")
        sold = sold[sold["period"] <= _end(known, sold, freq)]
    dated = [known] if sold is None or sold.empty else [known, sold]
    first = min(table["period"].min() for table in dated)
    length = (max(table["period"].max() for table in dated) - first).n + 1
    if length > MAX_PERIODS:
        raise BadInputError(f"the history spans {length} periods from {first}; check its dates.")
    keys = _keys(known, sold, names)
    y = _matrix(known, keys, names, first=first, length=length)
    bare = Panel(levels=names, keys=keys, freq=freq, first=first, y=y)
    if sold is None or sold.empty:
        return bare
    shared = tuple(name for name in names if name in sold.columns)
    parts = tuple(tuple(key[names.index(name)] for name in shared) for key in keys)
    distinct = tuple(dict.fromkeys(parts))
    of_parts = _matrix(sold, distinct, shared, first=first, length=length)
    return replace(bare, sales=of_parts[[distinct.index(part) for part in parts]])


def frequency_of(freq: str) -> Frequency:
    """Look a frequency up; refuse any but D, W, M and Q."""
    if freq not in FREQUENCIES:
        raise BadInputError(f"'{freq}' is no frequency; use D, W, M or Q.")
    return FREQUENCIES[freq]


def ordinals(periods: pd.Series[Any]) -> Integers:
    """Number periods consecutively, as pandas does."""
    return np.asarray(pd.PeriodIndex(periods).astype("int64"), dtype=np.int64)


def _by_period(frame: pd.DataFrame, levels: tuple[str, ...], freq: str, *, what: str) -> pd.DataFrame:
    frequency = frequency_of(freq)
    missing = [name for name in (*levels, "ds", "y") if name not in frame.columns]
    if missing:
        raise BadInputError(
            f"the table of {what} has no column '{missing[0]}'; it has {list(frame.columns)}."
        )
    ds = pd.to_datetime(frame["ds"], errors="coerce")
    y = pd.to_numeric(frame["y"], errors="coerce")
    rows = frame[list(levels)].astype(str).assign(ds=ds, y=y.astype("float64"))
    _refuse(rows, ds.isna(), levels, f"a row of {what} has no date in 'ds'")
    _refuse(rows, ~np.isfinite(rows["y"]), levels, f"a row of {what} has no number in 'y'")
    _refuse(rows, rows["y"] < 0, levels, f"a row of {what} is negative in 'y'")
    _refuse(rows, rows.duplicated([*levels, "ds"]), levels, f"a row of {what} comes twice")
    for name in levels:
        _refuse(
            rows, rows[name] == ALL, levels, f"'{ALL}' stands for a collapsed level and cannot be a {name}"
        )
    rows = rows.assign(period=ds.dt.to_period(frequency.period))
    return pd.DataFrame(rows.groupby([*levels, "period"], as_index=False)["y"].sum())


def _refuse(rows: pd.DataFrame, bad: pd.Series[bool], levels: tuple[str, ...], sentence: str) -> None:
    if bad.any():
        row = rows[bad].iloc[0]
        series = ", ".join(f"{name}={row[name]}" for name in levels) or "the total"
        day = row["ds"].date() if pd.notna(row["ds"]) else "no date"
        raise BadInputError(f"{sentence} (series {series}, {day}); correct the table.")


def _end(known: pd.DataFrame, sold: pd.DataFrame, freq: str) -> pd.Period:
    # Sales a few days past the last return are quiet days; sales far past it are a later extract.
    last = known["period"].max()
    quiet = max(1, round(QUIET_DAYS / FREQUENCIES[freq].days))
    latest = sold["period"].max()
    found: pd.Period = latest if last < latest <= last + quiet else last
    return found


def _keys(
    known: pd.DataFrame, sold: pd.DataFrame | None, levels: tuple[str, ...]
) -> tuple[tuple[str, ...], ...]:
    tables = [known]
    if sold is not None and all(name in sold.columns for name in levels):
        tables.append(sold)  # a new region sells before its first return
    keys = {key for table in tables for key in zip(*(table[name] for name in levels), strict=True)}
    return tuple(sorted(keys)) if levels else ((),)


def _matrix(
    rows: pd.DataFrame,
    keys: tuple[tuple[str, ...], ...],
    levels: tuple[str, ...],
    *,
    first: pd.Period,
    length: int,
) -> Floats:
    place = {key: index for index, key in enumerate(keys)}
    series = [place[key] for key in zip(*(rows[name] for name in levels), strict=True)] if levels else 0
    at = ordinals(rows["period"]) - first.ordinal
    matrix = np.zeros((len(keys), length))
    matrix[series, at] = rows["y"].to_numpy()
    return matrix
