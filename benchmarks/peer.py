"""What one would take instead: `mlflow models serve` of the fraud model alone, no policy and no record."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.generator import Load
from benchmarks.running import READY_WITHIN, Running, free_port, patient_client

OK = 200


@contextmanager
def mlflow_server(home: Path, *, workers: int) -> Iterator[tuple[Running, Load]]:
    """Serve the model that `benchmarks.champions` has logged, and say what to send to it."""
    told = json.loads((home / "models" / "peer.json").read_text())
    port = free_port()
    words = [sys.executable, "-m", "mlflow", "models", "serve", "-m", told["model"]]
    words += ["--env-manager", "local", "-h", "127.0.0.1", "-p", str(port), "-w", str(workers)]
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))  # its uvicorn
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "OMP_NUM_THREADS": "1", "PATH": path}
    with (home / "mlflow.log").open("ab") as log:
        # From our own folder: the model's loader is a module of ours.
        process = subprocess.Popen(
            words, cwd=Path(__file__).parents[1], env=environment, stdout=log, stderr=log
        )
    running = Running(process, port, 0.0, home / "mlflow.log")
    try:
        _wait(running)
        yield running, Load("/invocations", json.dumps(told["body"]), expected=OK)
    finally:
        running.kill()


def _wait(running: Running) -> None:
    until = time.perf_counter() + READY_WITHIN
    while time.perf_counter() < until and running.process.poll() is None:
        try:
            if patient_client().get(f"{running.url}/ping", timeout=5).status_code == OK:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError(f"mlflow did not get ready: {running.log.read_text()[-2000:]}")
