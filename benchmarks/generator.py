"""The load: wrk where it is installed (a Debian package), else our own generator, and which it was.

A generator in Python takes as much of the machine as the service does; wrk takes a twentieth of it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

from benchmarks.load import drive, request

WRK: Final = shutil.which("wrk")
SCRIPT: Final = Path(__file__).with_name("load.lua")
MISSING: Final = "wrk is not installed (apt install wrk): our own generator drives the load, and slows it."
_RUNS: Final = count()


@dataclass(frozen=True, slots=True)
class Round:
    """One turn of one server: seconds, and requests a second."""

    p50: float
    p99: float
    rate: float


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent: a body in which `@` becomes the number of the request, `#` that of a customer."""

    path: str
    body: str
    key: str | None = None
    expected: int = 201


def ask(port: int, load: Load, *, connections: int, seconds: float) -> Round:
    """Drive a server for a while, over connections that each wait for their answer.

    Raises
    ------
    RuntimeError
        If an answer was a refusal.
    """
    run = f"{port}x{next(_RUNS)}"
    if WRK is None:
        found = drive(
            port, maker(load, run), connections=connections, seconds=seconds, expected=load.expected
        )
        return Round(found.quantile(0.50), found.quantile(0.99), found.rate)
    template = Path(tempfile.gettempdir()) / f"recoup-{run}.json"
    template.write_text(load.body)
    words = [WRK, "-t1", f"-c{connections}", f"-d{max(round(seconds), 1)}s", "-s", str(SCRIPT)]
    words += [
        f"http://127.0.0.1:{port}{load.path}",
        "--",
        str(template),
        run,
        *([load.key] if load.key else []),
    ]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    finally:
        template.unlink()
    return _read(json.loads(done.stdout.splitlines()[-1]))


def _read(said: dict[str, Any]) -> Round:
    if said["failed"] or not said["requests"]:
        raise RuntimeError(f"the server refused {said['failed']} of {said['requests']} requests under load")
    return Round(said["p50"] / 1e6, said["p99"] / 1e6, said["requests"] / said["microseconds"] * 1e6)


def maker(load: Load, run: str) -> Callable[[int], bytes]:
    """Make the requests of a run, one by one."""

    def make(number: int) -> bytes:
        body = load.body.replace("@", f"{run}-{number}").replace("#", str(number % 500))
        headers = {"Idempotency-Key": f"{run}-{number}"}
        headers |= {"Authorization": f"Bearer {load.key}"} if load.key else {}
        return request(load.path, body.encode(), headers)

    return make
