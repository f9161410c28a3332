"""Whether sets that promise nine rows in ten keep it: in every class, at every site, and both at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

PROMISED: Final = 0.9
LARGE: Final = 2000  # rows from which a cell is held to a tolerance instead of to chance
TOLERANCE: Final = 0.02
ROUNDING: Final = 1e-9
CHANCE: Final = 0.99  # of the exact binomial interval that a smaller cell must be inside


@dataclass(frozen=True, slots=True)
class Cell:
    """Rows that share a class, a site or both, and how many of their sets hold the true class."""

    name: str
    rows: int
    covered: int

    @property
    def deviation(self) -> float:
        """Coverage less what was promised."""
        return self.covered / self.rows - PROMISED

    @property
    def holds(self) -> bool:
        """Within the tolerance where rows are many, else within what chance allows of an exact promise."""
        if self.rows >= LARGE:
            return abs(self.deviation) <= TOLERANCE + ROUNDING
        low, high = binom.interval(CHANCE, self.rows, PROMISED)
        return bool(low <= self.covered <= high)


def cells(covered: npt.NDArray[np.bool_], labels: npt.NDArray[Any], sites: npt.NDArray[Any]) -> list[Cell]:
    """Count coverage by class, by site, and by class at a site; rows without a site have no site's cell.

    Parameters
    ----------
    covered : ndarray of shape (n,), bool
        The true class is in the row's set.
    labels, sites : ndarray of shape (n,), object
        The true class, and where.
    """
    return [
        Cell(name, int(mask.sum()), int(covered[mask].sum()))
        for name, mask in _masks(labels, sites)
        if mask.any()
    ]


def _masks(labels: npt.NDArray[Any], sites: npt.NDArray[Any]) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    named = sorted({site for site in sites if site is not None})
    for site in named:
        yield site, sites == site
    for label in sorted(set(labels.tolist())):
        yield label, labels == label
        for site in named:
            yield f"{label} at {site}", (labels == label) & (sites == site)


def summary(found: list[Cell]) -> dict[str, float]:
    """Return how many cells do not hold, how many there are, and the worst deviation of a large one."""
    large = [abs(cell.deviation) for cell in found if cell.rows >= LARGE]
    return {
        "coverage_cells": float(len(found)),
        "coverage_cells_outside": float(sum(not cell.holds for cell in found)),
        "coverage_worst_deviation": max(large, default=0.0),
    }
