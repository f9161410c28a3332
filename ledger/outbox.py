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

from sqlalchemy import Connection, bindparam, case, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ledger.chain import IdempotencyInFlightError, NotInLedgerError
from ledger.reference import ENDPOINTS, Registers
from ledger.schema import answers, lines
from ledger.schema.driver import Fixed
from ledger.schema.registers import deliveries, outbox, repeats

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


@dataclass(frozen=True, slots=True)
class Traffic:
    """Messages of a window: sent out, of them given up, replayed, either of the two; and repeats taken in."""

    sent: int
    dead: int
    replayed: int
    failed: int
    repeats: int


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A delivery as whoever looks after it sees it."""

    message_id: str
    type: str
    subject: str
    at: datetime
    attempts: int
    error: str
    next_at: datetime


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
        values["body"] = self._written(answer.body)
        keep = _remembering(self._connection.dialect.name)
        if self._first(keep, **values) is None:
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

    def replay(
        self, endpoint_id: str, *, since: datetime, actor: str, at: datetime, dead_only: bool = False
    ) -> int:
        """Send messages since a moment, or those given up, to an endpoint again; return how many."""
        endpoint = next((one for one in self.endpoints() if one.id == endpoint_id), None)
        if endpoint is None:
            raise NotInLedgerError("there is no webhook endpoint of this id.")
        own = (deliveries.c.message_id == outbox.c.id) & (deliveries.c.endpoint_id == endpoint_id)
        query = select(outbox.c.id, outbox.c.type, deliveries.c.status).outerjoin(deliveries, own)
        rows = self._all(query.where(outbox.c.at >= since).order_by(outbox.c.seq))
        again = [row for row in rows if endpoint.wants(row["type"])]
        again = [row for row in again if row["status"] == DEAD] if dead_only else again
        for row in again:
            if row["status"] is None:
                self._send(row["id"], endpoint_id, at)
                continue
            mine = (deliveries.c.message_id == row["id"]) & (deliveries.c.endpoint_id == endpoint_id)
            anew = {"status": PENDING, "attempts": 0, "next_at": at, "replays": deliveries.c.replays + 1}
            self._connection.execute(update(deliveries).where(mine).values(**anew))
        self.append(
            "messages.replayed", subject=endpoint_id, actor=actor, at=at, body={"messages": len(again)}
        )
        return len(again)

    def traffic(self, start: datetime, end: datetime, *, site: str | None = None) -> Traffic:
        """Count the messages of a window by what became of them, of one site's lines if asked."""
        one = deliveries.c
        tried: Any = select(
            func.count().label("sent"),
            func.sum(case((one.status == DEAD, 1), else_=0)).label("dead"),
            func.sum(case((one.replays > 0, 1), else_=0)).label("replayed"),
            func.sum(case(((one.status == DEAD) | (one.replays > 0), 1), else_=0)).label("failed"),
        ).select_from(deliveries.join(outbox, outbox.c.id == one.message_id))
        tried = tried.where((one.attempts > 0) | (one.replays > 0), outbox.c.at >= start, outbox.c.at < end)
        again: Any = select(func.sum(repeats.c.times).label("repeats")).where(
            repeats.c.day >= start.date().isoformat(), repeats.c.day <= end.date().isoformat()
        )
        if site is not None:
            tried = tried.join(lines, lines.c.return_line_id == outbox.c.subject).where(lines.c.site == site)
            again = again.join(lines, lines.c.return_line_id == repeats.c.subject).where(lines.c.site == site)
        ours, theirs = self._first(tried) or {}, self._first(again) or {}
        named = {name: int(ours.get(name) or 0) for name in ("sent", "dead", "replayed", "failed")}
        return Traffic(**named, repeats=int(theirs.get("repeats") or 0))

    def undelivered(
        self, endpoint_id: str, *, status: str, after: str | None = None, limit: int = 100
    ) -> tuple[Undelivered, ...]:
        """Return the deliveries of an endpoint in one state, oldest message first."""
        one = deliveries.c
        query = select(
            one.message_id, outbox.c.type, outbox.c.subject, outbox.c.at, one.attempts, one.error, one.next_at
        ).join(outbox, outbox.c.id == one.message_id)
        query = query.where(one.endpoint_id == endpoint_id, one.status == status)
        if after is not None:
            last = select(outbox.c.seq).where(outbox.c.id == after).scalar_subquery()
            query = query.where(outbox.c.seq > last)
        return tuple(Undelivered(**row) for row in self._all(query.order_by(outbox.c.seq).limit(limit)))

    def _send(self, message_id: str, endpoint_id: str, at: datetime) -> None:
        on_its_way = {"status": PENDING, "attempts": 0, "next_at": at, "error": "", "replays": 0}
        self._connection.execute(
            insert(deliveries), {**on_its_way, "message_id": message_id, "endpoint_id": endpoint_id}
        )


_REMEMBERED: Final = Fixed(
    select(answers.c.payload_digest, answers.c.status, answers.c.body, answers.c.headers).where(
        answers.c.owner == bindparam("owner"), answers.c.key == bindparam("key")
    )
)


@cache
def _remembering(dialect: str) -> Fixed:
    """Return the statement that keeps an answer where the key has none."""
    start = postgresql.insert(answers) if dialect == "postgresql" else sqlite.insert(answers)
    keeps = start.on_conflict_do_nothing().returning(answers.c.key)
    return Fixed(keeps, columns=answers.c.keys())


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

    def oldest_due(self) -> datetime | None:
        """Return since when the longest due delivery waits; None where nothing is on its way."""
        query = select(func.min(deliveries.c.next_at)).where(deliveries.c.status == PENDING)
        return self._connection.execute(query).scalar()

    def counts(self) -> dict[str, int]:
        """Return how many deliveries are pending, delivered and dead."""
        query = select(deliveries.c.status, func.count().label("n")).group_by(deliveries.c.status)
        return {row.status: row.n for row in self._connection.execute(query)}

    def _settle(self, delivery: Delivery, **changed: Any) -> None:
        own = (deliveries.c.message_id == delivery.message.id) & (
            deliveries.c.endpoint_id == delivery.endpoint_id
        )
        # Whose claim has lapsed says nothing more: another relay has the message, or it was replayed.
        own &= (deliveries.c.attempts == delivery.attempts) & (deliveries.c.status == PENDING)
        self._connection.execute(update(deliveries).where(own).values(**changed))
