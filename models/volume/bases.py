"""Plain forecasts that need no training: smoothed levels, the last season, the open sales."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from scipy.signal import lfilter

from models.volume.hazard import expected_returns
from models.volume.panel import FREQUENCIES, Floats, Panel

HALF_LIVES: Final[Mapping[str, tuple[float, float, float]]] = {
    "D": (14.0, 90.0, 365.0),
    "W": (3.0, 10.0, 40.0),
    "M": (2.0, 6.0, 24.0),
    "Q": (1.0, 3.0, 8.0),
}
PROFILE_WEEKS: Final = 26  # how far back the weekday profile looks
LEAST_WORTH: Final = 5.0  # returns that all series together are worth against a series' own, at least
MOST_WORTH: Final = 2000.0
HOLIDAY_PRIOR: Final = 50.0  # returns that an ordinary day is worth against what holidays had
SEASON_PRIOR: Final = 500.0  # returns in a month that the pooled season is worth against a series' own
LEAST_SEASON: Final = 0.05
MUCH: Final = 10.0  # returns a period: by chance alone one in 20,000 periods of that mean would be empty
FLOOR: Final = 1e-3  # returns a period: nothing is impossible, and logarithms stay finite


def forecasts(panel: Panel, horizon: int) -> dict[str, Floats]:
    """Forecast with every plain method.

    Returns
    -------
    dict of str to ndarray of shape (n, horizon), mean returns a period
    """
    season = seasonality(panel, panel.y, horizon)
    short, medium, long = HALF_LIVES[panel.freq]
    found = {
        "short": _smoothed(panel.y, season, short),
        "medium": _smoothed(panel.y, season, medium),
        "long": _smoothed(panel.y, season, long),
        "repeat": _repeated(panel.y, horizon, 7 if panel.freq == "D" else FREQUENCIES[panel.freq].year),
    }
    if panel.sales is not None:
        expected = np.maximum(expected_returns(panel, _coming_sales(panel, horizon)), FLOOR)
        if panel.freq == "D":
            expected = expected * _desk(panel, expected)
        found["sales"] = _smoothed(panel.y, expected, medium, pool=True)
        # Without a first return only the sales can speak.
        unborn = panel.y.sum(1) == 0
        found = {name: np.where(unborn[:, None], found["sales"], values) for name, values in found.items()}
    return {name: np.maximum(values, FLOOR) for name, values in found.items()}


def _coming_sales(panel: Panel, horizon: int) -> Floats:
    """Forecast sales from the middle: slower shares, and the level of all of them as far as turns lasted."""
    assert panel.sales is not None
    short, medium, _ = HALF_LIVES[panel.freq]
    season = seasonality(panel, panel.sales, horizon)
    own = _smoothed(panel.sales, season, medium)
    total = panel.sales.sum(0, keepdims=True)
    all_season = seasonality(panel, total, horizon)
    return own * turn(total[0] / all_season[0, : panel.length], horizon, short=short, medium=medium)


def turn(level: Floats, horizon: int, *, short: float, medium: float) -> float:
    """Tell how far the newest level stands above the usual one, as far as such turns lasted before."""
    fast, slow = (_running(level, half_life) for half_life in (short, medium))
    turns = np.log(np.maximum(fast, FLOOR) / np.maximum(slow, FLOOR))
    first, last = round(medium), len(level) - horizon
    if last - first < horizon:
        return 1.0
    grown = np.cumsum(np.concatenate([[0.0], level]))
    known = np.arange(first, last + 1)
    came = (grown[known + horizon] - grown[known]) / horizon
    before = turns[known - 1]
    after = np.log(np.maximum(came, FLOOR) / np.maximum(slow[known - 1], FLOOR))
    lasted = float(before @ after) / max(float(before @ before), 1e-12)
    return float(np.exp(np.clip(lasted, 0.0, 1.0) * turns[-1]))


def _running(level: Floats, half_life: float) -> Floats:
    """The smoothed level after each period."""
    keep = 0.5 ** (1 / half_life)
    above, below = (lfilter([1.0], [1.0, -keep], values) for values in (level, np.ones_like(level)))
    return np.asarray(above / below)


def _desk(panel: Panel, expected: Floats) -> Floats:
    """Factors of weekdays and holidays on which returns are taken later or earlier than the sales say."""
    length, span = panel.length, panel.periods(0, expected.shape[1])
    weekday = np.asarray(span.dayofweek)
    recent = slice(max(length - 7 * PROFILE_WEEKS, 0), length)
    days = weekday[recent]
    came, told = (
        np.stack([values[:, recent][:, days == day].sum(1) for day in range(7)], axis=1)
        for values in (panel.y, expected)
    )
    told = told * came.sum(1, keepdims=True) / np.maximum(told.sum(1, keepdims=True), FLOOR)
    pooled = _beyond_chance(came.sum(0), told.sum(0))
    prior = _worth(came, told * pooled, chance=came.sum())
    own = (came + prior * pooled) / (told + prior)
    factors = own[:, weekday]
    off = panel.off(len(weekday)) > 0
    known = off[:, :length]
    level = panel.y.sum() / max(expected[:, :length].sum(), FLOOR)
    usual = level * (factors * expected)[:, :length][known].sum()
    closed = (panel.y[known].sum() + HOLIDAY_PRIOR) / (usual + HOLIDAY_PRIOR)
    return np.asarray(factors * np.where(off, np.clip(closed, LEAST_SEASON, 1 / LEAST_SEASON), 1.0))


def _beyond_chance(came: Floats, told: Floats) -> Floats:
    """Ratios of what came to what was told, drawn to one as far as chance alone makes them differ."""
    ratio = (came + LEAST_WORTH) / (told + LEAST_WORTH)
    chance = 1 / np.maximum(told + LEAST_WORTH, 1.0)
    differ = max(float(((ratio - 1) ** 2 - chance).mean()), 0.0)
    return np.asarray(1 + (ratio - 1) * differ / (differ + chance))


def seasonality(panel: Panel, values: Floats, horizon: int) -> Floats:
    """Give factors around one for known and coming periods: weekday, and month once two years are known.

    Returns
    -------
    ndarray of shape (n, T + horizon)
    """
    span = panel.periods(0, panel.length + horizon)
    factors = np.ones((len(values), len(span)))
    if panel.freq == "D":
        weekday = np.asarray(span.dayofweek)
        factors = _weekdays(values, weekday)[:, weekday]
    if panel.length >= 2 * FREQUENCIES[panel.freq].year:
        factors = factors * _months(values, np.asarray(span.month), FREQUENCIES[panel.freq].year)
    if panel.freq == "D" and values.shape[0] == len(panel.y):
        factors = factors * _holidays(values, factors, panel.off(len(span)) > 0)
    return factors


def _holidays(values: Floats, factors: Floats, off: np.ndarray[Any, np.dtype[np.bool_]]) -> Floats:
    """One factor for every public holiday: what came on those known, beside what the days around them had."""
    length = values.shape[1]
    usual = _local_mean(values, 4 * 7 + 1) * factors[:, :length]
    known = off[:, :length]
    ratio = (values[known].sum() + HOLIDAY_PRIOR) / (usual[known].sum() + HOLIDAY_PRIOR)
    return np.where(off, np.clip(ratio, LEAST_SEASON, 1 / LEAST_SEASON), 1.0)


def _weekdays(values: Floats, weekday: Floats) -> Floats:
    recent = values[:, -7 * PROFILE_WEEKS :]
    days = weekday[: values.shape[1]][-recent.shape[1] :]
    sums = np.stack([recent[:, days == day].sum(1) for day in range(7)], axis=1)
    counts = np.array([(days == day).sum() for day in range(7)])
    total = recent.sum()
    # One usual day more for every weekday: a weekday that was not seen yet is no closed day.
    pooled = (sums.sum(0) + total / len(days) + 1e-9) / (counts + 1)
    pooled = 7 * pooled / pooled.sum()
    # Shares of a series lean on the pooled ones, as if they had been seen in that many returns more.
    shared = counts * pooled / (counts @ pooled)
    prior = 7 * _worth(sums, sums.sum(1, keepdims=True) * shared, chance=sums.sum())
    profile = (sums + prior * shared) / np.maximum(counts, 1) / (sums.sum(1, keepdims=True) + prior)
    profile = np.where(counts > 0, profile, pooled / (counts @ pooled))
    return np.asarray(7 * profile / profile.sum(1, keepdims=True))


def _months(values: Floats, month: Floats, year: int) -> Floats:
    # Whole years only, each measured against its own mean, so that growth does not pass for a season.
    years = values.shape[1] // year
    recent = values[:, -years * year :].reshape(len(values), years, year)
    months = month[: values.shape[1]][-years * year :].reshape(years, year)
    total = recent.sum(0)
    usual, of_total = (np.broadcast_to(x.mean(-1, keepdims=True), x.shape) for x in (recent, total))
    factors = np.ones((len(values), 12))
    for number in range(12):
        inside = months == number + 1
        if inside.any():
            shared = total[inside].sum() / max(of_total[inside].sum(), 1e-9)
            own = recent[:, inside].sum(1) + SEASON_PRIOR * shared
            factors[:, number] = own / (usual[:, inside].sum(1) + SEASON_PRIOR)
    return np.asarray(np.maximum(factors, LEAST_SEASON)[:, month - 1])


def _smoothed(y: Floats, shape: Floats, half_life: float, *, pool: bool = False) -> Floats:
    """Scale `shape` (n, T + H) to the recent level of `y` and hand back its future part.

    With `pool` the level of a series leans on that of all together, the more the less they differ.
    """
    length = y.shape[1]
    decay = 0.5 ** (np.arange(length)[::-1] / half_life)
    # Before its first return a series did not exist: a new region is not an old quiet one.
    weights = decay * (np.cumsum(y, axis=1) > 0) * ~shut(y)
    came, known = (weights * y).sum(1), (weights * shape[:, :length]).sum(1)
    rate = max(came.sum(), FLOOR) / max(known.sum(), FLOOR)
    prior = _worth(came, known * rate, chance=(weights**2 * y).sum()) if pool else 0.0
    level = (came + prior) / np.maximum(known + prior / rate, 1e-9)
    return np.asarray(level[:, None] * shape[:, length:])


def shut(y: Floats) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Tell the periods in which nothing at all came, though much is usual, before more came again.

    A week of stocktaking or Christmas says nothing about the level of the weeks around it; what has stayed
    away until now may have closed for good.
    """
    total = y.sum(0)
    again = np.cumsum(total[::-1])[::-1] > 0
    return np.asarray((total == 0) & again & (np.median(total) >= MUCH))


def _worth(came: Floats, expected: Floats, *, chance: float) -> float:
    """How many returns it is worth that series are alike: the inverse of how they differ beyond chance."""
    excess = (((came - expected) ** 2).sum() - chance) / max((expected**2).sum(), FLOOR)
    return float(np.clip(1 / max(excess, 1e-9), LEAST_WORTH, MOST_WORTH))


def _repeated(y: Floats, horizon: int, season: int) -> Floats:
    length = y.shape[1]
    season = season if length >= season else 1
    back = np.arange(horizon) % season
    seasons = range(1, min(4 if season == 7 else 1, length // season) + 1)  # noqa: PLR2004
    return np.asarray(np.mean([y[:, length - k * season + back] for k in seasons], axis=0))


def _local_mean(values: Floats, width: int) -> Floats:
    padded = np.pad(values, ((0, 0), (width // 2, width // 2)), mode="edge")
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, width, axis=1).mean(-1))
