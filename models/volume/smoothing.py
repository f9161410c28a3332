"""Exponential smoothing of all series at once: many smoothing constants, averaged by how well each foresaw.

AutoETS chooses one model a series by likelihood and needs a fit for every origin. Here every combination of
constants runs over the history once, side by side, so that a rolling backtest costs one pass and no more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np

from models.volume.panel import Floats, Integers

LEVELS: Final = (0.02, 0.07, 0.15, 0.3)
SEASONS: Final = (0.0, 0.08, 0.2)
TRENDS: Final = ((0.0, 0.0), (0.1, 0.9))  # share of the level's constant, damping a period
FORGETTING: Final = 0.99  # of a past error, a forecast that was judged later
SHARPNESS: Final = 12.0  # how much more the better constants count: the inverse error to this power
JUDGED: Final = 4  # forecasts judged while a horizon passes
LEAST_FACTOR: Final = 0.05  # a season that never saw anything does not divide by nothing


@dataclass(frozen=True, slots=True)
class Constants:
    """Columns of smoothing constants, one a variant; `ratio` tells seasons that multiply from those added."""

    level: Floats
    season: Floats
    trend: Floats
    damping: Floats
    ratio: np.ndarray[tuple[int], np.dtype[np.bool_]]

    def reach(self, horizon: int) -> Floats:
        """How far the trend has carried after each coming period; shape (variants, horizon)."""
        steps = np.arange(1, horizon + 1)
        return np.asarray(np.cumsum(self.damping[:, None] ** steps, axis=1) * (self.damping[:, None] > 0))


@dataclass(slots=True)
class _State:
    """What the smoothing knows after some periods; shapes (n, variants), seasons (n, variants, m)."""

    level: Floats
    trend: Floats
    seasons: Floats
    least: Floats


def smoothings(y: Floats, *, season: int, horizon: int, origins: Collection[int]) -> dict[int, Floats]:
    """Forecast from every origin with what was known there.

    Parameters
    ----------
    y : ndarray of shape (n, T), a period
    season : int
        Periods a season; fewer than two known seasons are no season.
    origins : collection of int
        Numbers of known periods, each 1 to T.

    Returns
    -------
    dict of origin to ndarray of shape (n, horizon)
    """
    found: dict[int, Floats] = {}
    # A season becomes one once it was seen twice: what is asked for before that runs without.
    early = {origin for origin in origins if origin < 2 * season}
    for wanted, length in ((early, 1), (set(origins) - early, season)):
        if wanted:
            found |= _run(y[:, : max(wanted)], length, horizon, wanted)
    return found


def _run(y: Floats, season: int, horizon: int, origins: set[int]) -> dict[int, Floats]:
    constants = _constants(season)
    start = min(2 * season if season > 1 else 4, y.shape[1])
    state = _begin(y[:, :start], season, constants)
    reach = constants.reach(horizon)
    waiting: deque[tuple[int, Floats]] = deque()
    error, weight = np.zeros_like(state.level), 0.0
    found: dict[int, Floats] = {}
    for t in range(1, y.shape[1] + 1):
        _learn(state, y[:, t - 1], t - 1, constants)
        if waiting and waiting[0][0] + horizon == t:
            origin, told = waiting.popleft()
            missed = (y[:, None, origin:t] - told) ** 2
            error, weight = error * FORGETTING + missed.mean(2), weight * FORGETTING + 1
        judged = t >= start and t % max(1, horizon // JUDGED) == 0
        if judged or t in origins:
            told = _tell(state, (t + np.arange(horizon)) % season, reach, constants)
            if t in origins:
                found[t] = _averaged(told, error / max(weight, 1.0))
            if judged:
                waiting.append((t, told.astype(np.float32)))
    return found


def _constants(season: int) -> Constants:
    kinds, seasons = ((False, True), SEASONS) if season > 1 else ((False,), (0.0,))
    rows = [(a, g, a * b, d, k) for k, a, g, (b, d) in product(kinds, LEVELS, seasons, TRENDS)]
    level, of_season, trend, damping, ratio = (np.array(column) for column in zip(*rows, strict=True))
    return Constants(level, of_season, trend, damping, ratio)


def _begin(y: Floats, season: int, constants: Constants) -> _State:
    mean = y.mean(1)[:, None]
    usual = np.stack([y[:, step::season].mean(1) for step in range(season)], axis=1)
    ratios = np.where(mean > 0, usual / np.maximum(mean, 1e-9), 1.0)
    seasons = np.where(constants.ratio[None, :, None], ratios[:, None], (usual - mean)[:, None])
    level = np.repeat(mean, len(constants.level), axis=1)
    return _State(level, np.zeros_like(level), seasons, 1e-3 * mean + 1e-6)


def _learn(state: _State, y: Floats, t: int, constants: Constants) -> None:
    """Move a state on by one period; the state is the pass's own and changes in place for speed."""
    cycles, at = divmod(t, state.seasons.shape[2])
    season, value = state.seasons[:, :, at], y[:, None]
    expected = state.level + constants.damping * state.trend
    bare = np.where(constants.ratio, value / np.maximum(season, LEAST_FACTOR), value - season)
    missed = bare - expected
    state.level = expected + constants.level * missed
    state.trend = constants.damping * state.trend + constants.trend * missed
    seen = np.where(constants.ratio, value / np.maximum(state.level, state.least), value - state.level)
    # At first the mean of all cycles, from then on the constant: few cycles are no reason to learn slowly.
    pace = np.maximum(constants.season, 1 / (cycles + 1)) if state.seasons.shape[2] > 1 else 0.0
    state.seasons[:, :, at] = season + pace * (seen - season)


def _tell(state: _State, at: Integers, reach: Floats, constants: Constants) -> Floats:
    level = state.level[:, :, None] + state.trend[:, :, None] * reach
    season = state.seasons[:, :, at]
    told = np.where(constants.ratio[:, None], np.maximum(level, 0.0) * season, level + season)
    return np.asarray(np.maximum(told, 0.0))


def _averaged(told: Floats, error: Floats) -> Floats:
    # Before anything was judged all errors are nought and all count the same.
    relative = (error + 1e-9) / (error.min(1, keepdims=True) + 1e-9)
    weight = relative**-SHARPNESS
    return np.asarray(np.einsum("nv,nvh->nh", weight / weight.sum(1, keepdims=True), told))
