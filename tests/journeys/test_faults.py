"""The service when its processes are killed, and when its database goes, fills up or says nothing."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Self
from uuid import uuid4

import httpx
import psutil
import pytest

from benchmarks.ledger_clients import PATIENCE, Clients, Told, headers, judged
from benchmarks.ledger_databases import KINDS, Databases, databases
from benchmarks.running import is_ready, patient_client
from tests.factories import a_line
from tests.journeys.conftest import Home, Served
from tests.journeys.faults import fault

pytestmark = pytest.mark.journey
DEADLINE = 4.0  # seconds
RECOVERED_WITHIN = 30.0  # seconds
SLACK = 1.0  # seconds: the machine may be busy
CROWD = 20  # requests at once


@dataclass
class Stand:
    """A service on a database of its own, and what clients were told so far."""

    kind: str
    url: str
    home: Home
    served: Served
    made: Databases
    told: Told

    @property
    def keys(self) -> dict[str, str]:
        return {role: self.home.key(role) for role in ("orchestrator", "supervisor", "auditor")}

    def judged(self) -> Counter[str]:
        """Everything that is wrong with what the ledger holds."""
        found = judged(self.told, self.url)
        del found["acknowledged"]
        return +found

    def recommend(self, key: str, line: dict) -> httpx.Response:
        asking = headers(self.keys["orchestrator"], key)
        return patient_client().post(
            f"{self.served.running.url}/v1/recommendations", json=line, headers=asking
        )


@pytest.fixture(scope="module")
def made() -> Iterator[Databases]:
    """A PostgreSQL server and a folder for files."""
    with databases() as found:
        yield found


@pytest.fixture(scope="module", params=KINDS)
def stand(request: pytest.FixtureRequest, made: Databases, make_home, serve) -> Stand:
    """A service on each of the databases, with a deadline that a test can wait for."""
    url = made.new(request.param)
    settings = {"RECOUP_DATABASE_URL": url, "RECOUP_DEADLINE_SECONDS": str(DEADLINE)}
    home = replace(make_home(), settings=settings)
    return Stand(request.param, url, home, serve(home), made, Told())


def test_a_killed_service_is_gone_and_loses_and_doubles_nothing(stand: Stand, serve):
    """Its workers end with it, under load; what is in doubt is asked again under the same key."""
    running = stand.served.running
    family = running.children
    with Clients(running.url, stand.keys, stand.told, name="killed") as clients:
        assert clients.heard.wait(PATIENCE)
        os.kill(running.process.pid, signal.SIGKILL)
    assert running.process.wait(10) == -signal.SIGKILL
    gone, alive = psutil.wait_procs(family, timeout=10)
    assert (len(gone), alive) == (len(family), [])
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{running.url}/livez", timeout=5)
    stand.served = serve(stand.home)
    stand.told.ask_again(stand.served.running.url)
    assert stand.told.answers
    assert stand.judged() == {}
    assert stand.home.recoup("audit", "verify").returncode == 0


def test_two_keys_and_many_tries_at_once_are_one_credit(stand: Stand):
    """Each is answered with the recommendation or told to ask again."""
    line = a_line(return_line_id=f"{uuid4()}/1")
    answers = at_once(lambda number: stand.recommend(f"{line['return_line_id']}-{number % 2}", line))
    assert {answer.status_code for answer in answers} <= {200, 201, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code != 409}) == 1
    assert stand.judged() == {}


@pytest.mark.parametrize("name", ["gone", "full", "slow"])
def test_a_database_in_trouble_is_a_503_in_time_and_no_more_than_that(stand: Stand, name: str):
    """Alive but not ready, nothing half written, and well again without a restart."""
    before = a_line(return_line_id=f"{name}/1", sale__order_number=name)
    assert stand.recommend(f"{name}-before", before).status_code == 201
    with fault(name, stand.made, stand.served, stand.url), Watch(stand.served) as watch:
        lines = crowd()
        answers = at_once(lambda number: in_time(stand, lines[number]))
        while is_ready(stand.served.running):  # a full disk takes what still fits
            lines += (more := crowd())
            answers += at_once(lambda number, more=more: in_time(stand, more[number]))
    refused = [answer for answer in answers if answer.status_code != 201]
    assert {answer.status_code for answer in refused} == {503}
    assert name == "full" or len(refused) == len(answers)
    for answer in refused:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert int(answer.headers["Retry-After"]) > 0
    assert watch.dead == 0
    until = time.monotonic() + RECOVERED_WITHIN
    assert {until_answered(stand, line, until).status_code for line in lines} == {201}
    while not is_ready(stand.served.running):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert stand.judged() == {}


class Watch:
    """Asks /livez again and again for the length of a block; counts what is not 200 at once."""

    def __init__(self, served: Served) -> None:
        self._url = f"{served.running.url}/livez"
        self._over = threading.Event()
        self.dead = 0

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        with httpx.Client(timeout=DEADLINE / 2) as client:
            while not self._over.wait(0.1):
                try:
                    self.dead += client.get(self._url).status_code != 200
                except httpx.TransportError:
                    self.dead += 1


def at_once(work: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    with ThreadPoolExecutor(CROWD) as pool:
        return list(pool.map(work, range(CROWD)))


def crowd() -> list[dict]:
    """Return lines that have nothing to do with each other."""
    names = [f"trouble-{uuid4()}" for _ in range(CROWD)]
    return [a_line(return_line_id=name, customer__id=name, sale__order_number=name) for name in names]


def in_time(stand: Stand, line: dict) -> httpx.Response:
    """One answer that keeps the deadline."""
    started = time.monotonic()
    answer = stand.recommend(line["return_line_id"], line)
    assert time.monotonic() - started < DEADLINE + SLACK
    return answer


def until_answered(stand: Stand, line: dict, until: float) -> httpx.Response:
    """The answer of a client that comes back for as long as it is asked to."""
    while (answer := stand.recommend(line["return_line_id"], line)).status_code == 503:
        assert time.monotonic() < until
        time.sleep(0.2)
    return answer
