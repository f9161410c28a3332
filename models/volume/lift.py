"""LightGBM on top of the plain forecasts: what calendar, horizon and own lags add to the offset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import lightgbm as lgb
import numpy as np

from models.volume.panel import FREQUENCIES, Floats, Panel

ROUNDS: Final = (
    50  # few: the plain forecasts leave little, and overlapping origins look like more than they are
)
LEAST_LEAF: Final = 40  # rows; a fiftieth of all rows where that is more, for origins overlap
PARAMS: Final[dict[str, object]] = {
    "objective": "poisson",
    "learning_rate": 0.04,
    "num_leaves": 15,
    "lambda_l2": 5.0,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,  # small data; threads that wait for a busy core cost more than they bring
    "verbosity": -1,
}
EXCESS: Final = 0.1  # assumed excess variance when rows are weighed, so that big series do not drown the rest
NEAR: Final = 3  # periods before and after a holiday in which it may be felt
BOUND: Final = np.log(3.0)  # the trees may raise or lower the offset threefold, not more


@dataclass(frozen=True, slots=True)
class Lift:
    """Trees that multiply an offset: their text, and the names that stand for the codes of each level."""

    text: str
    names: tuple[tuple[str, ...], ...]

    def apply(self, panel: Panel, bases: dict[str, Floats]) -> Floats:
        """Raise or lower the offset of the coming periods; shape (n, H), returns a period."""
        start = offset(bases)
        X = features(panel, bases, names=self.names)
        raw = lgb.Booster(model_str=self.text).predict(X, raw_score=True, num_threads=1)
        return np.asarray(start * np.exp(np.clip(raw, -BOUND, BOUND)).reshape(start.shape))


def fit_lift(panel: Panel, bases: dict[int, dict[str, Floats]], *, rng: np.random.Generator) -> Lift:
    """Learn from what followed each origin.

    Parameters
    ----------
    bases : dict of origin to plain forecasts
        As they were at that origin; the periods after it are the targets.
    """
    names = tuple(tuple(sorted({key[level] for key in panel.keys})) for level in range(len(panel.levels)))
    starts = {origin: offset(found) for origin, found in bases.items()}
    X = np.concatenate([features(panel.until(o), found, names=names) for o, found in bases.items()])
    start = np.concatenate([values.ravel() for values in starts.values()])
    y = np.concatenate([panel.y[:, o : o + v.shape[1]].ravel() for o, v in starts.items()])
    born = np.concatenate([np.repeat(panel.y[:, :o].sum(1) > 0, v.shape[1]) for o, v in starts.items()])
    data = lgb.Dataset(
        X,
        y,
        init_score=np.log(start),
        weight=born / (1 + EXCESS * start),
        categorical_feature=list(range(len(panel.levels))),
        params={"verbosity": -1},
    )
    leaf = max(LEAST_LEAF, len(y) // 50)
    params = {**PARAMS, "min_data_in_leaf": leaf, "seed": int(rng.integers(2**31))}
    booster = lgb.train(params, data, num_boost_round=ROUNDS)
    return Lift(booster.model_to_string(), names)


def offset(bases: dict[str, Floats]) -> Floats:
    """Give the trees their start: the geometric mean of the steady level and the open sales."""
    steady = bases["medium"]
    return np.sqrt(steady * bases["sales"]) if "sales" in bases else steady


def features(panel: Panel, bases: dict[str, Floats], *, names: tuple[tuple[str, ...], ...]) -> Floats:
    """Describe every series and coming period; shape (n * H, k), all known at the end of the panel."""
    start = offset(bases)
    n, horizon = start.shape
    future = panel.periods(panel.length, panel.length + horizon)
    codes = [_codes(panel, level, known) for level, known in enumerate(names)]
    # A month that came once is an event; only the third time round can it be learned and tested as a season.
    seasons = panel.length >= 3 * FREQUENCIES[panel.freq].year
    month = future.month if seasons else np.zeros(horizon)
    days = [month, future.start_time.day, future.start_time.dayofweek]
    off = panel.off(panel.length + horizon + NEAR)
    columns = [
        *(np.repeat(code, horizon) for code in codes),
        np.tile(np.arange(horizon), n),
        *(np.tile(np.asarray(day), n) for day in days),
        *(_near(off, panel.length, horizon, way).ravel() for way in (0, -1, 1)),
        np.log(start).ravel(),
        *(np.log(values / start).ravel() for _, values in sorted(bases.items())),
        *(_recent(panel, start, periods).ravel() for periods in (1, 4, FREQUENCIES[panel.freq].season)),
    ]
    return np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)


def _codes(panel: Panel, level: int, known: tuple[str, ...]) -> Floats:
    # A name that the trees never saw is missing to them, not another name's neighbour.
    code = {name: float(index) for index, name in enumerate(known)}
    return np.array([code.get(key[level], np.nan) for key in panel.keys])


def _near(off: Floats, at: int, horizon: int, way: int) -> Floats:
    """Holidays of each coming period, or of the few before (-1) or after (1) it."""
    steps = range(way, way * (NEAR + 1), way) if way else (0,)
    padded = np.pad(off, ((0, 0), (NEAR, NEAR)))
    parts = [padded[:, NEAR + at + step : NEAR + at + step + horizon] for step in steps]
    return np.asarray(np.sum(parts, axis=0))


def _recent(panel: Panel, start: Floats, periods: int) -> Floats:
    mean = panel.y[:, -periods:].mean(1, keepdims=True)
    return np.asarray(np.log((mean + 0.5) / (start + 0.5)))
