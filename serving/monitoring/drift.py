"""Drift: what comes in now, in the bins of what the models learned from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Final

import numpy as np
import numpy.typing as npt

from features.encoding import QUANTILES, Encoder

EVERY: Final = 8  # one recommendation in so many is looked at
MISSING: Final = "missing"


@dataclass(frozen=True)
class Drift:
    """The bins of one model's inputs, by the quantiles of its training rows."""

    encoder: Encoder
    _count: Iterator[int] = field(default_factory=count)

    @property
    def due(self) -> bool:
        """Whether this recommendation is one that is looked at."""
        return next(self._count) % EVERY == 0

    @cached_property
    def _edges(self) -> tuple[npt.NDArray[np.float64], ...]:
        return tuple(np.unique(shot.quantiles[1:-1]) for shot in self.encoder.snapshots)

    @cached_property
    def expected(self) -> Mapping[tuple[str, str], float]:
        """The share of the training rows in each bin of each input; each input's sum to one."""
        shares: dict[tuple[str, str], float] = {}
        for name, shot, edges in zip(self.encoder.names, self.encoder.snapshots, self._edges, strict=True):
            shares[name, MISSING] = shot.missing
            # How much of the training lies at or below each edge: the last of its equal quantiles.
            below = [
                QUANTILES[1:-1][np.searchsorted(shot.quantiles[1:-1], e, side="right") - 1] for e in edges
            ]
            for place, part in enumerate(np.diff([0.0, *below, 1.0]) if shot.quantiles else ()):
                shares[name, str(place)] = float(part) * (1 - shot.missing)
        return shares

    def bins(self, row: npt.NDArray[np.float32]) -> Iterator[tuple[str, str]]:
        """The bin of every input of one encoded row."""
        for name, value, edges in zip(self.encoder.names, row, self._edges, strict=True):
            yield name, MISSING if np.isnan(value) else str(int(np.searchsorted(edges, value, side="left")))
