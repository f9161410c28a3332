"""How well forecasts did: each figure a ratio of sums over origins, with a block-bootstrap interval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from models import volume
from models.volume import QUANTILES

Floats = npt.NDArray[np.float64]
Nodes = list[tuple[tuple[str, ...], list[int]]]
Parts = tuple[Floats, Floats]

RESAMPLES: Final = 1000
MIDDLE: Final = QUANTILES.index(0.5)
OWN: Final = "recoup"
COVERED: Final = tuple(name for name in volume.QUANTILE_NAMES if name != "q10")


@dataclass(frozen=True, slots=True)
class Outlook:
    """What one model said at one origin about every node.

    Parameters
    ----------
    mean : ndarray of shape (nodes, H), returns a period
    quantiles : ndarray of shape (5, nodes, H), optional
        At the levels of `models.volume.QUANTILES`; a model of points has none.
    """

    mean: Floats
    quantiles: Floats | None = None

    @property
    def middle(self) -> Floats:
        """What absolute errors are measured from: the median where there is one."""
        return self.mean if self.quantiles is None else self.quantiles[MIDDLE]


@dataclass(frozen=True, slots=True)
class Backtest:
    """What every model said at every origin, and what came.

    Parameters
    ----------
    nodes : list of (key, positions of the series below)
    actual : ndarray of shape (origins, nodes, H), returns a period
    scale : ndarray of shape (origins, nodes)
        Mean squared step of each node before the origin: what RMSSE and WSPL divide by.
    said : dict of model to its outlooks, one an origin
    block : int
        Origins whose horizons overlap, drawn together by the bootstrap.
    seed : int
    """

    levels: tuple[str, ...]
    nodes: Nodes
    actual: Floats
    scale: Floats
    said: Mapping[str, list[Outlook]]
    block: int
    seed: int = 0

    def figures(self) -> dict[str, float]:
        """`<model>.<level>.<metric>` of every model, with `_lo` and `_hi` (95 %)."""
        found: dict[str, float] = {}
        for level, members in self.by_level().items():
            for model in self.said:
                for metric, parts in self._parts(model, members).items():
                    found |= self._bounded(f"{model}.{level}.{metric}", *parts)
        gap = max(_incoherence(one.mean, self.nodes) for one in self.said[OWN])
        return {**found, **{f"{OWN}.all.coherence_error{end}": gap for end in ("", "_lo", "_hi")}}

    def gain(self, over: str, *, level: str, metric: str = "wape") -> tuple[float, float, float]:
        """Tell by which share of its error our forecast is better than another, with its 95 % interval."""
        members = self.by_level()[level]
        ours, theirs = (self._parts(model, members)[metric][0] for model in (OWN, over))
        draws = self._draws(len(ours))
        low, high = np.quantile(
            1 - ours[draws].sum(1) / np.maximum(theirs[draws].sum(1), 1e-9), (0.025, 0.975)
        )
        return float(1 - ours.sum() / max(theirs.sum(), 1e-9)), float(low), float(high)

    def shares(self, baseline: str, best: str, *, level: str, metric: str) -> tuple[float, float, float]:
        """Tell which share of the gain from a baseline to the best ours attains, with its interval."""
        members = self.by_level()[level]
        ours, low, high = (self._parts(model, members)[metric][0] for model in (OWN, baseline, best))
        draws = self._draws(len(ours))
        worse, better, own = (parts[draws].sum(1) for parts in (low, high, ours))
        found = (worse - own) / np.maximum(worse - better, 1e-9)
        bounds = np.quantile(found, (0.025, 0.975))
        value = (low.sum() - ours.sum()) / max(low.sum() - high.sum(), 1e-9)
        return float(value), float(bounds[0]), float(bounds[1])

    def by_level(self) -> dict[str, list[int]]:
        """List the nodes of each level, named by the levels that tell them apart."""
        found: dict[str, list[int]] = {}
        for index, (key, _) in enumerate(self.nodes):
            kept = [level for level, name in zip(self.levels, key, strict=True) if name != volume.ALL]
            found.setdefault("_".join(kept) or "total", []).append(index)
        return found

    def _parts(self, model: str, members: list[int]) -> dict[str, Parts]:
        found = [_only(one, members) for one in self.said[model]]
        return dict(_measures(self.actual[:, members], found, self.scale[:, members]))

    def _bounded(self, name: str, above: Floats, below: Floats) -> dict[str, float]:
        """Ratio of sums with its 95 % interval, from blocks of origins whose horizons overlap."""
        draws = self._draws(len(above))
        low, high = np.quantile(above[draws].sum(1) / np.maximum(below[draws].sum(1), 1e-9), (0.025, 0.975))
        value = float(above.sum() / max(below.sum(), 1e-9))
        return {name: value, f"{name}_lo": float(low), f"{name}_hi": float(high)}

    def _draws(self, size: int) -> npt.NDArray[np.int64]:
        rng = np.random.default_rng(self.seed)
        # A block as long as the whole row would draw the same figure every time and feign certainty.
        block = min(self.block, max(1, size // 3))
        starts = rng.integers(size, size=(RESAMPLES, -(-size // block)))
        return ((starts[:, :, None] + np.arange(block)) % size).reshape(RESAMPLES, -1)[:, :size]


def summed(y: Floats, nodes: Nodes) -> Floats:
    """Sum series (n, T) into nodes."""
    return np.stack([y[members].sum(0) for _, members in nodes])


def naive_error(y: Floats) -> Floats:
    """Mean squared step of each node; at least a thousandth, for a flat node."""
    return np.asarray(np.maximum((np.diff(y, axis=1) ** 2).mean(1), 1e-3))


def off_coverage(figures: Mapping[str, float], level: str, *, model: str = OWN) -> float:
    """How far, at worst, the P50, P80, P90 and P95 of a level are from covering what they say.

    Whole units pile up on a quantile: it is off only as far as what it says lies outside the range from the
    share strictly below it to the share at or below it.
    """
    gaps = []
    for name in COVERED:
        share = int(name[1:]) / 100
        low, high = figures[f"{model}.{level}.below_{name}"], figures[f"{model}.{level}.coverage_{name}"]
        gaps.append(max(low - share, share - high, 0.0))
    return max(gaps)


def _only(outlook: Outlook, members: list[int]) -> Outlook:
    quantiles = None if outlook.quantiles is None else outlook.quantiles[:, members]
    return Outlook(outlook.mean[members], quantiles)


def _measures(actual: Floats, found: list[Outlook], scale: Floats) -> Iterator[tuple[str, Parts]]:
    """Give each metric as numerators and denominators by origin."""
    mean, middle = np.stack([one.mean for one in found]), np.stack([one.middle for one in found])
    amount = actual.sum((1, 2))
    nodes = np.full(len(actual), float(actual.shape[1]))
    yield "wape", (np.abs(actual - middle).sum((1, 2)), amount)
    yield "wape_of_mean", (np.abs(actual - mean).sum((1, 2)), amount)
    yield "bias", ((mean - actual).sum((1, 2)), amount)
    yield "rmsse", (np.sqrt(((actual - mean) ** 2).mean(2) / scale).sum(1), nodes)
    stacked = [one.quantiles for one in found if one.quantiles is not None]
    if stacked:
        yield from _of_quantiles(actual, np.stack(stacked, 1), scale)


def _of_quantiles(actual: Floats, quantiles: Floats, scale: Floats) -> Iterator[tuple[str, Parts]]:
    share = np.array(QUANTILES)[:, None, None, None]
    pinball = np.maximum(share * (actual - quantiles), (share - 1) * (actual - quantiles)).mean(0)
    amount, cells = actual.sum(2), np.full(len(actual), float(actual[0].size))
    yield "wspl", ((pinball.mean(2) / np.sqrt(scale) * amount).sum(1), np.maximum(amount.sum(1), 1e-9))
    yield "scrps", (2 * pinball.sum((1, 2)), actual.sum((1, 2)))
    yield "coverage_80", (((actual >= quantiles[0]) & (actual <= quantiles[3])).sum((1, 2)), cells)
    for name, quantile in zip(volume.QUANTILE_NAMES, quantiles, strict=True):
        yield f"coverage_{name}", ((actual <= quantile).sum((1, 2)), cells)
        # Whole units pile up on the quantile itself; the share strictly below bounds coverage from below.
        yield f"below_{name}", ((actual < quantile).sum((1, 2)), cells)


def _incoherence(mean: Floats, nodes: Nodes) -> float:
    bottom = {members[0]: row for row, (key, members) in enumerate(nodes) if volume.ALL not in key}
    gaps = [
        np.abs(mean[row] - mean[[bottom[member] for member in members]].sum(0)).max()
        for row, (_, members) in enumerate(nodes)
    ]
    # Sums of floats in another order differ in the last bits; that is no incoherence.
    return float(np.round(max(gaps), 9))
