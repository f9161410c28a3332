"""Clients of a service who remember what they asked for and what they were told, beyond its death."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from threading import Event
from typing import Any, Self

import httpx
from sqlalchemy import Column, select

from ledger.schema import answers, approvals, recommendations, votes
from ledger.store import Ledger, Transaction
from tests.factories import a_line

AT_ONCE = 8
PATIENCE = 60.0  # seconds until an answer, or until a service in trouble is itself again
# 600 dollars: a supervisor has to approve them.
PENDING = {"credit_requested__amount": "600.00", "sale__price_paid": "600.00", "item__unit_cost": "400.00"}
RULE = "FIN-01"


@dataclass(frozen=True, slots=True)
class Call:
    """One POST that can be made again as it was: its idempotency key is part of it."""

    path: str
    body: Mapping[str, Any]
    headers: Mapping[str, str]

    def make(self, client: httpx.Client) -> httpx.Response:
        """Make the call."""
        return client.post(self.path, json=self.body, headers=dict(self.headers))


@dataclass
class Told:
    """What was asked for, and the answer where one was given; by idempotency key."""

    asked: dict[str, Call] = field(default_factory=dict)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: Counter[int] = field(default_factory=Counter)
    again: int = 0

    def call(self, client: httpx.Client, key: str, call: Call) -> dict[str, Any] | None:
        """Make a call and write down the answer if it is the one hoped for."""
        self.asked[key] = call
        answer = call.make(client)
        if answer.status_code != httpx.codes.CREATED:
            self.refused[answer.status_code] += 1
            return None
        self.answers[key] = answer.json()
        return self.answers[key]

    def ask_again(self, url: str) -> None:
        """Make every call that is in doubt again, under its own key, until it is answered."""
        with httpx.Client(base_url=url, timeout=PATIENCE) as client:
            for key in self.asked.keys() - self.answers.keys():
                self.again += 1
                until = time.monotonic() + PATIENCE
                while self.call(client, key, self.asked[key]) is None:
                    assert time.monotonic() < until, self.refused
                    time.sleep(0.1)


class Clients:
    """Several clients at work on a service for the length of a block, which ends when the service does."""

    def __init__(self, url: str, keys: Mapping[str, str], told: Told, *, name: str) -> None:
        self._url, self._keys, self._told, self._name = url, keys, told, name
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self.heard = Event()  # somebody got an answer

    def __enter__(self) -> Self:
        self._work = [self._pool.submit(self._ask, place) for place in range(AT_ONCE)]
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()
        for work in self._work:
            work.result()

    def _ask(self, place: int) -> None:
        with httpx.Client(base_url=self._url, timeout=PATIENCE) as client:
            for number in count():
                try:
                    self._case(client, f"{self._name}-{place}-{number}")
                except httpx.TransportError:
                    return  # the service was killed: what was asked for is in doubt
                self.heard.set()

    def _case(self, client: httpx.Client, name: str) -> None:
        """Post a return that needs an approval, and approve it as it was read."""
        line = a_line(return_line_id=f"{name}/1", sale__order_number=name, customer__id=name, **PENDING)
        asking = headers(self._keys["orchestrator"], f"{name}/ask")
        said = self._told.call(client, f"{name}/ask", Call("/v1/recommendations", line, asking))
        if said is None:
            return
        (approval,) = (one["id"] for one in said["approvals"] if one["rule"] == RULE)
        path, voting = f"/v1/approvals/{approval}", headers(self._keys["supervisor"], f"{name}/vote")
        read = client.get(path, headers=voting)
        if read.status_code != httpx.codes.OK:
            return  # the balancer's service was killed: the vote was not cast
        voting |= {"If-Match": read.headers["ETag"]}
        body = {"vote": "approve", "comment": "as agreed"}
        self._told.call(client, f"{name}/vote", Call(f"{path}/votes", body, voting))


def headers(token: str, key: str) -> dict[str, str]:
    """Who asks, and for which intent."""
    return {"Authorization": f"Bearer {token}", "Idempotency-Key": key}


def judged(told: Told, database: str) -> Counter[str]:
    """Compare what clients were told with what the ledger's tables hold."""
    ledger = Ledger(database, lock_seconds=PATIENCE)
    with ledger.read() as tx:
        given = dict(zip(column(tx, recommendations.c.id), column(tx, recommendations.c.body), strict=True))
        lines = Counter(column(tx, recommendations.c.return_line_id))
        asked, remembered = set(column(tx, approvals.c.id)), set(column(tx, answers.c.key))
        cast = Counter(column(tx, votes.c.approval_id))
    valid = ledger.verify().valid
    ledger.close()
    said = told.answers.items()
    recommended = {answer["id"] for key, answer in said if key.endswith("/ask")}
    voted = {answer["id"] for key, answer in said if key.endswith("/vote")}
    wanted = {ask["id"] for body in given.values() for ask in body["approvals"]}
    return Counter(
        acknowledged=len(recommended) + len(voted),
        lost=len(recommended - given.keys()) + len(voted - cast.keys()),
        doubled=sum(n > 1 for n in lines.values()) + sum(n > 1 for n in cast.values()),
        half_written=len(wanted ^ asked) + len(told.answers.keys() - remembered),
        broken=int(not valid),
    )


def column(tx: Transaction, wanted: Column[Any]) -> list[Any]:
    """One column of a table, read past the ledger's own doors: doubles would hide behind them."""
    return list(tx._connection.execute(select(wanted).order_by(wanted.table.c[0])).scalars())  # noqa: SLF001
