"""Lifecycle events at a fixed rate on PostgreSQL: a thousand a second in batches of a hundred, none lost."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psycopg

from benchmarks.ledger_databases import databases
from benchmarks.load import exchange, request
from benchmarks.report import Figure, Mode
from benchmarks.running import environment, free_port, recoup, started
from features.events import EventType

SECONDS: dict[Mode, int] = {"quick": 10, "normal": 300, "full": 600}
A_SECOND = 10  # batches
BATCH = 100  # events
ACCEPTED = 202
# What happens to a line, in order; each batch tells it of twenty lines.
LIFE = (
    EventType.RMA_REQUESTED,
    EventType.RECEIPT_CONFIRMED,
    EventType.INSPECTION_COMPLETED,
    EventType.DISPOSITION_EXECUTED,
    EventType.CREDIT_ISSUED,
)
START = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass
class Sent:
    """The time of every batch from when it was due, and what was not accepted."""

    seconds: list[float] = field(default_factory=list)
    refused: int = 0


def figures(champions: Path, mode: Mode) -> dict[str, Figure]:
    """Send events for as long as the mode says, and count what the ledger then holds."""
    with databases() as made, tempfile.TemporaryDirectory() as folder:
        home, url, port = Path(folder), made.new("postgresql"), free_port()
        shutil.copytree(champions / "bentoml", home / "bentoml", symlinks=True)
        env = environment(home) | {"RECOUP_DATABASE_URL": url}
        with started(recoup(port), port, env=env, log=home / "service.log"):
            key = (home / "keys" / "orchestrator").read_text().strip()
            sent = asyncio.run(_send(port, key, SECONDS[mode]))
        with psycopg.connect(url.replace("+psycopg", "", 1)) as connection:
            row = connection.execute("SELECT count(*) FROM events").fetchone()
    held, asked = row[0] if row else 0, len(sent.seconds) * BATCH
    return {
        "events_per_second": Figure(asked / SECONDS[mode], "events/s", target=">= 1000"),
        "events_lost": Figure(asked - held, "events", target="== 0"),
        "events_batch_p50_ms": Figure(float(np.quantile(sent.seconds, 0.50)) * 1000, "ms"),
        "events_batch_p99_ms": Figure(float(np.quantile(sent.seconds, 0.99)) * 1000, "ms", target="<= 500"),
        "events_batches_refused": Figure(sent.refused, "batches", target="== 0"),
    }


async def _send(port: int, key: str, seconds: int) -> Sent:
    """Send each batch when it is due, whether or not those before it were answered."""
    sent, free, tasks = Sent(), list[tuple[asyncio.StreamReader, asyncio.StreamWriter]](), []
    begin = time.perf_counter() + 0.5

    async def one(due: float, message: bytes) -> None:
        while free and free[-1][0].at_eof():  # the server closes what has been idle for long
            free.pop()[1].close()
        pair = free.pop() if free else await asyncio.open_connection("127.0.0.1", port)
        status = await exchange(*pair, message)
        sent.seconds.append(time.perf_counter() - due)
        sent.refused += status != ACCEPTED
        free.append(pair)

    for number, message in enumerate(_batches(key, seconds * A_SECOND)):
        due = begin + number / A_SECOND
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        tasks.append(asyncio.create_task(one(due, message)))
    await asyncio.gather(*tasks)
    for _, writer in free:
        writer.close()
    return sent


def _batches(key: str, count: int) -> Iterator[bytes]:
    for batch in range(count):
        lines = BATCH // len(LIFE)
        told = [
            event(f"RMA-{batch}-{line}/1", step, START + timedelta(hours=batch + step))
            for line in range(lines)
            for step in range(len(LIFE))
        ]
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": f"events-{batch}"}
        yield request("/v1/events", json.dumps(told).encode(), headers)


def event(line: str, step: int, moment: datetime) -> dict[str, object]:
    """One step of the life of a line."""
    data = {"grade": "B", "minutes": 7.5} if LIFE[step] is EventType.INSPECTION_COMPLETED else {}
    return {
        "specversion": "1.0",
        "id": f"{line}:{step}",
        "source": "wms",
        "type": LIFE[step].value,
        "subject": line,
        "time": moment.isoformat(),
        "data": data,
    }
