"""From raw scores to honest ones: temperatures, sets and shifted quantiles, learned on later rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

MISS: Final = 0.1  # sets hold the true class in nine rows of ten
MIN_CELL: Final = 100  # fewer rows of a class at a site say too little about it
WIDEST: Final = 8.0  # times; a model further off than that is not one to be scaled


@dataclass(frozen=True, slots=True)
class Scaling:
    """Probabilities from raw class scores by one temperature.

    No offset a class: those of the trial model, which had not seen the later rows, are wrong for the model
    that had (simulated: classwise error .0108 with offsets, .0091 without; repairs: macro-F1 .460 and .479).
    """

    temperature: float

    def probabilities(self, raw: Floats) -> Floats:
        """Return shape (n, classes); each row sums to one."""
        return softmax(raw / self.temperature)

    def chance(self, log_odds: Floats) -> Floats:
        """Return the probability of a yes, shape (n,); to the last bit that of `two_classes`."""
        scaled = log_odds / self.temperature
        power = np.exp(-np.abs(scaled))
        return np.asarray(np.where(scaled > 0, 1.0, power) / (1.0 + power))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `Scaling(**…)` takes them."""
        return {"temperature": self.temperature}


def softmax(raw: Floats) -> Floats:
    """Return probabilities of raw class scores, shape (n, classes); to the last bit those of scipy."""
    powers = np.exp(raw - raw.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def fit_scaling(raw: Floats, codes: Codes) -> Scaling:
    """Choose the temperature by the log-loss of rows that the model had not seen."""
    own = np.arange(len(codes))

    def loss(log_temperature: float) -> float:
        return float(-log_softmax(raw / np.exp(log_temperature), axis=1)[own, codes].mean())

    edge = float(np.log(WIDEST))
    best = minimize_scalar(loss, bounds=(-edge, edge), method="bounded")
    return Scaling(float(np.exp(best.x)))


def two_classes(raw: Floats) -> Floats:
    """Return the log-odds of a yes as raw scores of the classes no and yes."""
    return np.column_stack([np.zeros_like(raw), raw])


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How probable a class must be to enter the set: by class, and by site where it has enough rows.

    Parameters
    ----------
    classes : tuple of float
        The lowest probability at which each class still enters.
    sites : mapping of str to tuple of float
        The same for single sites.
    """

    classes: tuple[float, ...]
    sites: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def sets(self, probabilities: Floats, sites: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Return shape (n, classes): which classes are in each row's set, which may be empty."""
        limits = np.array([self.sites.get(site, self.classes) for site in sites])
        return np.asarray(probabilities >= limits.reshape(probabilities.shape))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `thresholds_of` takes them."""
        return {"classes": list(self.classes), "sites": {site: list(v) for site, v in self.sites.items()}}


def thresholds_of(saved: Mapping[str, Any]) -> Thresholds:
    """Rebuild thresholds from `to_json`."""
    return Thresholds(tuple(saved["classes"]), {site: tuple(v) for site, v in saved["sites"].items()})


def fit_thresholds(probabilities: Floats, codes: Codes, sites: npt.NDArray[Any]) -> Thresholds:
    """Choose thresholds that cover each class, at each site, in nine rows of ten (Mondrian conformal).

    A site's own threshold counts as far as sites differ in that class by more than chance: the fewer its
    rows, the nearer it stays to the threshold of all sites (empirical Bayes).
    """
    # A class too rare to prove a threshold of its own takes that of all rows together.
    own = probabilities[np.arange(len(codes)), codes]
    pooled = max(-conformal(-own, level=1 - MISS), 0.0)
    named = sorted({site for site in sites if site is not None})
    classes, at_sites = [], []
    for code in range(probabilities.shape[1]):
        rows = codes == code
        limit = _limit(own[rows]) if rows.sum() >= MIN_CELL else pooled
        classes.append(limit)
        at_sites.append(_by_site([own[rows & (sites == site)] for site in named], limit))
    return Thresholds(
        tuple(classes),
        {site: tuple(limits[place] for limits in at_sites) for place, site in enumerate(named)},
    )


def _limit(own: Floats) -> float:
    return max(-conformal(-own, level=1 - MISS), 0.0)


def _by_site(cells: list[Floats], limit: float) -> list[float]:
    """Return a class's threshold at each site, between that of the site's own rows and that of all sites."""
    told = [place for place, own in enumerate(cells) if len(own) >= MIN_CELL]
    missed = np.array([float((cells[place] < limit).mean()) - MISS for place in told])
    chance = np.array([MISS * (1 - MISS) / len(cells[place]) for place in told])
    # What is left of the spread between sites once chance is taken off.
    spread = max(float(np.mean(missed**2 - chance)), 0.0) if told else 0.0
    limits = [limit] * len(cells)
    for place, doubt in zip(told, chance, strict=True):
        trust = spread / (spread + float(doubt))
        limits[place] = trust * _limit(cells[place]) + (1 - trust) * limit
    return limits


def conformal(scores: Floats, *, level: float) -> float:
    """Return what a new score will not exceed with probability `level`; inf where rows are too few."""
    rank = int(np.ceil((len(scores) + 1) * level))
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else float("inf")


def fit_shift(y: Floats, predicted: Floats, *, level: float) -> float:
    """Return what to add to a predicted quantile so that it covers `level` of later rows (one-sided CQR)."""
    shift = conformal(y - predicted, level=level)
    return shift if np.isfinite(shift) else 0.0
