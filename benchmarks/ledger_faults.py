"""What is lost, doubled or missed when the service is killed, writers crowd or a dump is tampered with.

The service is the one that users start, with all its models, and is spoken to over HTTP. The services on both
databases are killed side by side, for most of the time they are starting.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
import shutil
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from benchmarks.champions import keep_champions
from benchmarks.ledger_clients import PATIENCE, Clients, Told, headers, judged
from benchmarks.ledger_databases import KINDS, databases
from benchmarks.report import Figure, Mode
from benchmarks.running import Running, environment, free_port, recoup, start
from ledger.audit import verify_dump
from ledger.store import Ledger
from tests.factories import a_line
from tests.ledger.records import NOON
from tests.ledger.tampering import small_dump, tamperings

KILLS: dict[Mode, int] = {"quick": 3, "normal": 25, "full": 200}
PER_WRITER: dict[Mode, int] = {"quick": 50, "normal": 1000, "full": 1000}
WRITERS, TRIES = 16, 1000
ROLES = ("orchestrator", "supervisor", "auditor")


def run(mode: Mode) -> dict[str, Figure]:
    """Kill, crowd, duplicate on both databases; tamper with a dump."""
    with databases() as made, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        champions = Path(folder) / "champions"
        keep_champions(champions)
        services = [Service(champions, Path(folder) / kind, made.new(kind)) for kind in KINDS]
        with ThreadPoolExecutor(len(KINDS)) as pool:
            proofs = list(pool.map(lambda service: proven(service, KILLS[mode]), services))
        figures = {
            f"{kind}_{name}": figure
            for kind, found in zip(KINDS, proofs, strict=True)
            for name, figure in found.items()
        }
        for kind in KINDS:
            figures[f"{kind}_chain_gaps"] = crowded(made.new(kind), PER_WRITER[mode])
    return figures | tampered()


class Service:
    """A service with a home, a port and a database that outlive each of its processes."""

    def __init__(self, champions: Path, home: Path, database: str) -> None:
        shutil.copytree(champions / "bentoml", home / "bentoml")
        self.home, self.database, self.port = home, database, free_port()

    def start(self) -> Running:
        """Start it as users do; nothing that is measured here is about its deadline."""
        env = environment(self.home) | {
            "RECOUP_DATABASE_URL": self.database,
            "RECOUP_DEADLINE_SECONDS": f"{PATIENCE:.0f}",
        }
        return start(recoup(self.port), self.port, env=env, log=self.home / "service.log")

    @property
    def keys(self) -> dict[str, str]:
        """The keys that the first start made."""
        return {role: (self.home / "keys" / role).read_text().strip() for role in ROLES}


def proven(service: Service, kills: int) -> dict[str, Figure]:
    """Kill the service again and again, then ask what is left for one credit a thousand times."""
    running = service.start()
    try:
        moments, told, sums, unsaid = random.Random(7), Told(), Counter[str](), 0
        for kill in range(kills):
            killed(running, service, told, name=f"k{kill}", seconds=moments.uniform(0.05, 1.0))
            running = service.start()
            told.ask_again(running.url)
            # The worst of all judgements: each is about everything that was said so far.
            sums |= judged(told, service.database)
            unsaid += not says_valid(running, service)
        statuses = asyncio.run(asked_at_once(running.url, service.keys["orchestrator"]))
        given = credits_given(running, service)
    finally:
        running.kill()
    if strange := {status: n for status, n in statuses.items() if status not in {200, 201, 409}}:
        print(f"one key was answered {json.dumps(strange)}")
    return {
        "kills": Figure(kills, "times"),
        "acknowledged": Figure(sums["acknowledged"], "records", target=f">= {kills}"),
        "asked_again": Figure(told.again, "records", target=">= 1"),
        **{
            name: Figure(sums[name], "records", target="== 0") for name in ("lost", "doubled", "half_written")
        },
        "broken_chains": Figure(sums["broken"] + unsaid, "times", target="== 0"),
        "credits_of_one_key": Figure(given, f"of {statuses.total()}", target="== 1"),
        "other_answers": Figure(sum(strange.values()), f"of {statuses.total()}", target="== 0"),
    }


def killed(running: Running, service: Service, told: Told, *, name: str, seconds: float) -> None:
    """Kill the service and its workers with SIGKILL, `seconds` after clients have their first answers."""
    with Clients(running.url, service.keys, told, name=name) as clients:
        assert clients.heard.wait(PATIENCE)
        time.sleep(seconds)
        running.kill()


def says_valid(running: Running, service: Service) -> bool:
    """Whether the service itself finds its chain whole."""
    asking = headers(service.keys["auditor"], "none")
    found = httpx.get(f"{running.url}/v1/audit/verify", headers=asking, timeout=PATIENCE)
    return found.json()["valid"] is True


async def asked_at_once(url: str, token: str) -> Counter[int]:
    """Ask for one credit a thousand times at once, under two idempotency keys; how often which status."""
    line = a_line(return_line_id="one/1", sale__order_number="one")
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE, limits=limits) as client:
        asked = [
            client.post("/v1/recommendations", json=line, headers=headers(token, f"key-{number % 2}"))
            for number in range(TRIES)
        ]
        return Counter([answer.status_code for answer in await asyncio.gather(*asked)])


def credits_given(running: Running, service: Service) -> int:
    """How many recommendations the line has that was asked for at once."""
    asking = headers(service.keys["auditor"], "none")
    found = httpx.get(
        f"{running.url}/v1/recommendations",
        params={"return_line_id": "one/1"},
        headers=asking,
        timeout=PATIENCE,
    )
    return len(found.json()["items"])


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
