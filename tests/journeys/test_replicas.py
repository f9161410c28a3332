"""Two services on one PostgreSQL behind a load balancer are one service, and either may be killed."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from benchmarks.ledger_clients import PATIENCE, PENDING, RULE, Clients, Told, judged
from benchmarks.ledger_databases import Databases, databases
from benchmarks.running import free_port
from ledger.outbox import Endpoint
from ledger.store import Ledger
from serving.stamps import utc_now
from tests.factories import a_line
from tests.journeys.conftest import Served

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(
        shutil.which("haproxy") is None,
        reason="no haproxy here: replicas are tested behind it (apt-get install haproxy, or make haproxy)",
    ),
]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ISSUED = "returns.recommendation.issued.v1"
CROWD = 20  # requests at once
MORE = 12  # answers by which a service shows that it goes on
CONFIG = """
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  retries 2
  option redispatch
listen recoup
  bind 127.0.0.1:{port}
  balance roundrobin
  option httpchk GET /readyz
  default-server check inter 200 fall 1 rise 1
  http-response set-header X-Served-By %s
  server one 127.0.0.1:{one}
  server other 127.0.0.1:{other}
"""


@dataclass
class Stand:
    """Two replicas with homes of their own on one database, and what clients were told so far."""

    url: str
    replicas: list[Served]
    told: Told
    folder: Path

    @property
    def keys(self) -> dict[str, str]:
        """Those that the first replica made: both know them."""
        home = self.replicas[0].home
        return {role: home.key(role) for role in ("orchestrator", "supervisor", "auditor")}

    def judged(self) -> Counter[str]:
        """Everything that is wrong with what the ledger holds."""
        found = judged(self.told, self.url)
        del found["acknowledged"]
        return +found

    def goes_on(self) -> None:
        """Wait until clients got more answers."""
        enough, until = len(self.told.answers) + MORE, time.monotonic() + PATIENCE
        while len(self.told.answers) < enough:
            assert time.monotonic() < until
            time.sleep(0.05)

    @contextmanager
    def balanced(self) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
        """Both behind a load balancer: its address and its process."""
        one, other = (replica.running.port for replica in self.replicas)
        port, config = free_port(), self.folder / "haproxy.cfg"
        config.write_text(CONFIG.format(port=port, one=one, other=other))
        process = subprocess.Popen(["haproxy", "-db", "-q", "-f", str(config)], stderr=subprocess.DEVNULL)
        url, until = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE
        try:
            while not _listens(url):
                assert time.monotonic() < until
                time.sleep(0.05)
            yield url, process
        finally:
            process.kill()
            process.wait()


def _listens(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def made() -> Iterator[Databases]:
    with databases() as found:
        yield found


@pytest.fixture(scope="module")
def stand(made, make_home, serve, tmp_path_factory) -> Stand:
    url = made.new("postgresql")
    settings = {
        "RECOUP_DATABASE_URL": url,
        "RECOUP_DEADLINE_SECONDS": f"{PATIENCE:.0f}",
        "RECOUP_WEBHOOKS_TO_PRIVATE": "true",
    }
    replicas = [serve(replace(make_home(), settings=settings)) for _ in range(2)]
    return Stand(url, replicas, Told(), tmp_path_factory.mktemp("balancer"))


def at_once(work: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    with ThreadPoolExecutor(CROWD) as pool:
        return list(pool.map(work, range(CROWD)))


def test_one_key_asked_of_both_at_once_is_one_credit(stand):
    """Each answers with the same recommendation or tells to ask again."""
    line = a_line(return_line_id=f"{uuid4()}/1")
    asking = {"Idempotency-Key": str(uuid4())}
    answers = at_once(
        lambda number: stand.replicas[number % 2].call(
            "POST", "/v1/recommendations", key=stand.keys["orchestrator"], json=line, headers=asking
        )
    )
    assert {answer.status_code for answer in answers} <= {200, 201, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code != 409}) == 1
    assert stand.judged() == {}


def test_an_approval_read_at_one_is_decided_once_at_either(stand):
    """The ETag of one holds at the other, and after the vote neither takes another."""
    one, other = stand.replicas
    line = a_line(return_line_id=f"{uuid4()}/1", sale__order_number=str(uuid4()), **PENDING)
    said = one.call("POST", "/v1/recommendations", json=line).json()
    (approval,) = (ask["id"] for ask in said["approvals"] if ask["rule"] == RULE)
    path, key = f"/v1/approvals/{approval}", stand.keys["supervisor"]
    etag = one.call("GET", path, key=key).headers["ETag"]
    vote = {"vote": "approve", "comment": "as agreed"}
    answers = [
        replica.call("POST", f"{path}/votes", key=key, json=vote, headers={"If-Match": etag})
        for replica in (other, one)
    ]
    assert [answer.status_code for answer in answers] in ([201, 409], [201, 412])
    assert one.call("GET", path, key=key).json()["status"] == "approved"
    assert stand.judged() == {}


def test_a_replica_killed_and_started_again_under_load_loses_and_doubles_nothing(stand, serve):
    """The other goes on meanwhile; the chain is whole; what is in doubt is asked again of either."""
    with stand.balanced() as (url, balancer):
        assert {httpx.get(f"{url}/livez").headers["X-Served-By"] for _ in range(4)} == {"one", "other"}
        with Clients(url, stand.keys, stand.told, name="load") as clients:
            assert clients.heard.wait(PATIENCE)
            killed = stand.replicas[0]
            killed.running.kill()
            stand.goes_on()
            stand.replicas[0] = serve(killed.home, killed.running.port)
            stand.goes_on()
            balancer.kill()  # which ends the clients
    stand.told.ask_again(stand.replicas[1].running.url)
    assert stand.judged() == {}
    verified = stand.replicas[1].home.recoup("audit", "verify")
    assert (verified.returncode, json.loads(verified.stdout)["valid"]) == (0, True)


@contextmanager
def receiver() -> Iterator[tuple[str, list[str]]]:
    """Somebody who takes webhooks and writes down whose recommendations they tell of."""
    got: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            got.append(event["data"]["recommendation_id"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", got
    server.shutdown()
    server.server_close()


def test_what_both_have_to_tell_leaves_once_by_two_relays(stand):
    with receiver() as (url, got):
        ledger = Ledger(stand.url)
        with ledger.write() as tx:
            tx.put_endpoint(Endpoint("whk_1", url, SECRET, (ISSUED,)), actor="service:test", at=utc_now())
        ledger.close()
        lines = [a_line(return_line_id=f"{uuid4()}/1", sale__order_number=str(uuid4())) for _ in range(8)]
        said = [
            stand.replicas[place % 2]
            .call("POST", "/v1/recommendations", key=stand.keys["orchestrator"], json=line)
            .json()["id"]
            for place, line in enumerate(lines)
        ]
        with ThreadPoolExecutor(2) as pool:
            done = list(pool.map(lambda replica: replica.home.recoup("relay", "--once"), stand.replicas))
    assert [one.returncode for one in done] == [0, 0]
    assert sorted(got) == sorted(said)
