"""Work in parts by the command: on a scheduler, with a worker killed, and with everything killed."""

from __future__ import annotations

import json
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
from training.answers import CARD
from training.tracking import Registry

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


def digest_of(laboratory: Laboratory, version: int) -> str:
    """The digest of everything that a registered workload model learned."""
    registry = Registry(laboratory.home / "mlflow")
    card: dict[str, str] = json.loads((registry.find(f"recoup-workload/{version}").folder / CARD).read_text())
    return card["digest"]


@contextmanager
def begun(
    laboratory: Laboratory, *words: object, parts: Path, before: int = 0
) -> Iterator[subprocess.Popen[bytes]]:
    """A command at work, with some parts finished since it began with `before` of them, and others not."""
    with laboratory.started(*words) as driver:
        until = time.monotonic() + PATIENCE
        while len(list(parts.glob("part-*"))) <= before:
            assert time.monotonic() < until
            assert driver.poll() is None
        yield driver


def kill_a_worker(driver: subprocess.Popen[bytes]) -> None:
    """End one process of the cluster that a driver has started, at once."""
    children = psutil.Process(driver.pid).children()
    next(child for child in children if "spawn_main" in " ".join(child.cmdline())).kill()


def kill_all(driver: subprocess.Popen[bytes]) -> None:
    """End a driver at once: its workers end with it."""
    family = psutil.Process(driver.pid).children(recursive=True)
    driver.kill()
    _, alive = psutil.wait_procs(family, timeout=PATIENCE)
    assert alive == []


def written(folder: Path) -> dict[Path, int]:
    """The finished parts of a table, and when each was written."""
    return {path: path.stat().st_mtime_ns for path in folder.glob("part-*")}


def test_a_killed_worker_loses_nothing(stand):
    """Its work is given to another; the command ends as if nothing had been."""
    parts = stand.laboratory.home / "worker"
    with begun(stand.laboratory, *stand.words, "worker", parts=parts) as driver:
        kill_a_worker(driver)
        assert driver.wait(PATIENCE) == 0
    stand.right("worker")


def test_a_killed_driver_loses_no_finished_part(stand):
    """Its workers end with it; the same command again writes only what was missing."""
    parts = stand.laboratory.home / "driver"
    with begun(stand.laboratory, *stand.words, "driver", parts=parts) as driver:
        kill_all(driver)
    finished = written(parts)
    assert 0 < len(finished) < PARTS
    stand.laboratory.must(*stand.words, "driver")
    assert written(parts).items() >= finished.items()
    stand.right("driver")


def test_a_world_in_blocks_is_the_same_whoever_is_killed_while_it_is_drawn(tmp_path):
    """Everything, and then a worker: what was finished stays, and the world is that of an unhurt command."""
    laboratory = Laboratory(tmp_path)
    words = ("simulate", "--returns", 1200, "--block", 100, "--seed", 6, "--out")
    parts = laboratory.home / "hurt" / "returns.parquet"
    with begun(laboratory, *words, "hurt", parts=parts) as driver:
        kill_all(driver)
    finished = written(parts)
    assert 0 < len(finished) < 12
    assert not (laboratory.home / "hurt" / "world.json").exists()
    with begun(laboratory, *words, "hurt", parts=parts, before=len(finished)) as driver:
        kill_a_worker(driver)
        assert driver.wait(PATIENCE) == 0
    assert written(parts).items() >= finished.items()
    laboratory.must(*words, "whole")
    for table in ("returns", "sales", "events", "truth", "market"):
        hurt, whole = (
            pd.read_parquet(laboratory.home / one / f"{table}.parquet") for one in ("hurt", "whole")
        )
        pd.testing.assert_frame_equal(hurt, whole, check_exact=True)


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
        stand.laboratory.must("train", "workload", "--data", "world", "--scheduler", address)
    finally:
        for process in (worker, scheduler):
            process.terminate()
            process.wait(PATIENCE)
    stand.right("there")
    first, second = (digest_of(stand.laboratory, version) for version in (1, 2))
    assert first == second, "a model fitted on a cluster is another"
