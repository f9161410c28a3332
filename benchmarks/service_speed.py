"""How fast the service answers, beside an empty endpoint of the same stack.

The service does everything: key, idempotency, five models, policy, a durable write. Both run at the same time
and are asked in turns, so that whatever else the machine does falls on both.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from benchmarks.champions import keep_champions
from benchmarks.load import drive, request
from benchmarks.report import Figure, Mode
from benchmarks.running import Running, bento, environment, free_port, recoup, started
from tests.factories import a_line

PATH = "/v1/recommendations"
MANY = 16  # connections
CUSTOMERS = 500
ROUNDS: dict[Mode, tuple[int, float]] = {"quick": (3, 1.5), "normal": (6, 5.0), "full": (12, 15.0)}
WARM_UP = 1.0  # seconds
MEGABYTE = 1e6


@dataclass(frozen=True, slots=True)
class Round:
    """One turn of one server; seconds and requests a second."""

    p50: float
    p99: float
    rate: float


def run(mode: Mode) -> dict[str, Figure]:
    """Measure both servers in turns."""
    rounds, seconds = ROUNDS[mode]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        home = Path(folder)
        keep_champions(home)
        served, floor = _start(home, stack)
        make = lines((home / "keys" / "orchestrator").read_text().strip())
        for server in (served, floor):
            drive(server.port, make, connections=1, seconds=WARM_UP, expected=201)
        turns = [(measure(served, make, seconds), measure(floor, make, seconds)) for _ in range(rounds)]
        memory = served.worker.memory_info().rss / MEGABYTE
    ours, bare = [turn[0] for turn in turns], [turn[1] for turn in turns]
    return {
        "start_to_ready": Figure(round(served.seconds, 2), "s", target="<= 8"),
        "worker_memory": Figure(round(memory, 1), "MB", target="<= 600"),
        **figures("service", ours),
        **figures("floor", bare),
        "service_p99_over_p50": spread([one.p99 / one.p50 for one in ours], "times", target="<= 4"),
        "service_rate_16_least": Figure(min(one.rate for one in ours), "req/s", target=">= 300"),
        "p50_ratio": spread([one.p50 / other.p50 for one, other in turns], "times"),
        "p99_ratio": spread([one.p99 / other.p99 for one, other in turns], "times"),
        "rate_ratio": spread([one.rate / other.rate for one, other in turns], "times"),
    }


def _start(home: Path, stack: ExitStack) -> tuple[Running, Running]:
    ours, bare = free_port(), free_port()
    env = environment(home)
    return (
        stack.enter_context(started(recoup(ours), ours, env=env, log=home / "service.log")),
        stack.enter_context(
            started(bento("benchmarks.floor:Floor", bare), bare, env=env, log=home / "floor.log")
        ),
    )


def lines(key: str) -> Callable[[int], bytes]:
    """Make requests of which no two are about the same return, sale or intent."""
    numbers = count()

    def make(_: int) -> bytes:
        number = next(numbers)
        line = a_line(
            return_line_id=f"RMA-{number}/1",
            sale__order_number=f"SO-{number}",
            customer__id=f"C-{number % CUSTOMERS}",
        )
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": f"bench-{number}"}
        return request(PATH, json.dumps(line).encode(), headers)

    return make


def measure(server: Running, make: Callable[[int], bytes], seconds: float) -> Round:
    """Latency over one connection, then throughput over many."""
    alone = drive(server.port, make, connections=1, seconds=seconds, expected=201)
    crowd = drive(server.port, make, connections=MANY, seconds=seconds, expected=201)
    return Round(alone.quantile(0.50), alone.quantile(0.99), crowd.rate)


def figures(name: str, turns: Sequence[Round]) -> dict[str, Figure]:
    """What one server did over all rounds."""
    return {
        f"{name}_p50_ms": spread([1000 * one.p50 for one in turns], "ms"),
        f"{name}_p99_ms": spread([1000 * one.p99 for one in turns], "ms"),
        f"{name}_rate_16": spread([one.rate for one in turns], "req/s"),
    }


def spread(values: Sequence[float], unit: str, *, target: str | None = None) -> Figure:
    """The median round, with the least and the most of all rounds."""
    return Figure(statistics.median(values), unit, min(values), max(values), target)
