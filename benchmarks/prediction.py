"""Prediction alone: one row through four models, features included, beside the bare calls of LightGBM."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.report import Figure, Mode
from features.history import HISTORY
from models import condition, disposition, fraud, workload
from serving.api.wire import RecommendationRequest
from serving.case.insight import laid_out
from tests.factories import a_line

TASKS = {"condition": condition, "disposition": disposition, "fraud": fraud, "workload": workload}
TURNS: dict[Mode, int] = {"quick": 300, "normal": 2_000, "full": 10_000}


def figures(folder: Path, mode: Mode) -> dict[str, Figure]:
    """Measure both in turns, in processor time of this thread; the models are those of `folder`."""
    models = {task: module.load(folder / task) for task, module in TASKS.items()}
    line = RecommendationRequest.model_validate(a_line()).line()
    history = dict.fromkeys(HISTORY, 0.0)
    ready = []
    for model in models.values():
        view = model.bundle.views["intake"]
        row = np.ascontiguousarray(view.encoder.matrix(laid_out([line], [history])))
        ready += [(booster, row) for boosters in view.boosters.values() for booster in boosters]

    def ours() -> None:
        table = laid_out([line], [history])
        for model in models.values():
            model.predict(table)

    def bare() -> None:
        for booster, row in ready:
            booster.predict(row, raw_score=True, num_threads=1)

    mine, theirs = _in_turns(ours, bare, turns=TURNS[mode])
    ratio = Figure(mine / theirs, "times", target="<= 1.5")
    return {
        "prediction_us": Figure(mine * 1e6, "us"),
        "bare_lightgbm_us": Figure(theirs * 1e6, "us"),
        "prediction_ratio": ratio,
    }


def _in_turns(one: Callable[[], None], other: Callable[[], None], *, turns: int) -> tuple[float, float]:
    """The median processor time of each, seconds."""
    taken: tuple[list[float], list[float]] = ([], [])
    gc.collect()
    gc.disable()
    for _ in range(turns):
        for place, call in enumerate((one, other)):
            started = time.thread_time()
            call()
            taken[place].append(time.thread_time() - started)
    gc.enable()
    return statistics.median(taken[0]), statistics.median(taken[1])
