"""Many rows, many series: what batch scoring costs beyond bare LightGBM, and whether it grows as it should.

Times beside LightGBM are processor time of one thread, for the bare call as well; the others are of whole
commands. Every measurement has a process of its own: `python -m benchmarks.batch_scale beside|forecast …`.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import psutil

from benchmarks import ledger_size
from benchmarks.report import Figure, Mode
from benchmarks.running import ROOT
from features.mapping import load as load_table
from features.table import take
from models import volume
from training.answers import CARD, answers, load
from training.datasets import read
from training.forecasting.history import forecast_of
from training.options import write_table
from training.simulator.world import simulate, write
from training.train import MODELS, fit

TASKS = ("fraud", "disposition", "workload")
TURNS = 3
DAYS, HORIZON = 3 * 365 + 1, 28
START = datetime(2023, 1, 1, tzinfo=UTC)
OWNED = ("return_line_id", "customer_id", "address_id", "device_id", "serial", "serial_shipped")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done in a mode."""

    returns: int  # of the simulated history that models learn from
    part: int  # rows of a part of the tables that are scored
    rows: tuple[int, int]  # of those tables
    series: tuple[int, ...]


SIZES: dict[Mode, Size] = {
    "quick": Size(5_000, 5_000, (20_000, 80_000), (30, 90, 300)),
    "normal": Size(50_000, 50_000, (600_000, 2_400_000), (100, 300, 1_000)),
    "full": Size(100_000, 250_000, (5_000_000, 20_000_000), (1_000, 3_000, 10_000)),
}


def run(mode: Mode) -> dict[str, Figure]:
    """Train, score beside LightGBM, score with one and two workers and four times as much, forecast."""
    size = SIZES[mode]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        world = simulate(returns=size.returns, rng=np.random.default_rng(7), start=START)
        write(world, folder / "world", seed=7)
        learn(folder)
        figures = {}
        for task in TASKS:
            figures |= beside_lightgbm(folder, task)
        figures |= ledger_size.figures(folder)
        return figures | grown(folder, world.returns, size) | forecasts(size)


def learn(folder: Path) -> None:
    """Fit and save the models as `recoup-lab train` grows them."""
    for task in TASKS:
        rows = read(task, data=folder / "world", mapping=None).train
        model = fit(task, rows, attributes={}, params=MODELS[task].PARAMS, seed=0)
        model.save(folder / task)
        facts = {"task": task, "digest": model.digest, "attributes": {}, "mapping": None}
        (folder / task / CARD).write_text(json.dumps(facts))


def beside_lightgbm(folder: Path, task: str) -> dict[str, Figure]:
    """Score the history from parquet to parquet, beside the same boosters on its ready matrix."""
    found = alone("beside", str(folder), task)
    return {
        f"{task}_us_a_row": Figure(found["ours"] * 1e6, "us"),
        f"{task}_bare_us_a_row": Figure(found["bare"] * 1e6, "us"),
        f"{task}_trees": Figure(found["trees"], "trees"),
        f"{task}_to_bare_lightgbm": Figure(found["ours"] / found["bare"], "times", target="<= 1.3"),
    }


def beside(folder: str, task: str) -> dict[str, float]:
    """Time both in turns; seconds a row."""
    place = Path(folder)
    model, source = load(place / task), place / "world"
    ready = load_table(source, None, purpose="score").table
    pairs = [
        (view.encoder.matrix(rows), booster)
        for view, rows in seen_by(model, ready)
        for boosters in view.boosters.values()
        for booster in boosters
    ]
    count = len(ready["return_line_id"])

    def ours() -> None:
        table = load_table(source, None, purpose="score").table
        scores = answers(task, model, table)
        scores.insert(0, "return_line_id", table["return_line_id"])
        write_table(scores, place / "scores.parquet")

    def bare() -> None:
        for matrix, booster in pairs:
            booster.predict(matrix, raw_score=True)

    taken: dict[str, list[float]] = {"ours": [], "bare": []}
    for _ in range(TURNS):
        for call in (ours, bare):
            begun = time.process_time()
            call()
            taken[call.__name__].append(time.process_time() - begun)
    seconds = {name: statistics.median(turns) / count for name, turns in taken.items()}
    return {**seconds, "trees": float(sum(booster.num_trees() for _, booster in pairs))}


def seen_by(model: Any, table: Any) -> list[tuple[Any, Any]]:
    """The views of a model with the rows that each answers for."""
    views = model.bundle.views
    if len(views) == 1:
        return [(view, table) for view in views.values()]
    graded = np.array([grade is not None for grade in table["grade"]])
    return [(views["intake"], take(table, ~graded)), (views["inspected"], take(table, graded))]


