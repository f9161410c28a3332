"""A service over a real ledger, with models small enough to fit in seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi.testclient import TestClient

from ledger.reference import Key
from ledger.store import Ledger
from policy.policies import PolicySet, files_of
from serving.app import create_app
from serving.auth import hashed, new_key
from serving.runtime import Champions, Runtime
from serving.settings import Settings
from serving.telemetry import configure_logs
from tests.serving.world import champions_of_a_small_world

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **amount: float) -> None:
        self.now += timedelta(**amount)


@dataclass(frozen=True)
class Service:
    """The service as its clients see it, and the ledger behind it as an auditor does."""

    client: TestClient
    ledger: Ledger
    clock: Clock
    key_of: Callable[..., str]

    def call(self, method: str, path: str, *, role: str = "orchestrator", **options: Any) -> httpx.Response:
        """One call by a fresh or known key of `role`, with a fresh idempotency key unless one is given."""
        subject, sites = options.pop("subject", f"emp:{role}"), options.pop("sites", ())
        headers = {
            "Authorization": f"Bearer {self.key_of(role, subject, sites)}",
            **options.pop("headers", {}),
        }
        if method == "POST":
            headers.setdefault("Idempotency-Key", str(uuid4()))
        return self.client.request(method, path, headers=headers, **options)

    def recommend(self, line: dict[str, Any], **options: Any) -> httpx.Response:
        """Post one return line as the orchestrator."""
        return self.call("POST", "/v1/recommendations", json=line, subject="service:orchestrator", **options)

    def vote(self, approval_id: str, vote: str = "approve", **options: Any) -> httpx.Response:
        """Vote on the approval as it stands."""
        etag = self.call("GET", f"/v1/approvals/{approval_id}", role="auditor").headers["ETag"]
        headers = {"If-Match": etag, **options.pop("headers", {})}
        body = {"vote": vote, "comment": "seen"}
        return self.call("POST", f"/v1/approvals/{approval_id}/votes", json=body, headers=headers, **options)


@pytest.fixture(scope="session", autouse=True)
def _quiet_logs() -> None:
    """Log as the service does, errors alone."""
    configure_logs("error")


@pytest.fixture(scope="session")
def champions(tmp_path_factory: pytest.TempPathFactory) -> Champions:
    """Models fitted on a small simulated world and read back from their files."""
    return champions_of_a_small_world(tmp_path_factory.mktemp("models"))


@pytest.fixture
def make_service(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Make a service with given models, policies or settings."""
    opened: list[TestClient] = []

    def make(
        models: Champions | None = None, *, policies: PolicySet | None = None, **settings: Any
    ) -> Service:
        configured = Settings(home=tmp_path, **settings)
        ledger, clock = Ledger(configured.ledger_url), Clock()
        ledger.migrate()
        files = files_of(configured.policy_dir)
        rules = policies or PolicySet.parse(files)
        with ledger.write() as tx:
            tx.add_policy(rules.digest, content=files, actor="service:test", at=clock())
        runtime = Runtime(configured, ledger, rules, models or Champions(), clock)
        client = TestClient(create_app(configured, lambda _: runtime), raise_server_exceptions=False)
        client.__enter__()
        opened.append(client)
        return Service(client, ledger, clock, _keys(ledger, clock))

    yield make
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def service(make_service: Callable[..., Service], champions: Champions) -> Service:
    """A service with all its models."""
    return make_service(champions)


def _keys(ledger: Ledger, clock: Clock) -> Callable[..., str]:
    known: dict[tuple[str, str, tuple[str, ...]], str] = {}

    def key_of(role: str, subject: str, sites: tuple[str, ...] = (), *, days: int | None = None) -> str:
        name = (role, subject, tuple(sites))
        if name not in known:
            known[name] = new_key()
            expires = clock() + timedelta(days=days) if days else None
            key = Key(hashed(known[name]), role, subject, tuple(sites), expires, clock(), "service:test")
            with ledger.write() as tx:
                tx.add_key(key)
        return known[name]

    return key_of
