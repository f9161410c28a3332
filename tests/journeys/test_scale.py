"""Scoring in parts by the command: on a scheduler, with a worker killed, and with everything killed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from benchmarks.running import free_port
from tests.journeys.laboratory import Laboratory

pytestmark = pytest.mark.journey
PARTS = 40
PATIENCE = 120.0  # seconds


@dataclass(frozen=True)
class Stand:
    """A trained model, a table in parts, and the scores that it has without Dask."""

    laboratory: Laboratory
    expected: pd.DataFrame

    @property
    def words(self) -> tuple[str, ...]:
        return ("score", "workload", "--data", "table", "--out")

    def scores(self, folder: str) -> pd.DataFrame:
        parts = [self.laboratory.home / folder / f"part-{place:05d}.parquet" for place in range(PARTS)]
        return pd.concat([pd.read_parquet(part) for part in parts], ignore_index=True)

    def right(self, folder: str) -> None:
        pd.testing.assert_frame_equal(self.scores(folder), self.expected, check_exact=True)


@pytest.fixture(scope="module")
def stand(tmp_path_factory) -> Stand:
    laboratory = Laboratory(tmp_path_factory.mktemp("lab"))
    laboratory.must("simulate", "--returns", 2000, "--seed", 4, "--out", "world")
    laboratory.must("train", "workload", "--data", "world")
    laboratory.must("score", "workload", "--data", "world", "--out", "scores.parquet")
    table = laboratory.home / "table"
    table.mkdir()
    returns = pd.read_parquet(laboratory.home / "world" / "returns.parquet")
    for place, cut in enumerate(np.array_split(np.arange(len(returns)), PARTS)):
        returns.iloc[cut].to_parquet(table / f"part-{place:05d}.parquet", index=False)
    return Stand(laboratory, pd.read_parquet(laboratory.home / "scores.parquet"))


@contextmanager
def begun(stand: Stand, folder: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command at work, with some parts finished and others not."""
    with stand.laboratory.started(*stand.words, folder) as driver:
        finished = stand.laboratory.home / folder
        until = time.monotonic() + PATIENCE
        while not list(finished.glob("part-*")):
            assert time.monotonic() < until
            assert driver.poll() is None
        yield driver


def test_a_killed_worker_loses_nothing(stand):
    """Its work is given to another; the command ends as if nothing had been."""
    with begun(stand, "worker") as driver:
        workers = [
            child
            for child in psutil.Process(driver.pid).children()
            if "spawn_main" in " ".join(child.cmdline())
        ]
        workers[0].kill()
        assert driver.wait(PATIENCE) == 0
    stand.right("worker")


def test_a_killed_driver_loses_no_finished_part(stand):
    """Its workers end with it; the same command again writes only what was missing."""
    with begun(stand, "driver") as driver:
        family = psutil.Process(driver.pid).children(recursive=True)
        driver.kill()
        _, alive = psutil.wait_procs(family, timeout=PATIENCE)
        assert alive == []
    finished = {path: path.stat().st_mtime_ns for path in (stand.laboratory.home / "driver").glob("part-*")}
    assert 0 < len(finished) < PARTS
    stand.laboratory.must(*stand.words, "driver")
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    stand.right("driver")


def test_a_scheduler_that_is_there_is_used_and_one_that_is_not_is_refused(stand):
    address = f"tcp://127.0.0.1:{free_port()}"
    refused = stand.laboratory.run(*stand.words, "nobody", "--scheduler", address)
    assert refused.returncode == 2
    assert "no Dask scheduler answers there" in refused.stderr
    assert not (stand.laboratory.home / "nobody").exists()
    dask = [sys.executable, "-m", "dask"]
    home = Path(stand.laboratory.home)
    port = address.rpartition(":")[2]
    ours = ["--no-dashboard"]
    scheduler = subprocess.Popen([*dask, "scheduler", "--host", "127.0.0.1", "--port", port, *ours], cwd=home)
    worker = subprocess.Popen([*dask, "worker", address, "--nthreads", "1", *ours], cwd=home)
    try:
        stand.laboratory.must(*stand.words, "there", "--scheduler", address)
    finally:
        for process in (worker, scheduler):
            process.terminate()
            process.wait(PATIENCE)
    stand.right("there")
