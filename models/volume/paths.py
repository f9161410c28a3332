"""Sample paths: whole futures in whole units, drawn at the lowest level and summed upwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import product
from typing import Final

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from models.volume.panel import ALL, Floats, Integers

QUANTILES: Final = (0.10, 0.50, 0.80, 0.90, 0.95)
QUANTILE_NAMES: Final = tuple(f"q{round(100 * q)}" for q in QUANTILES)
LEAST_VARIANCE: Final = 1e-6
TYPICAL_EXCESS: Final = 0.1  # excess variance assumed where squared errors are weighed
LEAST_NODE: Final = 0.1  # returns; one stray return must not weigh like a hundred where none is expected
LARGEST_MEAN: Final = 1e12  # keeps Poisson draws inside 64 bits


@dataclass(frozen=True, slots=True)
class Dispersion:
    """How wrong the mean may be: variances of factors around one, all of them shared along a path.

    Parameters
    ----------
    level : float
        One factor for everything over the whole horizon.
    period : float
        One factor a period, shared by all series: a strike, a holiday.
    series : float
        One factor a series over the whole horizon.
    batch : float
        Returns come in batches: variance beyond Poisson per unit of mean, in each series and period.
    """

    level: float
    period: float
    series: float
    batch: float


# Before any backtest: level 10 %, period 10 %, series 20 % (standard deviations), batches of three
# (planning defaults; no published figure).
USUAL: Final = Dispersion(level=0.01, period=0.01, series=0.04, batch=2.0)
LEAN: Final = 0.02  # share of the evidence that the usual variances are worth


@dataclass(frozen=True, slots=True)
class Forecast:
    """Sample paths of every series.

    Parameters
    ----------
    levels, keys
        As in the panel.
    ds : pandas.DatetimeIndex
        First day of each coming period.
    paths : ndarray of shape (paths, n, H), int64, returns a period
    """

    levels: tuple[str, ...]
    keys: tuple[tuple[str, ...], ...]
    ds: pd.DatetimeIndex
    paths: Integers

    def rows(self) -> pd.DataFrame:
        """Summarise every node of the hierarchy, `*` where a level is collapsed; quantiles are of sums."""
        return pd.concat([self._node(key, members) for key, members in nodes(self.keys)], ignore_index=True)

    def _node(self, key: tuple[str, ...], members: Sequence[int]) -> pd.DataFrame:
        total = self.paths[:, list(members), :].sum(1)
        # The inverted distribution: a quantile of whole units is a whole unit.
        quantiles = np.quantile(total, QUANTILES, axis=0, method="inverted_cdf")
        named = dict(zip(QUANTILE_NAMES, quantiles.astype(np.int64), strict=True))
        spots = dict(zip(self.levels, key, strict=True))
        return pd.DataFrame({**spots, "ds": self.ds, "mean": total.mean(0), **named})

    def path_rows(self) -> pd.DataFrame:
        """The paths of the lowest level as a wide frame: levels, ds, p0, p1 and so on."""
        n, horizon = len(self.keys), len(self.ds)
        wide = self.paths.reshape(len(self.paths), n * horizon).T
        frame = pd.DataFrame(wide, columns=[f"p{index}" for index in range(wide.shape[1])])
        spots = pd.DataFrame(
            np.repeat(np.array(self.keys, dtype=object), horizon, axis=0), columns=list(self.levels)
        )
        return pd.concat([spots.assign(ds=np.tile(self.ds, n)), frame], axis=1)


def nodes(keys: Sequence[tuple[str, ...]]) -> Iterator[tuple[tuple[str, ...], list[int]]]:
    """List every node of the hierarchy with the series below it: all combinations of collapsed levels."""
    depth = len(keys[0])
    for kept in product((True, False), repeat=depth):
        members: dict[tuple[str, ...], list[int]] = {}
        for index, key in enumerate(keys):
            spot = tuple(name if keep else ALL for name, keep in zip(key, kept, strict=True))
            members.setdefault(spot, []).append(index)
        yield from members.items()


def disperse(actual: Floats, mean: Floats) -> Dispersion:
    """Find the variances that explain how far past forecasts were off, at every width of sum at once.

    Matches, by non-negative least squares, the squared errors beyond Poisson of single cells, of periods, of
    series and of the whole.

    Parameters
    ----------
    actual, mean : ndarray of shape (origins, n, H)
    """
    nodes_of = (
        _equations(actual, mean, over_series=series, over_periods=periods)
        for series in (False, True)
        for periods in (False, True)
    )
    equations, errors = (np.concatenate(parts) for parts in zip(*nodes_of, strict=True))
    # A few origins tell variances apart badly, so the equations lean a little on what is usual.
    pull = np.sqrt(LEAN * (equations**2).sum() / equations.shape[1]) * np.eye(equations.shape[1])
    found, _ = nnls(np.vstack([equations, pull]), np.concatenate([errors, pull @ np.array(astuple(USUAL))]))
    return Dispersion(*(float(value) for value in found))


def draw(mean: Floats, dispersion: Dispersion, *, paths: int, rng: np.random.Generator) -> Integers:
    """Draw whole futures around the mean; shape (paths, n, H)."""
    n, horizon = mean.shape
    shared = (
        _factor(dispersion.level, (paths, 1, 1), rng)
        * _factor(dispersion.period, (paths, 1, horizon), rng)
        * _factor(dispersion.series, (paths, n, 1), rng)
    )
    rate = np.minimum(mean * shared, LARGEST_MEAN)
    if dispersion.batch > LEAST_VARIANCE:
        # A Poisson mixed with this gamma is the negative binomial whose variance is a multiple of its mean.
        rate = rng.gamma(np.maximum(rate / dispersion.batch, LEAST_VARIANCE), dispersion.batch)
    return rng.poisson(rate).astype(np.int64)


def _factor(variance: float, shape: tuple[int, int, int], rng: np.random.Generator) -> Floats:
    # Gamma with mean one, so that the mean of the paths stays the mean.
    if variance < LEAST_VARIANCE:
        return np.ones(shape)
    return rng.gamma(1 / variance, variance, size=shape)


def _equations(
    actual: Floats, mean: Floats, *, over_series: bool, over_periods: bool
) -> tuple[Floats, Floats]:
    """Give one equation a node: what each variance adds to its squared error beyond Poisson, and that."""
    across = ((1,) if over_series else ()) + ((2,) if over_periods else ())
    total = mean.sum(across, keepdims=True)
    excess = (actual.sum(across, keepdims=True) - total) ** 2 - total
    # A factor adds up along the axis it is shared on before squaring, and after squaring along the other.
    by_period = mean.sum(1, keepdims=True) if over_series else mean
    by_series = mean.sum(2, keepdims=True) if over_periods else mean
    parts = (
        total**2,
        (by_period**2).sum(2, keepdims=True) if over_periods else by_period**2,
        (by_series**2).sum(1, keepdims=True) if over_series else by_series**2,
        total,
    )
    # Squared errors grow with the node; without a weight the largest would speak for all.
    weight = 1 / np.maximum(total + TYPICAL_EXCESS * total**2, LEAST_NODE)
    design = np.stack([(part * weight).mean(0).mean(1) for part in parts], axis=-1)
    return design, (excess * weight).mean(0).mean(1)
