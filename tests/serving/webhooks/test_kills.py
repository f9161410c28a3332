"""Relays and their receiver are killed at random, and every message arrives."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.ledger_databases import KINDS, databases
from benchmarks.running import ROOT, free_port
from ledger.outbox import Endpoint, Message
from ledger.store import Ledger

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGES, KILLS, WITHIN = 60, 6, 120.0


@pytest.fixture(scope="module")
def made():
    with databases() as found:
        yield found


class Parts:
    """The processes, each of which can be killed and is then started again."""

    def __init__(self, url: str, port: int, kept: Path) -> None:
        started = str(time.time())
        self.words = {
            "receiver": ["receiver", str(port), str(kept)],
            "one relay": ["relay", url, started],
            "another relay": ["relay", url, started],
        }
        self.running = {name: self.start(name) for name in self.words}

    def start(self, name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(Path(__file__).with_name("parts.py")), *self.words[name]]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env={"PYTHONPATH": str(ROOT)})
        assert process.stdout.readline().strip() in {b"relaying", b"receiving"}
        return process

    def kill(self, name: str) -> None:
        process = self.running[name]
        process.kill()
        process.wait()
        process.stdout.close()
        self.running[name] = self.start(name)

    def end(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()
            process.stdout.close()


@pytest.mark.parametrize("kind", KINDS)
def test_killing_relays_and_receiver_at_random_loses_nothing(made, tmp_path, kind):
    url, port, kept, chance = made.new(kind), free_port(), tmp_path / "kept", random.Random(7)
    ledger, now = Ledger(url, lock_seconds=20), datetime.now(UTC)
    with ledger.write() as tx:
        hook = f"http://127.0.0.1:{port}/"
        tx.put_endpoint(Endpoint("whk_1", hook, SECRET), actor="service:test", at=now)
    parts = Parts(url, port, kept)
    try:
        for number in range(MESSAGES):
            with ledger.write() as tx:
                tx.enqueue(Message(f"msg_{number}", "test", "RMA-1/1", {}, now, "service:test"))
            if number % (MESSAGES // KILLS) == 0:
                parts.kill(chance.choice(sorted(parts.words)))
        settled = _settled(ledger)
    finally:
        parts.end()
        ledger.close()
    assert settled == {"delivered": MESSAGES}
    assert set(kept.read_text().split()) == {f"msg_{number}" for number in range(MESSAGES)}


def _settled(ledger: Ledger) -> dict[str, int]:
    until = time.monotonic() + WITHIN
    while True:
        with ledger.queue() as queue:
            found = queue.counts()
        if "pending" not in found or time.monotonic() > until:
            return found
        time.sleep(0.1)
