"""What a return takes in the ledger: a recommendation with its evidence, and the events of its life."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
from fastapi.testclient import TestClient

from benchmarks.ledger_clients import PENDING
from benchmarks.ledger_databases import databases
from benchmarks.lifecycle import LIFE, START, event
from benchmarks.report import Figure
from ledger.reference import Key
from ledger.store import Ledger
from models import disposition, fraud, workload
from policy.policies import DEFAULT_RULES, PolicySet, files_of
from serving.app import create_app
from serving.auth import hashed, new_key
from serving.runtime import Champions, Runtime
from serving.settings import Settings
from serving.stamps import utc_now
from serving.telemetry import configure_logs
from tests.factories import a_line

RETURNS = 400
REVIEWED = 20  # one in so many needs a person, as in the planning of reviews (5 %)


def figures(models: Path) -> dict[str, Figure]:
    """Fill a PostgreSQL ledger through the service and ask the server for its size."""
    configure_logs("error")
    with databases() as made, tempfile.TemporaryDirectory() as home:
        url, key, now = made.new("postgresql"), new_key(), utc_now()
        settings = Settings(home=Path(home), database_url=url)
        ledger, policies = Ledger(url), PolicySet.parse(files_of(DEFAULT_RULES))
        with ledger.write() as tx:
            tx.add_policy(policies.digest, content=files_of(DEFAULT_RULES), actor="service:bench", at=now)
            tx.add_key(Key(hashed(key), "orchestrator", "service:bench", (), None, now, "service:bench"))
        champions = Champions(
            disposition=disposition.load(models / "disposition"),
            fraud=fraud.load(models / "fraud"),
            workload=workload.load(models / "workload"),
            versions=(("disposition", "1"), ("fraud", "1"), ("workload", "1")),
        )
        runtime = Runtime(settings, ledger, policies, champions, utc_now)
        with TestClient(create_app(settings, lambda _: runtime)) as client:
            client.headers["Authorization"] = f"Bearer {key}"
            empty = size(url)
            for number in range(RETURNS):
                name, changes = f"SIZE-{number}", {} if number % REVIEWED else PENDING
                line = a_line(
                    return_line_id=f"{name}/1", sale__order_number=name, customer__id=name, **changes
                )
                accepted(client, "/v1/recommendations", line)
            recommended = size(url)
            for number in range(RETURNS):
                told = [event(f"SIZE-{number}/1", k, START + timedelta(hours=k)) for k in range(len(LIFE))]
                accepted(client, "/v1/events", told)
            lived = size(url)
        ledger.close()
    return {
        "ledger_kb_a_return": Figure((recommended - empty) / RETURNS / 1e3, "kB"),
        "ledger_kb_an_event": Figure((lived - recommended) / RETURNS / len(LIFE) / 1e3, "kB"),
    }


def accepted(client: TestClient, path: str, body: object) -> None:
    """Post something that has to be taken."""
    answer = client.post(path, json=body, headers={"Idempotency-Key": str(uuid4())})
    assert answer.is_success, answer.text


def size(url: str) -> int:
    """The bytes of a database, indexes included."""
    with psycopg.connect(url.replace("+psycopg", "", 1)) as connection:
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    return int(row[0]) if row else 0
