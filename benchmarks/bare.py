"""Bare LightGBM beside ours: every booster that a fit grew is grown again, from its own matrix, and timed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import lightgbm


@dataclass(frozen=True, slots=True)
class Grown:
    """One call of `lightgbm.train`: what it was given, and how many rounds it grew."""

    data: Any
    label: Any
    weight: Any
    categorical: Any
    params: dict[str, Any]
    rounds: int

    @property
    def key(self) -> tuple[int, int, int]:
        """Which data set it was: several boosters may share one."""
        return id(self.data), id(self.label), id(self.weight)


@dataclass
class Stopwatch:
    """Times fits, and then the bare growth of the same boosters, task by task."""

    ours: float = 0.0
    bare: float = 0.0
    _grown: list[Grown] = field(default_factory=list)

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Time a fit and note every booster that it grows."""
        train = lightgbm.train

        def noted(params: dict[str, Any], train_set: lightgbm.Dataset, *rest: Any, **more: Any) -> Any:
            # Before LightGBM takes the data for itself.
            kept = (train_set.data, train_set.label, train_set.weight, train_set.categorical_feature)
            booster = train(params, train_set, *rest, **more)
            self._grown.append(Grown(*kept, dict(params), booster.current_iteration()))
            return booster

        begun = time.perf_counter()
        with patch.object(lightgbm, "train", noted):
            yield
        self.ours += time.perf_counter() - begun

    def again(self) -> None:
        """Grow the same boosters bare: the same matrices, parameters and rounds, and nothing else."""
        datasets: dict[tuple[int, int, int], lightgbm.Dataset] = {}
        for grown in self._grown:
            begun = time.perf_counter()
            if grown.key not in datasets:
                datasets[grown.key] = lightgbm.Dataset(
                    grown.data,
                    grown.label,
                    weight=grown.weight,
                    categorical_feature=grown.categorical,
                    free_raw_data=False,
                )
            lightgbm.train(grown.params, datasets[grown.key], grown.rounds)
            self.bare += time.perf_counter() - begun
        self._grown.clear()
