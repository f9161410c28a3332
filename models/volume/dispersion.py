"""How wrong a forecast may be, at every level at once: learned from past errors, drawn as whole futures.

Each level of the hierarchy has its own surprises, shared by all that lies below a node: one that lasts the
whole horizon and one of each period. They make series that stand close err together, so that paths drawn at
the lowest level are as wide as they should be when summed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls
from scipy.special import betainc

from models.volume.panel import Floats, Integers

Keys = tuple[tuple[str, ...], ...]
Mask = npt.NDArray[np.bool_]
_Seen = tuple[Floats, Floats, list[Floats]]
_Sums = tuple[Floats, Floats, list[Floats]]

LEAST_VARIANCE: Final = 1e-6
ROUNDS: Final = 4  # variances weigh the errors from which they are found
LEAST_NODE: Final = 0.1  # returns; one stray return must not weigh like a hundred where none is expected
LARGEST_MEAN: Final = 1e12  # keeps Poisson draws inside 64 bits
# Before any backtest: 10 % for the total, 20 % for a series, 10 % for a period (standard deviations) and
# batches of three (planning defaults; no published figure).
USUAL_TOTAL: Final = 0.01
USUAL_SERIES: Final = 0.04
USUAL_PERIOD: Final = 0.01
USUAL_BATCH: Final = 2.0
LEAN: Final = 0.02  # share of the evidence that the usual variances are worth
CHECKED: Final = (0.1, 0.5, 0.8, 0.9, 0.95)  # shares that should lie below their quantiles
FACTORS: Final = (0.3, 0.45, 0.65, 0.8, 1.0, 1.25, 1.6, 2.2, 3.2)  # tried on the variances of a level
DOUBT: Final = 0.7  # standard deviation of the logarithm of a factor before any evidence
CLASSES: Final = 3  # of size, in which squared errors are matched


@dataclass(frozen=True, slots=True)
class Level:
    """What the nodes of one level share: variances of factors around one.

    Parameters
    ----------
    kept : tuple of bool
        Which of the panel's levels tell its nodes apart; none for the total.
    whole : float
        One factor a node over the whole horizon.
    period : float
        One factor a node and period: a strike, a holiday.
    """

    kept: tuple[bool, ...]
    whole: float
    period: float


@dataclass(frozen=True, slots=True)
class Dispersion:
    """The surprises of every level, and batches: variance beyond Poisson per unit of mean in each cell."""

    levels: tuple[Level, ...]
    batch: float


@lru_cache(maxsize=8)
def partitions(keys: Keys) -> dict[tuple[bool, ...], Integers]:
    """Number the node of every series, for each combination of levels that tells series apart anew.

    Coarse ones come first; a combination that groups the series as an earlier one does is left out. The last
    keeps all levels: there every series is a node of its own.
    """
    found: dict[tuple[bool, ...], Integers] = {}
    for kept in sorted(product((False, True), repeat=len(keys[0])), key=sum):
        nodes = nodes_at(keys, kept)
        if int(nodes.max()) < len(keys) - 1 and not any(np.array_equal(nodes, one) for one in found.values()):
            found[kept] = nodes
    found = dict(sorted(found.items(), key=lambda item: int(item[1].max())))
    return {**found, (True,) * len(keys[0]): np.arange(len(keys))}


def nodes_at(keys: Keys, kept: tuple[bool, ...]) -> Integers:
    """Number the node of every series where only the levels that are kept tell series apart."""
    spots = [spot_of(key, kept) for key in keys]
    number = {spot: index for index, spot in enumerate(dict.fromkeys(spots))}
    return np.array([number[spot] for spot in spots])


def spot_of(key: tuple[str, ...], kept: tuple[bool, ...]) -> tuple[str, ...]:
    """The values of the levels that are kept."""
    return tuple(name for name, keep in zip(key, kept, strict=True) if keep)


def usual(keys: Keys) -> Dispersion:
    """What is assumed before any backtest could be made."""
    kinds = list(partitions(keys))
    whole = {kinds[0]: USUAL_TOTAL, kinds[-1]: USUAL_SERIES} if len(kinds) > 1 else {kinds[0]: USUAL_SERIES}
    levels = (Level(kept, whole.get(kept, 0.0), USUAL_PERIOD if kept == kinds[0] else 0.0) for kept in kinds)
    return Dispersion(tuple(levels), USUAL_BATCH)


def disperse(actual: Floats, mean: Floats, keys: Keys) -> Dispersion:
    """Find the variances that explain how far past forecasts were off, at every level and width at once.

    Matches, by non-negative least squares, the squared errors beyond Poisson of the nodes of every level, by
    the period and over the whole horizon.

    Parameters
    ----------
    actual, mean : ndarray of shape (origins, n, H)
    """
    groups = partitions(keys)
    sums = [_sums(actual, mean, nodes, list(groups.values())) for nodes in groups.values()]
    lean = usual(keys)
    prior = np.array([v for level in lean.levels for v in (level.whole, level.period)] + [lean.batch])
    found = prior
    for _ in range(ROUNDS):
        # Weighed by the variance that they should have, errors of all levels and sizes speak equally loud.
        rows, errors = zip(
            *(row for both in sums for each in both for row in _equations(each, found)), strict=True
        )
        equations = np.array(rows)
        # A few origins tell variances apart badly, so the equations lean a little on what is usual, each in
        # its own unit: batches count returns, the others shares.
        pull = np.diag(np.sqrt(LEAN * np.maximum((equations**2).sum(0), LEAST_VARIANCE)))
        found, _ = nnls(np.vstack([equations, pull]), np.concatenate([errors, pull @ prior]))
    pairs = zip(found[:-1:2], found[1::2], strict=True)
    levels = (Level(kept, float(w), float(p)) for kept, (w, p) in zip(groups, pairs, strict=True))
    return Dispersion(tuple(levels), float(found[-1]))


def recalibrated(dispersion: Dispersion, actual: Floats, mean: Floats, keys: Keys) -> Dispersion:
    """Widen or narrow the surprises of every level until its quantiles cover what they say.

    From the lowest level up, for the width of a sum comes from what lies below it.
    """
    groups = list(partitions(keys).values())
    lowest = len(groups) - 1
    for at, nodes in reversed(list(enumerate(groups))):
        came, told = summed(actual, nodes), summed(mean, nodes)
        shared = [_shared(mean, nodes, others) for others in groups]

        def cost(step: int, at: int = at, seen: _Seen = (came, told, shared)) -> float:
            tried = _scaled(dispersion, at, FACTORS[step], batch=at == lowest)  # noqa: B023 - called at once
            return float(np.log(FACTORS[step]) / DOUBT) ** 2 + _miscoverage(tried, *seen)

        dispersion = _scaled(dispersion, at, FACTORS[_lowest(cost)], batch=at == lowest)
    return dispersion


def _lowest(cost: Callable[[int], float]) -> int:
    """Walk downhill from the factor of one."""
    known = {step: cost(step) for step in range(len(FACTORS) // 2 - 1, len(FACTORS) // 2 + 2)}
    while True:
        best = min(known, key=lambda step: known[step])
        unknown = {best - 1, best + 1} & set(range(len(FACTORS))) - set(known)
        if not unknown:
            return best
        known |= {step: cost(step) for step in unknown}


def draw(
    mean: Floats,
    dispersion: Dispersion,
    keys: Keys,
    *,
    paths: int,
    rng: np.random.Generator,
) -> Integers:
    """Draw whole futures around the mean; shape (paths, n, H)."""
    horizon = mean.shape[1]
    rate = np.broadcast_to(mean, (paths, *mean.shape))
    for level in dispersion.levels:
        at = nodes_at(keys, level.kept)
        for variance, width in ((level.whole, 1), (level.period, horizon)):
            if variance > LEAST_VARIANCE:
                rate = rate * _factor(variance, (paths, at.max() + 1, width), rng)[:, at]
    rate = np.minimum(rate, LARGEST_MEAN)
    if dispersion.batch > LEAST_VARIANCE:
        # A Poisson mixed with this gamma is the negative binomial whose variance is a multiple of its mean.
        rate = rng.gamma(np.maximum(rate / dispersion.batch, LEAST_VARIANCE), dispersion.batch)
    return rng.poisson(rate).astype(np.int64)


def summed(values: npt.NDArray[Any], nodes: Integers) -> Floats:
    """Sum series into their nodes; shape (…, n, H) becomes (…, nodes, H)."""
    belongs = np.arange(int(nodes.max()) + 1)[:, None] == nodes
    return np.asarray(belongs.astype(np.float64) @ values)


def _factor(variance: float, shape: tuple[int, int, int], rng: np.random.Generator) -> Floats:
    # Gamma with mean one, so that the mean of the paths stays the mean.
    return rng.gamma(1 / variance, variance, size=shape)


def _scaled(dispersion: Dispersion, at: int, factor: float, *, batch: bool) -> Dispersion:
    levels = tuple(
        replace(level, whole=level.whole * factor, period=level.period * factor) if index == at else level
        for index, level in enumerate(dispersion.levels)
    )
    # What stands for no level, the scatter of single cells, belongs to the lowest.
    return Dispersion(levels, dispersion.batch * (factor if batch else 1.0))


def _miscoverage(dispersion: Dispersion, came: Floats, told: Floats, shared: list[Floats]) -> float:
    """How far the coverage of a level is from what it should be, in squared standard errors.

    The negative binomial with the mean and variance of the paths stands for them: drawing would take minutes.
    """
    variance = told * (1 + dispersion.batch)
    for level, squared in zip(dispersion.levels, shared, strict=True):
        variance = variance + (level.whole + level.period) * squared
    expected = told > LEAST_NODE
    if not expected.any():
        return 0.0
    value, mean, wide = came[expected], told[expected], variance[expected]
    size = mean**2 / np.maximum(wide - mean, LEAST_VARIANCE * mean)
    share = size / (size + mean)
    # Whole numbers pile up on a quantile: what lies on it counts half.
    below = np.where(value > 0, betainc(size, np.maximum(value, 1.0), share), 0.0)
    rank = (below + betainc(size, value + 1, share)) / 2
    shares = np.array(CHECKED)
    missed = (rank[:, None] <= shares).mean(0) - shares
    # Periods of one horizon err together, and so do neighbouring origins: count the nodes, not the cells.
    evidence = len(rank) / came.shape[2]
    return float((missed**2 / (shares * (1 - shares)) * evidence).sum())


def _sums(actual: Floats, mean: Floats, nodes: Integers, groups: list[Integers]) -> list[_Sums]:
    """Sum a level up, by the period and over the horizon: told, excess beyond Poisson, variances' parts."""
    found = []
    for over_periods in (False, True):
        came, told = (_over(summed(values, nodes), over_periods) for values in (actual, mean))
        parts = []
        for others in groups:
            parts.append(_shared(mean, nodes, others, over_periods=over_periods))
            parts.append(_over(_shared(mean, nodes, others), over_periods))
        found.append((told, (came - told) ** 2 - told, [*parts, told]))
    return found


