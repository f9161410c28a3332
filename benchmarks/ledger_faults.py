"""What the ledger loses, doubles or misses when writers are killed or crowd, or a dump is tampered with."""

from __future__ import annotations

import multiprocessing
import random
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import Column, select

from benchmarks.ledger_databases import KINDS, Databases, databases
from benchmarks.report import Figure, Mode
from benchmarks.running import ROOT
from ledger.audit import verify_dump
from ledger.chain import ConflictError
from ledger.outbox import Remembered
from ledger.schema import recommendations, votes
from ledger.store import Ledger, Transaction
from tests.ledger.records import NOON, a_recommendation
from tests.ledger.tampering import small_dump, tamperings

KILLS: dict[Mode, int] = {"quick": 3, "normal": 25, "full": 200}
PER_WRITER: dict[Mode, int] = {"quick": 50, "normal": 1000, "full": 1000}
KILLS_A_DATABASE = 25  # each kill is followed by a verification of all there is
WRITERS, TRIES, AT_ONCE = 16, 1000, 50


def run(mode: Mode) -> dict[str, Figure]:
    """Kill, crowd, duplicate on both databases; tamper with a dump."""
    figures: dict[str, Figure] = {}
    with databases() as made:
        for kind in KINDS:
            found = killed(made, kind, KILLS[mode])
            figures |= {f"{kind}_{name}": figure for name, figure in found.items()}
            figures[f"{kind}_chain_gaps"] = crowded(made.new(kind), PER_WRITER[mode])
            figures[f"{kind}_credits_of_one_key"] = duplicated(made.new(kind))
    return figures | tampered()


def killed(made: Databases, kind: str, kills: int) -> dict[str, Figure]:
    """Kill a process of four writing threads at a moment drawn at random, again and again."""
    moments, sums = random.Random(7), Counter[str]()
    for kill in range(kills):
        if kill % KILLS_A_DATABASE == 0:
            url = made.new(kind)
        lines = written_until_killed(url, f"k{kill}", seconds=moments.uniform(0.05, 0.6))
        sums += judged(url, lines)
    zero = {
        name: Figure(sums[name], "records", target="== 0") for name in ("lost", "doubled", "half_written")
    }
    broken = Figure(sums["broken"], "chains", target="== 0")
    told = Figure(sums["acknowledged"], "records", target=f">= {kills}")
    return {"kills": Figure(kills, "times"), "acknowledged": told, **zero, "broken_chains": broken}


def written_until_killed(url: str, name: str, *, seconds: float) -> list[list[str]]:
    """Start a writer, let it write for `seconds`, kill it with SIGKILL; what it said."""
    words = [sys.executable, "-m", "benchmarks.ledger_writer", url, name]
    writer = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    said: list[str] = [writer.stdout.readline()]
    # The timer starts with the first word, not with the interpreter.
    timer = threading.Timer(seconds, writer.kill)
    timer.start()
    said += writer.stdout.readlines()
    writer.wait()
    # A last line without its end was cut by the kill.
    return [line.split() for line in said if line.endswith("\n")]


def judged(url: str, lines: list[list[str]]) -> Counter[str]:
    """Compare what a killed writer said with what the ledger holds; send what is in doubt again."""
    said = {
        word: {name for other, name in lines if other == word} for word in ("try", "recommended", "voted")
    }
    ledger = Ledger(url, lock_seconds=60)
    for name in said["try"] - said["recommended"]:
        try:
            with ledger.write() as tx:
                tx.add_recommendation(a_recommendation(name))
        except ConflictError:
            pass  # it had been committed after all
    with ledger.read() as tx:
        given = Counter(column(tx, recommendations.c.return_line_id))
        cast = Counter(name.removeprefix("vote:") for name in column(tx, votes.c.id))
        unapproved = sum(not tx.approvals_of(f"rec:{name}") for name in said["recommended"])
    valid = ledger.verify().valid
    ledger.close()
    return Counter(
        lost=len(said["try"] - given.keys()) + len(said["voted"] - cast.keys()),
        doubled=sum(n > 1 for n in given.values()) + sum(n > 1 for n in cast.values()),
        half_written=unapproved,
        broken=int(not valid),
        acknowledged=len(said["recommended"]) + len(said["voted"]),
    )


def column(tx: Transaction, wanted: Column[str]) -> list[str]:
    """One column of a table, read past the ledger's own doors: doubles would hide behind them."""
    return list(tx._connection.execute(select(wanted)).scalars())  # noqa: SLF001


def write_many(url: str, writer: int, records: int) -> None:
    """Write records as one of many processes."""
    ledger = Ledger(url, lock_seconds=600)
    for number in range(records):
        with ledger.write() as tx:
            tx.append("test", subject=f"{writer}/{number}", actor="emp:1", at=NOON, body={"n": number})
    ledger.close()


def crowded(url: str, records: int) -> Figure:
    """Let sixteen processes write at once; entries that are missing, or all where the chain is broken."""
    start = multiprocessing.get_context("spawn")
    processes = [start.Process(target=write_many, args=(url, writer, records)) for writer in range(WRITERS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    ledger = Ledger(url)
    found = ledger.verify()
    ledger.close()
    expected = WRITERS * records
    return Figure(expected - found.entries if found.valid else expected, f"of {expected}", target="== 0")


def duplicated(url: str) -> Figure:
    """Ask for one credit a thousand times at once, under two idempotency keys; how many were given."""
    ledger = Ledger(url, lock_seconds=600, pool_size=AT_ONCE)

    def ask(number: int) -> None:
        key = f"key-{number % 2}"
        try:
            with ledger.write() as tx:
                if tx.remembered("service:x", key) is None:
                    tx.add_recommendation(a_recommendation())
                    tx.remember("service:x", key, Remembered("sha256:p", 201, {}, {}), at=NOON)
        except ConflictError:
            pass  # the other key was first

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(ask, range(TRIES)))
    with ledger.read() as tx:
        given = len(column(tx, recommendations.c.id))
    ledger.close()
    return Figure(given, f"of {TRIES}", target="== 1")


def tampered() -> dict[str, Figure]:
    """Tamper with a small dump in every way; how often, and how often unseen."""
    tried = unseen = 0
    with tempfile.TemporaryDirectory() as folder:
        content = small_dump(Path(folder)).read_bytes()
        altered = Path(folder) / "altered.jsonl"
        for variant in tamperings(content):
            altered.write_bytes(variant)
            tried += 1
            unseen += verify_dump(altered).valid
    return {
        "tamperings": Figure(tried, "times", target=">= 10000"),
        "tamperings_unseen": Figure(unseen, "times", target="== 0"),
    }