def grown(folder: Path, returns: pd.DataFrame, size: Size) -> dict[str, Figure]:
    """Score a large table with one worker and with two, and one four times as large with two."""
    few, many = size.rows
    for rows in size.rows:
        multiplied(returns, folder / f"table{rows}", rows=rows, part=size.part)
    one, _ = scored(folder, few, workers=1)
    two, peak = scored(folder, few, workers=2)
    longer, higher = scored(folder, many, workers=2)
    return {
        "scored_rows": Figure(few, "rows"),
        "scored_rows_many": Figure(many, "rows"),
        "rows_a_second_one_worker": Figure(few / one, "rows/s"),
        "rows_a_second_two_workers": Figure(few / two, "rows/s"),
        "two_workers_to_one": Figure(one / two, "times", target=">= 1.7"),
        "time_of_four_times_the_rows": Figure(longer / two, "times"),
        "peak_memory": Figure(peak, "GB"),
        "peak_memory_many": Figure(higher, "GB", target="<= 4.0"),
        "peak_memory_of_four_times_the_rows": Figure(higher / peak, "times", target="<= 1.2"),
    }


def multiplied(returns: pd.DataFrame, folder: Path, *, rows: int, part: int) -> None:
    """Write a table of many times the history, each time with customers of its own, in parts."""
    folder.mkdir()
    copies: list[pd.DataFrame] = []
    held = written = number = 0
    while written < rows:
        new = {name: returns[name] + f"-{number}" for name in OWNED}
        copies.append(returns.assign(**new))
        held, number = held + len(returns), number + 1
        while held >= part or (held and written + held >= rows):
            frame = pd.concat(copies, ignore_index=True)
            frame.head(part).to_parquet(folder / f"part-{written // part:05d}.parquet", index=False)
            copies, held, written = [frame.iloc[part:]], max(held - part, 0), written + part
            if written >= rows:
                return


def scored(folder: Path, rows: int, *, workers: int) -> tuple[float, float]:
    """Score by the command with the fraud model: seconds, and the highest memory of its processes in GB."""
    out = folder / f"scores{rows}-{workers}"
    words = ["score", str(folder / "fraud"), "--data", str(folder / f"table{rows}"), "--out", str(out)]
    settings = {
        "RECOUP_HOME": str(folder / "home"),
        "RECOUP_LAB_WORKERS": str(workers),
        "OMP_NUM_THREADS": "1",
    }
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "training", *words], cwd=ROOT, env=os.environ | settings
    )
    with Watch(process.pid) as watch:
        status = process.wait()
    if status:
        raise RuntimeError(f"recoup-lab {' '.join(words)} ended with status {status}")
    return time.perf_counter() - begun, watch.peak / 1e9


class Watch:
    """Looks at the memory of a process and all that it started, ten times a second."""

    def __init__(self, pid: int) -> None:
        self._pid, self._over, self.peak = pid, threading.Event(), 0

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.1):
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(self._pid)
                self.peak = max(self.peak, sum(map(memory, [process, *process.children(recursive=True)])))


def memory(process: psutil.Process) -> int:
    """The resident memory of a process, bytes; what processes share is counted in each."""
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def forecasts(size: Size) -> dict[str, Figure]:
    """Forecast more and more series of three years: time and memory of each."""
    found = {count: alone("forecast", str(count)) for count in size.series}
    figures = {}
    for count, one in found.items():
        figures[f"forecast_{count}_series_seconds"] = Figure(one["seconds"], "s")
        figures[f"forecast_{count}_series_memory"] = Figure(one["memory"], "GB")
    least, *_, most = size.series
    ratio = most / least
    return figures | {
        "forecast_time_to_linear": Figure(
            found[most]["seconds"] / found[least]["seconds"] / ratio, "times", target="<= 1.1"
        ),
        "forecast_memory_growth": Figure(found[most]["memory"] / found[least]["memory"], "times"),
    }


def forecast(count: str) -> dict[str, float]:
    """Fit and forecast series of counts with a weekly season: processor seconds, and the peak in GB."""
    rng, number = np.random.default_rng(3), int(count)
    week = 1 + 0.3 * np.sin(2 * np.pi * np.arange(DAYS) / 7)
    y = rng.poisson(rng.gamma(2.0, 3.0, number)[:, None] * week).astype(np.float64)
    keys = tuple((f"R{place % 20:02d}", f"F{place // 20:04d}") for place in range(number))
    panel = volume.Panel(("region", "family"), keys, "D", pd.Period("2023-01-01", freq="D"), y)
    begun = time.process_time()
    forecast_of(panel, horizon=HORIZON, seed=0)
    seconds = time.process_time() - begun
    return {"seconds": seconds, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9}


ALONE: dict[str, Callable[..., dict[str, float]]] = {"beside": beside, "forecast": forecast}


def alone(name: str, *words: str) -> dict[str, float]:
    """Measure in a process of its own, with one thread."""
    command = [sys.executable, "-m", "benchmarks.batch_scale", name, *words]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    print(json.dumps(ALONE[sys.argv[1]](*sys.argv[2:])))
