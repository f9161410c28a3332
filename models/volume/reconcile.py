"""Each level of the hierarchy is blended by itself, and all levels are made to agree.

A total follows a turn sooner than its smallest parts can: their chance hides it. So every level has weights
of its own, as far as its evidence goes beyond the lowest level's, and the lowest series are moved as little
as their errors allow until they add up to what the levels above say (weighted least squares, as MinTrace
does it, with one variance a level).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.volume.blend import Blend, proven, unproven
from models.volume.dispersion import Keys, nodes_at, partitions, spot_of, summed
from models.volume.panel import Floats, Integers

FOLDS: Final = 4  # parts of the past, each judged by weights that had not seen it
LEAST_SEEN: Final = 2  # origins from which weights are learned, where others could not be left out
FLOOR: Final = 1e-3  # returns a period

Kept = tuple[bool, ...]
Members = Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class LevelBlend:
    """The blend of one level, and how far it is from what came.

    Parameters
    ----------
    kept : tuple of bool
        Which of the panel's levels tell its nodes apart; all of them for the lowest.
    blend : Blend
    noise : float
        Variance of a node's error per unit of its mean.
    """

    kept: Kept
    blend: Blend
    noise: float


def unproven_levels(names: tuple[str, ...], depth: int) -> tuple[LevelBlend, ...]:
    """Blend the lowest series by what is usual, where no backtest could be made."""
    return (LevelBlend((True,) * depth, unproven(names), 1.0),)


def proven_levels(
    actual: Floats, found: Members, keys: Keys, *, origins: Sequence[int]
) -> tuple[tuple[LevelBlend, ...], Floats]:
    """Prove a blend for every level at past origins, and hand back what it would have said at each.

    What it would have said comes from weights that had not seen that part of the past, so that its errors are
    no smaller than those to come.

    Parameters
    ----------
    actual : ndarray of shape (origins, n, H)
    found : dict of name to ndarray of the same shape
    origins : sequence of int
        Numbers of known periods, in order.

    Returns
    -------
    levels : tuple of LevelBlend
        Coarse ones first.
    mean : ndarray of shape (origins, n, H)
    """
    sums = {kept: _summed(actual, found, nodes) for kept, nodes in partitions(keys).items()}
    told = {kept: np.empty_like(came) for kept, (came, _) in sums.items()}
    for judged, seen in _folds(origins, actual.shape[2]):
        for kept, blend in _proven(sums, keys, origins, seen).items():
            for origin in judged:
                told[kept][origin] = blend.apply(_spots(keys, kept), _at(sums[kept][1], origin))
    levels = tuple(
        LevelBlend(kept, blend, _noise(sums[kept][0], told[kept]))
        for kept, blend in _proven(sums, keys, origins, np.arange(len(origins))).items()
    )
    mean = [
        _agreed(levels, keys, [values[origin] for values in told.values()]) for origin in range(len(origins))
    ]
    return levels, np.stack(mean)


def reconciled(levels: Sequence[LevelBlend], keys: Keys, found: Members) -> Floats:
    """Blend forecasts of shape (n, H) at every level and make them agree; shape (n, H)."""
    told = []
    for level in levels:
        nodes = nodes_at(keys, level.kept)
        members = {name: summed(values, nodes) for name, values in found.items()}
        told.append(level.blend.apply(_spots(keys, level.kept), members))
    return _agreed(levels, keys, told)


def _proven(
    sums: Mapping[Kept, tuple[Floats, Members]], keys: Keys, origins: Sequence[int], seen: Integers
) -> dict[Kept, Blend]:
    """Prove every level's blend at the origins seen; those above lean on the lowest, which has seen most."""
    last = list(sums)[-1]
    came, members = sums[last]
    spans = ((origins[-1] - origins[0]) / came.shape[2] + 1) * len(seen) / len(origins)
    lowest = proven(came[seen], _at(members, seen), _spots(keys, last), spans=spans)
    above = {
        kept: proven(came[seen], _at(members, seen), _spots(keys, kept), spans=spans, usual=lowest)
        for kept, (came, members) in sums.items()
        if kept != last
    }
    return {**above, last: lowest}


def _summed(actual: Floats, found: Members, nodes: Integers) -> tuple[Floats, Members]:
    return summed(actual, nodes), {name: summed(values, nodes) for name, values in found.items()}


def _noise(came: Floats, told: Floats) -> float:
    return max(float(((came - told) ** 2).sum() / max(told.sum(), FLOOR)), FLOOR)


def _agreed(levels: Sequence[LevelBlend], keys: Keys, told: Sequence[Floats]) -> Floats:
    lowest = told[-1]
    if len(levels) == 1:
        return np.asarray(np.maximum(lowest, FLOOR))
    above = [nodes_at(keys, level.kept) for level in levels[:-1]]
    belongs = np.concatenate([(np.arange(nodes.max() + 1)[:, None] == nodes) * 1.0 for nodes in above])
    variances = [
        level.noise * np.maximum(values.mean(1), FLOOR) for level, values in zip(levels, told, strict=True)
    ]
    moves = belongs * variances[-1]
    gap = np.concatenate(told[:-1]) - belongs @ lowest
    pull = np.linalg.solve(moves @ belongs.T + np.diag(np.concatenate(variances[:-1])), gap)
    return np.asarray(np.maximum(lowest + moves.T @ pull, FLOOR))


def _spots(keys: Keys, kept: Kept) -> tuple[tuple[str, ...], ...]:
    return tuple(dict.fromkeys(spot_of(key, kept) for key in keys))


def _folds(origins: Sequence[int], reach: int) -> list[tuple[Integers, Integers]]:
    """Part the origins, and name for each part those whose horizons do not touch its own."""
    at = np.asarray(origins)
    parts = np.array_split(np.arange(len(at)), min(FOLDS, len(at)))
    found = []
    for part in parts:
        apart = np.flatnonzero((at <= at[part[0]] - reach) | (at >= at[part[-1]] + reach))
        others = np.setdiff1d(np.arange(len(at)), part)
        seen = apart if len(apart) >= LEAST_SEEN else others if len(others) else part
        found.append((part, seen))
    return found


def _at(members: Members, origins: Integers | int) -> dict[str, Floats]:
    return {name: values[origins] for name, values in members.items()}
