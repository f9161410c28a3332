"""How much of each method: weights proven at past origins, each series' own as far as its evidence goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import nnls

from models.volume.panel import Floats

Keys = Sequence[tuple[str, ...]]

# What is assumed before any backtest could be made: open sales where there are any, for returns follow them
# up and down before a level can; else recent and steady levels.
PRIOR: Final = {
    "short": 0.5,
    "medium": 0.5,
    "long": 0.0,
    "repeat": 0.0,
    "sales": 1.25,
    "smooth": 0.25,
    "trees": 0.0,
}
BELIEF: Final = 60.0  # horizons of a series that the prior weights are worth
OTHERS: Final = 4.0  # how much the mean of all series counts beside a series' own evidence
FLOOR: Final = 1e-3  # returns a period


@dataclass(frozen=True, slots=True)
class Blend:
    """Weights of methods, summing to one: a series' own, or the pooled ones where it is new.

    Parameters
    ----------
    names : tuple of str
        The methods.
    pooled : tuple of float
    keys : tuple of tuple of str
        The series that have their own.
    own : tuple of tuple of float
    """

    names: tuple[str, ...]
    pooled: tuple[float, ...]
    keys: tuple[tuple[str, ...], ...] = ()
    own: tuple[tuple[float, ...], ...] = ()

    def apply(self, keys: Keys, found: Mapping[str, Floats]) -> Floats:
        """Blend forecasts of shape (n, H)."""
        known = dict(zip(self.keys, self.own, strict=True))
        weights = np.array([known.get(key, self.pooled) for key in keys])
        return np.asarray(np.einsum("nk,knh->nh", weights, np.stack([found[name] for name in self.names])))


def unproven(names: tuple[str, ...]) -> Blend:
    """Blend by what is usual."""
    prior = _prior(names)
    return Blend(names, tuple(map(float, prior)))


def proven(
    actual: Floats, found: Mapping[str, Floats], keys: Keys, *, spans: float, usual: Blend | None = None
) -> Blend:
    """Choose weights by least squares of past origins; not negative, summing to one.

    Parameters
    ----------
    actual : ndarray of shape (origins, n, H)
    found : dict of name to ndarray of the same shape
    spans : float
        How many horizons the origins cover: neighbouring ones overlap and say the same.
    usual : Blend, optional
        A blend of the same methods whose pooled weights are assumed before there is evidence.
    """
    names = tuple(found)
    prior = _prior(names) if usual is None else np.array(usual.pooled)
    told = np.stack([found[name] for name in names], axis=-1)
    # The variance of a count grows with its mean: so weighed, large and small series both have a say.
    weight = 1 / np.maximum(told.mean((0, 2, 3)), FLOOR)
    squares = np.einsum("onhk,onhl,n->nkl", told, told, weight)
    products = np.einsum("onhk,onh,n->nk", told, actual, weight)
    # Methods agree in the main: what tells them apart is how they differ, and so that measures the evidence.
    apart = told - told.mean(-1, keepdims=True)
    differ = float(np.einsum("onhk,onhk,n->", apart, apart, weight)) / len(names) / len(keys)
    pull = differ * BELIEF / (len(keys) * max(spans, 1.0))
    pooled = _solved(squares.mean(0), products.mean(0), prior, pull)
    own = [
        _solved(square + OTHERS * squares.mean(0), product + OTHERS * products.mean(0), pooled, pull)
        for square, product in zip(squares, products, strict=True)
    ]
    rows = tuple(tuple(map(float, weights)) for weights in own)
    return Blend(names, tuple(map(float, pooled)), tuple(keys), rows)


def _prior(names: tuple[str, ...]) -> Floats:
    prior = np.array([PRIOR[name] for name in names])
    return np.asarray(prior / prior.sum())


def _solved(square: Floats, product: Floats, prior: Floats, pull: float) -> Floats:
    """Solve for weights by non-negative least squares that lean on the prior."""
    size = max(float(np.trace(square)) / len(square), FLOOR)
    whole = 1e4 * size  # weights sum to one: an equation that outweighs the others
    square = square + (pull + 1e-9 * size) * np.eye(len(square)) + whole
    root = np.linalg.cholesky(square)
    weights, _ = nnls(root.T, np.linalg.solve(root, product + pull * prior + whole))
    return np.asarray(weights / weights.sum())
