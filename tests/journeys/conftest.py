"""Services as users start them, with models small enough to fit in seconds."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from benchmarks.champions import keep_champions
from benchmarks.running import ROOT, Running, environment, free_port, recoup, start


@dataclass(frozen=True)
class Home:
    """A RECOUP_HOME of its own and the command `recoup` in it."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        return environment(self.folder) | dict(self.settings)

    def recoup(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one command of `recoup` in a folder that is not the checkout."""
        command = [sys.executable, "-m", "serving", *words]
        env = self.env | {"PYTHONPATH": str(ROOT)}
        return subprocess.run(
            command, cwd=self.folder, env=env, capture_output=True, text=True, check=False, timeout=60
        )

    def key(self, role: str) -> str:
        """The key that the first start made for `role`."""
        return (self.folder / "keys" / role).read_text().strip()


@dataclass(frozen=True)
class Served:
    """A running service and its keys."""

    home: Home
    running: Running

    def call(self, method: str, path: str, *, key: str = "", **options: Any) -> httpx.Response:
        """One call by `key`, else by the local orchestrator, with a fresh idempotency key."""
        headers = {
            "Authorization": f"Bearer {key or self.home.key('orchestrator')}",
            "Idempotency-Key": str(uuid4()),
            **options.pop("headers", {}),
        }
        options.setdefault("timeout", 30)
        return httpx.request(method, self.running.url + path, headers=headers, **options)


@pytest.fixture(scope="session")
def champions_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose model store holds all champions."""
    home = tmp_path_factory.mktemp("champions")
    keep_champions(home)
    return home


@pytest.fixture(scope="module")
def make_home(tmp_path_factory: pytest.TempPathFactory, champions_home: Path) -> Callable[[], Home]:
    """Make a home that has champions and nothing else."""

    def make() -> Home:
        folder = tmp_path_factory.mktemp("home")
        shutil.copytree(champions_home / "bentoml", folder / "bentoml")
        return Home(folder)

    return make


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[..., Served]]:
    """Start services by `recoup serve`; whatever still runs at the end is killed."""
    all_of_them: list[Running] = []

    def start_one(home: Home, port: int | None = None) -> Served:
        port = port or free_port()
        running = start(recoup(port), port, env=home.env, log=home.folder / "service.log")
        all_of_them.append(running)
        return Served(home, running)

    yield start_one
    for running in all_of_them:
        running.kill()
