"""How fast the service answers, beside the least that the same stack can do and beside what one would take.

The service does everything: key, idempotency, models, policy, a durable write. Servers run at the same time
and are asked in turns, so that whatever else the machine does falls on all.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from benchmarks import lifecycle, prediction
from benchmarks.champions import keep_champions
from benchmarks.generator import MISSING, WRK, Load, Round, ask, maker
from benchmarks.load import drive
from benchmarks.peer import mlflow_server
from benchmarks.report import Figure, Mode
from benchmarks.running import Running, bento, environment, free_port, recoup, started
from tests.factories import a_line

PATH = "/v1/recommendations"
MANY = 16  # connections
BATCH = 1_000  # lines
RETURNS = {"quick": 2_500, "normal": 5_000, "full": 20_000}  # of the world that the models learn from
ROUNDS: dict[Mode, tuple[int, float]] = {"quick": (3, 1.5), "normal": (6, 5.0), "full": (12, 15.0)}
WARM_UP = 1.5  # seconds
MEGABYTE = 1e6
CORES = os.cpu_count() or 1


def run(mode: Mode) -> dict[str, Figure]:
    """Measure one worker, all workers, batches, the peer, events, and prediction alone."""
    if WRK is None:
        print(MISSING)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        keep_champions(home, returns=RETURNS[mode])
        figures = _one_worker(home, mode) | _all_workers(home, mode) | _against_mlflow(home, mode)
        figures |= prediction.figures(home / "models", mode)
        figures |= lifecycle.figures(home, mode)
    return figures | {"outside_generator": Figure(float(WRK is not None), "wrk")}


def a_load(key: str | None) -> Load:
    """Return lines of which no two are about the same return, sale or intent."""
    line = a_line(
        return_line_id="RMA-@/1",
        rma_number="RMA-@",
        sale__order_number="SO-@",
        customer__id="C-#",
        customer_note="stops after @ minutes",
    )
    return Load(PATH, json.dumps(line), key)


@contextmanager
def _served(home: Path, *, workers: int) -> Iterator[tuple[Running, Load, Running, Load]]:
    """The service with a fresh ledger, and the floor, each with so many workers."""
    own = home / f"workers-{workers}"
    own.mkdir()
    (own / "bentoml").symlink_to(home / "bentoml")
    env = environment(own) | {"RECOUP_WORKERS": str(workers)}
    ours, bare = free_port(), free_port()
    with ExitStack() as stack:
        served = stack.enter_context(started(recoup(ours), ours, env=env, log=own / "service.log"))
        words = bento("benchmarks.floor:Floor", bare)
        floor = stack.enter_context(started(words, bare, env=env, log=own / "floor.log"))
        load = a_load((own / "keys" / "orchestrator").read_text().strip())
        for server, sent in ((served, load), (floor, replace(load, key=None))):
            # The first answers of a process take seconds on a busy machine.
            drive(server.port, maker(sent, "first"), connections=1, seconds=WARM_UP, expected=201)
        yield served, load, floor, replace(load, key=None)


def _one_worker(home: Path, mode: Mode) -> dict[str, Figure]:
    """Latency over one connection, memory and start, and batches."""
    rounds, seconds = ROUNDS[mode]
    ours, least, empty = list[Round](), list[Round](), list[Round]()
    with _served(home, workers=1) as (served, load, floor, bare):
        for _ in range(rounds):
            ours.append(ask(served.port, load, connections=1, seconds=seconds))
            least.append(ask(floor.port, bare, connections=1, seconds=seconds))
            nothing = replace(bare, path="/empty")
            empty.append(ask(floor.port, nothing, connections=1, seconds=seconds / 3))
        batches = [_batch(served.url, load, number) for number in range(rounds)]
        memory = served.worker.memory_info().rss / MEGABYTE
    single = [one.rate for one in ours]
    faster = [lines / rate for lines, rate in zip(batches, single, strict=True)]
    return {
        "start_to_ready": Figure(round(served.seconds, 2), "s", target="<= 8"),
        "worker_memory": Figure(round(memory, 1), "MB", target="<= 600"),
        **_latencies("service", ours),
        **_latencies("floor", least),
        **_latencies("empty", empty),
        "p50_over_floor": spread(_ratio(ours, least, "p50"), "times", target="<= 1.5"),
        "p99_over_p50": spread([one.p99 / one.p50 for one in ours], "times", target="<= 4"),
        "batch_lines_per_second": spread(batches, "lines/s"),
        "batch_over_single": spread(faster, "times", target=">= 10"),
    }


def _batch(url: str, load: Load, number: int) -> float:
    """Lines a second of one batch, every one of which is answered with a recommendation."""
    items = [
        json.loads(load.body.replace("@", f"B{number}-{place}").replace("#", str(place)))
        for place in range(BATCH)
    ]
    headers = {"Authorization": f"Bearer {load.key}", "Idempotency-Key": f"batch-{number}"}
    begun = time.perf_counter()
    answer = httpx.post(f"{url}{PATH}/batch", json={"items": items}, headers=headers, timeout=120)
    taken = time.perf_counter() - begun
    refused: list[Any] = [one for one in answer.json()["items"] if one["status"] != httpx.codes.CREATED]
    if refused:
        raise RuntimeError(f"{len(refused)} lines of a batch were refused: {refused[0]}")
    return BATCH / taken


def _all_workers(home: Path, mode: Mode) -> dict[str, Figure]:
    """Throughput over many connections with a worker a core."""
    rounds, seconds = ROUNDS[mode]
    ours, least = list[Round](), list[Round]()
    with _served(home, workers=max(CORES, 2)) as (served, load, floor, bare):
        for _ in range(rounds):
            ours.append(ask(served.port, load, connections=MANY, seconds=seconds))
            least.append(ask(floor.port, bare, connections=MANY, seconds=seconds))
    return {
        "service_rate_16": spread([one.rate for one in ours], "req/s", target=">= 300"),
        "floor_rate_16": spread([one.rate for one in least], "req/s"),
        "rate_over_floor": spread(_ratio(ours, least, "rate"), "times", target=">= 0.6"),
    }


def _against_mlflow(home: Path, mode: Mode) -> dict[str, Figure]:
    """Both again in turns: what one would take, and ours with as many workers."""
    rounds, seconds = ROUNDS[mode]
    theirs, ours = list[tuple[Round, Round]](), list[tuple[Round, Round]]()
    again = home / "peers"
    again.mkdir()
    (again / "bentoml").symlink_to(home / "bentoml")
    workers = max(CORES, 2)
    with (
        mlflow_server(home, workers=workers) as (peer, asked),
        _served(again, workers=workers) as (
            served,
            load,
            *_,
        ),
    ):
        ask(peer.port, asked, connections=MANY, seconds=WARM_UP)
        for _ in range(max(rounds // 2, 2)):
            for server, sent, kept in ((peer, asked, theirs), (served, load, ours)):
                one = ask(server.port, sent, connections=1, seconds=seconds)
                kept.append((one, ask(server.port, sent, connections=MANY, seconds=seconds)))
    p50 = [one[0].p50 / other[0].p50 for one, other in zip(ours, theirs, strict=True)]
    rate = [one[1].rate / other[1].rate for one, other in zip(ours, theirs, strict=True)]
    return {
        "mlflow_p50_ms": spread([1000 * one.p50 for one, _ in theirs], "ms"),
        "mlflow_rate_16": spread([many.rate for _, many in theirs], "req/s"),
        "p50_over_mlflow": spread(p50, "times", target="<= 0.5"),
        "rate_over_mlflow": spread(rate, "times", target=">= 3"),
    }


def _ratio(ours: Sequence[Round], others: Sequence[Round], name: str) -> list[float]:
    return [getattr(one, name) / getattr(other, name) for one, other in zip(ours, others, strict=True)]


def _latencies(name: str, turns: Sequence[Round]) -> dict[str, Figure]:
    """What one server did over one connection in all rounds."""
    return {
        f"{name}_p50_ms": spread([1000 * one.p50 for one in turns], "ms"),
        f"{name}_p99_ms": spread([1000 * one.p99 for one in turns], "ms"),
        f"{name}_rate_1": spread([one.rate for one in turns], "req/s"),
    }


def spread(values: Sequence[float], unit: str, *, target: str | None = None) -> Figure:
    """The median round, with the least and the most of all rounds."""
    return Figure(statistics.median(values), unit, min(values), max(values), target)
