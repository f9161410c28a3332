"""`recoup serve` as its users meet it: first start, refusals, shutdown, and a crash under load."""

import json
import os
import re
import signal
import socket
import stat
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Self

import httpx
import psutil
import pytest

from benchmarks.running import READY_WITHIN, is_ready
from ledger.store import Ledger
from serving.access import RIGHTS
from serving.stamps import utc_now
from tests.factories import a_line
from tests.journeys.conftest import Home, Served

pytestmark = pytest.mark.journey
CLIENTS = 8
MANY = 150  # lines of a batch: some seconds of work
ENOUGH = 24  # acknowledged recommendations before a crash


@pytest.fixture(scope="module")
def service(make_home: Callable[[], Home], serve: Callable[[Home], Served]) -> Served:
    """A service after its first local start."""
    return serve(make_home())


def test_a_first_local_start_makes_a_key_for_every_role(service: Served):
    """They work at once, and only their owner can read them."""
    folder = service.home.folder / "keys"
    assert {path.name for path in folder.iterdir()} == set(RIGHTS)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())} == {0o700, 0o600}
    assert service.call("POST", "/v1/recommendations", json=a_line()).status_code == 201
    assert str(folder) in service.running.log.read_text()


def test_it_listens_on_loopback_alone(service: Served):
    """Neither the service nor BentoML's inner server can be reached from outside."""
    family = [psutil.Process(service.running.process.pid), *service.running.children]
    heard = {
        connection.laddr.ip
        for process in family
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert heard == {"127.0.0.1"}


def test_without_keys_it_refuses_to_listen_to_the_network(make_home: Callable[[], Home]):
    """One sentence, exit status 2, no key made."""
    home = make_home()
    done = home.recoup("serve", "--host", "0.0.0.0")
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1)
    assert "recoup keys create" in done.stderr
    assert not (home.folder / "keys").exists()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/no/such/place", 404),
        ("POST", "/v1", 404),
        ("PATCH", "/v1/recommendations", 405),
        ("DELETE", "/v1/recommendations", 405),
        ("PUT", "/v1/approvals/apr_1/votes", 405),
        ("OPTIONS", "/v1/recommendations", 405),
    ],
)
def test_what_is_not_there_is_a_problem_too(service: Served, method: str, path: str, status: int):
    """Through BentoML as well, unknown paths and wrong methods are problem+json."""
    answer = service.call(method, path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert answer.json()["status"] == status
    assert ("Allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_beyond_the_limit_is_refused_while_it_arrives(service: Served, declared: bool):  # noqa: FBT001
    """Whether its length is declared or it comes in chunks."""
    body = b" " * 2_100_000
    answer = service.call(
        "POST",
        "/v1/recommendations",
        content=body if declared else iter([body]),
        headers={"Content-Type": "application/json"},
    )
    assert (answer.status_code, answer.headers["Content-Type"]) == (413, "application/problem+json")


def test_a_broken_request_line_does_not_end_it(service: Served):
    """Bytes that are no HTTP are refused, and the next request is served."""
    with socket.create_connection(("127.0.0.1", service.running.port), timeout=5) as connection:
        connection.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert b"400" in connection.recv(200)
    assert is_ready(service.running)


def test_figures_add_up_over_all_workers(make_home: Callable[[], Home], serve: Callable[[Home], Served]):
    """Whichever worker answers /metrics, it tells of what every worker has recommended."""
    served = serve(replace(make_home(), settings={"RECOUP_WORKERS": "2"}))
    with ThreadPoolExecutor(CLIENTS) as pool:
        lines = [a_line(return_line_id=f"W-{n}/1", sale__order_number=f"W-{n}") for n in range(ENOUGH)]
        answers = list(pool.map(lambda line: served.call("POST", "/v1/recommendations", json=line), lines))
    assert {answer.status_code for answer in answers} == {201}
    for _ in range(CLIENTS):  # by a new connection each: now the one worker is asked, now the other
        said = httpx.get(f"{served.running.url}/metrics", timeout=30).text
        counted = re.findall(r"^recoup_recommendations_total\{.*\} (\S+)$", said, re.MULTILINE)
        assert sum(map(float, counted)) == ENOUGH


def test_a_worker_whose_policy_is_no_longer_in_force_is_not_ready(
    make_home: Callable[[], Home], serve: Callable[[Home], Served]
):
    """Another replica brought another policy: what judges by the old one takes itself out, and says so."""
    served = serve(make_home())
    assert is_ready(served.running)
    ledger = Ledger(f"sqlite:///{served.home.folder / 'ledger.sqlite'}")
    with ledger.write() as tx:
        own = tx.active_policy()
        tx.add_policy("sha256:other", content={}, actor="emp:9", at=utc_now())
        tx.activate_policy("sha256:other", actor="emp:9", at=utc_now())
    assert own is not None
    assert not is_ready(served.running)
    assert httpx.get(f"{served.running.url}/livez", timeout=30).status_code == 200
    with ledger.write() as tx:
        tx.activate_policy(own, actor="emp:9", at=utc_now())
    ledger.close()
    assert is_ready(served.running)


def test_every_line_of_the_log_is_json(service: Served):
    """That of the framework and of the server under it too: who collects logs parses each line alike."""
    service.call("GET", "/no/such/place")
    lines = service.running.log.read_text().splitlines()
    told = [line for line in lines if not line.startswith("made a key")]
    assert told
    assert all(isinstance(json.loads(line), dict) for line in told)


def test_sigterm_ends_it_and_all_that_it_started(make_home, serve):
    """The exit is clean, quick, and leaves no process behind."""
    running = serve(make_home()).running
    family = running.children
    assert family
    os.kill(running.process.pid, signal.SIGTERM)
    assert running.process.wait(20) == 0
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []


def test_requests_under_way_are_answered_when_it_is_asked_to_end(make_home, serve):
    """A batch that was begun is finished, nobody new is served, and the exit is clean."""
    served = serve(make_home())
    names = [f"DRAIN-{number}" for number in range(MANY)]
    lines = [a_line(return_line_id=f"{name}/1", sale__order_number=name) for name in names]
    with ThreadPoolExecutor(1) as client:
        batch = client.submit(
            served.call, "POST", "/v1/recommendations/batch", json={"items": lines}, timeout=120
        )
        path = "/v1/recommendations?return_line_id=DRAIN-0/1"
        while not served.call("GET", path).json()["items"]:
            assert not batch.done()
        os.kill(served.running.process.pid, signal.SIGTERM)
        answer = batch.result()
    assert answer.status_code == 207
    assert [item["status"] for item in answer.json()["items"]] == [201] * MANY
    assert served.running.process.wait(60) == 0
    with pytest.raises(httpx.TransportError):
        served.call("GET", path)


class Clients:
    """Clients that post at once and write down what they were told, until they are stopped."""

    def __init__(self, served: Served, name: str) -> None:
        self.served = served
        self.name = name
        self.acknowledged: list[dict] = []
        self.enough = threading.Event()
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(CLIENTS)
        self._work = [self._pool.submit(self._post, place) for place in range(CLIENTS)]
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown()
        for work in self._work:
            work.result()

    def _post(self, place: int) -> None:
        for number in range(10_000):
            if self._stop.is_set():
                return
            name = f"{self.name}-{place}-{number}"
            line = a_line(return_line_id=f"{name}/1", sale__order_number=name)
            try:
                answer = self.served.call("POST", "/v1/recommendations", json=line)
            except httpx.TransportError:
                return  # the crash: nobody was told anything
            if answer.status_code == 201:
                self.acknowledged.append(answer.json())
            if len(self.acknowledged) >= ENOUGH:
                self.enough.set()


def test_a_crash_loses_no_acknowledged_recommendation(make_home, serve):
    """The worker is killed, then everything: each answer that was given stands, and the chain is whole."""
    home = make_home()
    served = serve(home)
    told = _crash(served, "worker", served.running.worker.kill)
    _await_ready(served)
    told += _crash(served, "all", served.running.kill)
    _verified(home, told)
    served = serve(home)
    for body in told:
        kept = served.call("GET", f"/v1/recommendations/{body['id']}")
        assert (kept.status_code, kept.json()) == (200, body)


def _crash(served: Served, name: str, kill: Callable[[], object]) -> list[dict]:
    with Clients(served, name) as clients:
        assert clients.enough.wait(60)
        kill()
    return clients.acknowledged


def _await_ready(served: Served) -> None:
    until = time.monotonic() + READY_WITHIN
    while not is_ready(served.running):
        assert time.monotonic() < until
        time.sleep(0.1)


def _verified(home: Home, told: list[dict]) -> None:
    done = home.recoup("audit", "verify")
    found = json.loads(done.stdout)
    assert (done.returncode, found["valid"]) == (0, True)
    assert found["entries"] > len(told)
