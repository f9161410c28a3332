"""What the calls share: the runtime, the caller with the right to call, and answering a key only once."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel, StringConstraints

from ledger.chain import LedgerUnavailableError
from ledger.outbox import Remembered
from ledger.store import Transaction
from serving import auth
from serving.access import Action
from serving.auth import Caller
from serving.errors import ProblemError
from serving.runtime import Runtime


async def runtime_of(request: Request) -> Runtime:
    """The open doors of this process."""
    runtime = request.app.state.runtime
    assert isinstance(runtime, Runtime)
    return runtime


Doors = Annotated[Runtime, Depends(runtime_of)]


async def admitted(doors: Doors) -> AsyncIterator[None]:
    """Hold a place at the ledger for the length of a call; 503 where none gets free in time.

    Without it those at the end of a long queue would learn only after many deadlines that the ledger is gone.
    """
    try:
        async with asyncio.timeout(doors.settings.deadline_seconds / 4):
            await doors.places.acquire()
    except TimeoutError:
        raise LedgerUnavailableError("too many requests wait for the ledger.") from None
    try:
        yield
    finally:
        doors.places.release()


_place = asynccontextmanager(admitted)


@dataclass(frozen=True, slots=True)
class Permit:
    """Hand on the caller, known by key or token, once it is certain that the role carries `action`."""

    action: Action

    async def __call__(
        self,
        request: Request,
        authorization: Annotated[str | None, Header(include_in_schema=False)] = None,
    ) -> AsyncIterator[Caller]:
        """The caller, and a place at the ledger; 401 for strangers, 403 where the role does not carry it."""
        doors = await runtime_of(request)
        async with _place(doors):  # within one dependency, for FastAPI takes its time over each
            caller = await run_in_threadpool(_caller, request, doors, authorization)
            auth.check_allowed(caller, self.action)
            yield caller


def _caller(request: Request, doors: Runtime, authorization: str | None) -> Caller:
    gate: auth.Gate = request.app.state.gate
    address = request.client.host if request.client else ""
    credential = auth.bearer(authorization)
    return gate.caller(credential, doors.ledger, now=doors.now(), address=address)


def permit(action: Action) -> Any:
    """A dependency: the caller, who may do `action`."""
    return Depends(Permit(action))


async def idempotency_key(
    idempotency_key: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")] | None,
        Header(description="A fresh value for each intent; the same value for a retry."),
    ] = None,
) -> str:
    """The Idempotency-Key header; 400 where it is missing."""
    if idempotency_key is None:
        raise ProblemError(
            400,
            "idempotency_key_missing",
            "Send an Idempotency-Key header: a fresh value for each intent, the same for a retry.",
        )
    return idempotency_key


IdempotencyKey = Annotated[str, Depends(idempotency_key)]


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a JSON body and headers, as first given and as given again."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> JSONResponse:
        """The answer on the wire."""
        return JSONResponse(self.body, self.status, dict(self.headers))


def digest(call: str, payload: BaseModel | Mapping[str, Any] | bytes) -> str:
    """What an idempotency key is bound to: the call and its payload, however it was spaced or ordered."""
    if isinstance(payload, BaseModel):
        payload = payload.model_dump_json().encode()
    elif not isinstance(payload, bytes):
        payload = repr(sorted(payload.items())).encode()
    return "sha256:" + hashlib.sha256(call.encode() + b"\n" + payload).hexdigest()


def remembered(tx: Transaction, caller: Caller, key: str, payload_digest: str) -> Answer | None:
    """The answer that this caller's key was given before.

    Raises
    ------
    ProblemError
        422 where the key came with another payload.
    """
    stored = tx.remembered(caller.subject, key)
    if stored is None:
        return None
    if stored.payload_digest != payload_digest:
        raise ProblemError(
            422,
            "idempotency_key_reused",
            "This Idempotency-Key was used for another request; take a fresh one.",
        )
    return Answer(stored.status, stored.body, {**stored.headers, "Idempotent-Replayed": "true"})


def once(
    doors: Runtime, caller: Caller, key: str, payload_digest: str, work: Callable[[Transaction], Answer]
) -> Answer:
    """Do `work` in one transaction with the record of its answer; a retry gets that answer again."""
    with doors.ledger.write() as tx:
        return once_in(tx, doors, caller, (key, payload_digest), work)


def once_in(
    tx: Transaction,
    doors: Runtime,
    caller: Caller,
    intent: tuple[str, str],
    work: Callable[[Transaction], Answer],
) -> Answer:
    """Do the same in a transaction that is open; `intent` is the key and the digest of its payload."""
    key, payload_digest = intent
    if answer := remembered(tx, caller, key, payload_digest):
        return answer
    answer = work(tx)
    kept = Remembered(payload_digest, answer.status, answer.body, answer.headers)
    tx.remember(caller.subject, key, kept, at=doors.now())
    return answer