def _equations(sums: _Sums, found: Floats) -> list[tuple[Floats, float]]:
    """Say what each variance should add to the excess, and the excess, for each class of size.

    Only together do large and small nodes tell batches from shares of the mean.
    """
    told, excess, parts = sums
    variance = told + sum(value * part for value, part in zip(found, parts, strict=True))
    weight = 1 / np.maximum(variance, LEAST_NODE)
    weighed = [part * weight for part in parts]
    return [
        (np.array([part[size].mean() for part in weighed]), float((excess * weight)[size].mean()))
        for size in _sizes(told)
    ]


def _sizes(told: Floats) -> list[Mask]:
    edges = np.quantile(told, np.arange(1, CLASSES) / CLASSES)
    place = np.searchsorted(edges, told)
    return [place == size for size in range(CLASSES) if (place == size).any()]


def _shared(mean: Floats, nodes: Integers, others: Integers, *, over_periods: bool = False) -> Floats:
    """Square what each of `nodes` has in common with each node of another level, and add it up."""
    pairs = nodes * (int(others.max()) + 1) + others
    distinct, common = np.unique(pairs, return_inverse=True)
    together = _over(summed(mean, common), over_periods)
    return summed(together**2, distinct // (int(others.max()) + 1))


def _over(values: Floats, periods: bool) -> Floats:  # noqa: FBT001 - which axis, not a mode
    return values.sum(-1, keepdims=True) if periods else values
