"""A service as a process: started, waited for, measured and ended."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).parents[1]
READY_WITHIN = 120.0  # seconds; idle it takes less than ten
ENDED_WITHIN = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class Running:
    """A service that has been ready."""

    process: subprocess.Popen[bytes]
    port: int
    seconds: float  # from start to ready
    log: Path

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def children(self) -> list[psutil.Process]:
        """The processes that it started, workers and trackers."""
        return psutil.Process(self.process.pid).children(recursive=True)

    @property
    def worker(self) -> psutil.Process:
        """The one process that answers requests."""
        return next(child for child in self.children if "worker" in " ".join(child.cmdline()))

    def end(self) -> int:
        """Ask it to stop, and kill what does not; the exit status."""
        if self.process.poll() is not None:
            return self.process.returncode
        self.process.terminate()
        try:
            return self.process.wait(ENDED_WITHIN)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """Kill it and all that it started, at once; the exit status."""
        if self.process.poll() is None:
            family = self.children  # workers lead sessions of their own: no signal to a group reaches them
            self.process.kill()  # first, so that it starts no others
            for child in family:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
            psutil.wait_procs(family, ENDED_WITHIN)
        return self.process.wait(ENDED_WITHIN)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def recoup(port: int) -> list[str]:
    """The command that serves Recoup."""
    return [sys.executable, "-m", "serving", "serve", "--port", str(port)]


def bento(target: str, port: int, *, folder: Path = ROOT) -> list[str]:
    """The command that serves a BentoML service as `recoup serve` does."""
    options = ["--host", "127.0.0.1", "--port", str(port), "--working-dir", str(folder)]
    return [sys.executable, "-m", "bentoml", "serve", target, *options]


def environment(home: Path) -> dict[str, str]:
    """The environment of a service at home in `home`."""
    ours = {
        "RECOUP_HOME": str(home),
        "BENTOML_HOME": str(home / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "true",
        "OMP_THREAD_LIMIT": "1",
    }
    return {name: value for name, value in os.environ.items() if not name.startswith("RECOUP_")} | ours


def start(
    words: Sequence[str], port: int, *, env: Mapping[str, str], log: Path, folder: Path = ROOT
) -> Running:
    """Start a command and return once its /readyz answers 200.

    Raises
    ------
    RuntimeError
        If it ends before, or is not ready in time; with the end of its log.
    """
    begun = time.perf_counter()
    with log.open("ab") as out:
        process = subprocess.Popen(words, cwd=folder, env=dict(env), stdout=out, stderr=out)
    running = Running(process, port, 0.0, log)
    while time.perf_counter() - begun < READY_WITHIN and process.poll() is None:
        if is_ready(running):
            return Running(process, port, time.perf_counter() - begun, log)
        time.sleep(0.05)
    running.kill()
    raise RuntimeError(f"{' '.join(words)} did not get ready: {log.read_text()[-2000:]}")


@cache
def patient_client() -> httpx.Client:
    """A client for many calls: httpx reads every authority's certificates for each that is made.

    No connection is kept: its other end may be killed between two calls.
    """
    return httpx.Client(timeout=60, limits=httpx.Limits(max_keepalive_connections=0))


def is_ready(running: Running) -> bool:
    """Whether /readyz answers 200."""
    try:
        return patient_client().get(f"{running.url}/readyz", timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@contextmanager
def started(
    words: Sequence[str], port: int, *, env: Mapping[str, str], log: Path, folder: Path = ROOT
) -> Iterator[Running]:
    """Run a service for the length of a block."""
    running = start(words, port, env=env, log=log, folder=folder)
    try:
        yield running
    finally:
        running.end()
