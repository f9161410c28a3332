"""Models of a small simulated world, fitted once and read back from their files as the service does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from models import condition, disposition, fraud, recovery, workload
from serving.runtime import Champions
from training.datasets import read
from training.simulator.world import simulate, write

START = datetime(2025, 1, 1, tzinfo=UTC)
RETURNS = 2500  # enough for every class and for ten frauds, few enough to fit in seconds
QUICK = {"max_rounds": 80, "leaves": 7, "bags": 1}
TASKS = {
    "condition": condition,
    "disposition": disposition,
    "recovery": recovery,
    "fraud": fraud,
    "workload": workload,
}


def champions_of_a_small_world(
    folder: Path, *, returns: int = RETURNS, changes: Mapping[str, int] = QUICK
) -> Champions:
    """Every model, quickly grown; without `changes` as `recoup-lab train` grows them."""
    world = folder / "world"
    write(simulate(returns=returns, rng=np.random.default_rng(5), start=START), world, seed=5)
    models = {}
    for task, module in TASKS.items():
        rows = read(task, data=world, mapping=None).train
        params = replace(module.PARAMS, threads=1, **changes)
        model = module.fit(rows.table, rows.y, rng=np.random.default_rng(1), params=params)
        model.save(folder / task)
        models[task] = module.load(folder / task)
    return Champions(**models, versions=tuple((task, "1") for task in TASKS))
