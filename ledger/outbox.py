"""What callers are told: answers remembered by idempotency key, and messages that leave by webhook.

A message is written in the transaction of what it tells of, and delivered at least once: a relay claims a
batch for a while, and what it does not settle in that while is claimed again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Insert, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ledger.chain import IdempotencyInFlightError, NotInLedgerError
from ledger.reference import ENDPOINTS, Registers
from ledger.schema import answers
from ledger.schema.registers import deliveries, outbox

PENDING: Final = "pending"
DELIVERED: Final = "delivered"
DEAD: Final = "dead"


@dataclass(frozen=True, slots=True)
class Remembered:
    """The answer that an idempotency key was given, and the digest of the payload it was given for."""

    payload_digest: str
    status: int
    body: Any
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where messages go: `types` empty means all; `secret` signs them."""

    id: str
    url: str
    secret: str
    types: tuple[str, ...] = ()
    active: bool = True

    def wants(self, message_type: str) -> bool:
        """Say whether messages of a type go there."""
        return self.active and (not self.types or message_type in self.types)


@dataclass(frozen=True, slots=True)
class Message:
    """One CloudEvent to send."""

    id: str
    type: str
    subject: str
    data: Mapping[str, Any]
    at: datetime
    actor: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message on its way to one endpoint; `attempts` counts this one."""

    message: Message
    endpoint_id: str
    attempts: int
    status: str = PENDING
    error: str = field(default="")


class Outbox(Registers):
    """The part of a transaction that remembers answers and enqueues messages."""

    def remembered(self, owner: str, key: str) -> Remembered | None:
        """Return the answer stored for a caller's idempotency key, or None."""
        row = self._first(_REMEMBERED, owner=owner, key=key)
        return None if row is None else Remembered(**row)

    def remember(self, owner: str, key: str, answer: Remembered, *, at: datetime) -> None:
        """Store the answer of a request in the transaction that did what it says.

        Raises
        ------
        IdempotencyInFlightError
            If an answer was stored for the key in the meantime; everything in this transaction is undone.
        """
        values = {name: getattr(answer, name) for name in Remembered.__dataclass_fields__}
        values |= {"owner": owner, "key": key, "at": at, "headers": dict(answer.headers)}
        keep = _remembering(self._connection.dialect.name)
        if self._connection.execute(keep, values).first() is None:
            raise IdempotencyInFlightError(
                "another request with this idempotency key was answered meanwhile."
            )

    def forget_answers(self, *, before: datetime) -> int:
        """Drop answers older than `before`; business keys protect what they protected. Return how many."""
        return self._connection.execute(delete(answers).where(answers.c.at < before)).rowcount

    def put_endpoint(self, endpoint: Endpoint, *, actor: str, at: datetime) -> None:
        """Register an endpoint, or its new state."""
        body = {
            "url": endpoint.url,
            "secret": endpoint.secret,
            "types": list(endpoint.types),
            "active": endpoint.active,
        }
        self.put_reference(ENDPOINTS, endpoint.id, body=body, actor=actor, at=at)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return all endpoints, disabled ones included, by id."""
        registered = self.references(ENDPOINTS)
        return tuple(
            Endpoint(id=one.id, **{**one.body, "types": tuple(one.body["types"])}) for one in registered
        )

    def disable_endpoint(self, endpoint_id: str, *, actor: str, at: datetime) -> None:
        """Send nothing more to an endpoint.

        Raises
        ------
        NotInLedgerError
            If it was never registered.
        """
        there = self.reference(ENDPOINTS, endpoint_id)
        if there is None:
            raise NotInLedgerError("there is no webhook endpoint of this id.")
        self.put_reference(ENDPOINTS, endpoint_id, body={**there.body, "active": False}, actor=actor, at=at)

    def enqueue(self, message: Message) -> None:
        """Write a message, on its way to every endpoint that wants its type."""
        values = {name: getattr(message, name) for name in Message.__dataclass_fields__}
        self._record(
            outbox, values, kind="message", subject=message.subject, id=message.id, type=str(message.type)
        )
        for endpoint in self.endpoints():
            if endpoint.wants(message.type):
                self._send(message.id, endpoint.id, message.at)

    def replay(self, endpoint_id: str, *, since: datetime, actor: str, at: datetime) -> int:
        """Put every message since a moment on its way to an endpoint again; return how many."""
        endpoint = next((one for one in self.endpoints() if one.id == endpoint_id), None)
        if endpoint is None:
            raise NotInLedgerError("there is no webhook endpoint of this id.")
        rows = self._all(
            select(outbox.c.id, outbox.c.type).where(outbox.c.at >= since).order_by(outbox.c.seq)
        )
        again = [row["id"] for row in rows if endpoint.wants(row["type"])]
        for message_id in again:
            own = (deliveries.c.message_id == message_id) & (deliveries.c.endpoint_id == endpoint_id)
            self._connection.execute(delete(deliveries).where(own))
            self._send(message_id, endpoint_id, at)
        self.append(
            "messages.replayed", subject=endpoint_id, actor=actor, at=at, body={"messages": len(again)}
        )
        return len(again)

    def _send(self, message_id: str, endpoint_id: str, at: datetime) -> None:
        on_its_way = {"status": PENDING, "attempts": 0, "next_at": at, "error": ""}
        self._connection.execute(
            insert(deliveries), {**on_its_way, "message_id": message_id, "endpoint_id": endpoint_id}
        )


_REMEMBERED: Final = select(
    answers.c.payload_digest, answers.c.status, answers.c.body, answers.c.headers
).where(answers.c.owner == bindparam("owner"), answers.c.key == bindparam("key"))


@cache
def _remembering(dialect: str) -> Insert:
    """Return the statement that keeps an answer where the key has none."""
    start = postgresql.insert(answers) if dialect == "postgresql" else sqlite.insert(answers)
    return start.on_conflict_do_nothing().returning(answers.c.key)


class Queue:
    """The deliveries, for a relay: its bookkeeping changes in place and takes no lock of the chain."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def claim(self, *, at: datetime, until: datetime, limit: int = 100) -> tuple[Delivery, ...]:
        """Take deliveries that are due at `at`; unless settled they are due again at `until`."""
        one = deliveries.c
        due = select(one.message_id, one.endpoint_id).where(one.status == PENDING, one.next_at <= at)
        # Another relay's claims are skipped, not waited for.
        due = due.order_by(one.next_at).limit(limit).with_for_update(skip_locked=True)
        return tuple(
            self._take(row.message_id, row.endpoint_id, until) for row in self._connection.execute(due).all()
        )

    def _take(self, message_id: str, endpoint_id: str, until: datetime) -> Delivery:
        attempts = self._connection.execute(
            update(deliveries)
            .where(deliveries.c.message_id == message_id, deliveries.c.endpoint_id == endpoint_id)
            .values(next_at=until, attempts=deliveries.c.attempts + 1)
            .returning(deliveries.c.attempts)
        ).scalar_one()
        query = select(*(outbox.c[name] for name in Message.__dataclass_fields__)).where(
            outbox.c.id == message_id
        )
        return Delivery(Message(**self._connection.execute(query).one()._asdict()), endpoint_id, attempts)

    def delivered(self, delivery: Delivery) -> None:
        """Note that an endpoint took the message."""
        self._settle(delivery, status=DELIVERED, error="")

    def retry(self, delivery: Delivery, *, at: datetime, error: str) -> None:
        """Note that an attempt failed and when the next is due."""
        self._settle(delivery, next_at=at, error=error)

    def dead(self, delivery: Delivery, *, error: str) -> None:
        """Give a delivery up; it can be replayed."""
        self._settle(delivery, status=DEAD, error=error)

    def counts(self) -> dict[str, int]:
        """Return how many deliveries are pending, delivered and dead."""
        query = select(deliveries.c.status, func.count().label("n")).group_by(deliveries.c.status)
        return {row.status: row.n for row in self._connection.execute(query)}

    def _settle(self, delivery: Delivery, **changed: Any) -> None:
        own = (deliveries.c.message_id == delivery.message.id) & (
            deliveries.c.endpoint_id == delivery.endpoint_id
        )
        self._connection.execute(update(deliveries).where(own).values(**changed))
