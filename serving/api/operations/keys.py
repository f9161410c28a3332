"""Who holds which API key: made, replaced and ended by administrators."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BeforeValidator, Field

from ledger.chain import NotInLedgerError
from ledger.outbox import Remembered
from ledger.reference import Key
from ledger.store import Transaction
from serving import auth
from serving.access import RIGHTS, Action
from serving.api.dependencies import Answer, Doors, IdempotencyKey, digest, permit, remembered
from serving.api.wire import Actor, Text, Wire, whole
from serving.auth import Caller
from serving.auth.keys import identity, replaced
from serving.contract import records
from serving.contract.body import StrictRoute
from serving.errors import ProblemError
from serving.runtime import Runtime
from serving.stamps import iso

router = APIRouter(prefix="/v1/keys", tags=["operations"], route_class=StrictRoute)
Keeper = Annotated[Caller, permit(Action.KEYS)]
LONGEST: Final = 3650  # days
_ROLES: Final = {"enum": sorted(RIGHTS)}


class KeyRequest(Wire):
    """Whose key, for what and how long."""

    role: Annotated[Text, Field(json_schema_extra=_ROLES)]
    subject: Actor
    sites: Annotated[tuple[Text, ...], Field(max_length=200, description="In reach; none means all.")] = ()
    days: Annotated[
        Annotated[int, Field(strict=True, ge=1, le=LONGEST), BeforeValidator(whole)] | None,
        Field(description="Until it expires."),
    ] = None


class RotationRequest(Wire):
    """How long the key that is replaced still opens."""

    grace_hours: Annotated[int, Field(strict=True, ge=0, le=24 * 90), BeforeValidator(whole)] = 0


@router.get("", summary="All keys", response_model=records.Keys)
def keys(doors: Doors, caller: Keeper) -> dict[str, Any]:
    """All keys in reach, without what opens anything: the ledger does not know it."""
    with doors.ledger.read() as tx:
        return {"items": [wire(key, doors.now()) for key in _in_reach(tx.keys(), caller)]}


@router.post("", status_code=201, summary="Make a key", response_model=records.KeyMade)
def make(doors: Doors, caller: Keeper, key: IdempotencyKey, body: KeyRequest) -> JSONResponse:
    """Make a key; it is in this answer and nowhere else, so a retry gets the answer without it."""
    if body.role not in RIGHTS:
        raise ProblemError(422, "unknown_role", f"There is no such role; use one of {', '.join(RIGHTS)}.")
    _check_reach(body.sites, caller)

    def work(tx: Transaction, now: datetime) -> tuple[dict[str, Any], str]:
        auth.check_apart(tx, body.subject, body.role, now=now)
        secret, ends = auth.new_key(), now + timedelta(days=body.days) if body.days else None
        new = Key(auth.hashed(secret), body.role, body.subject, body.sites, ends, now, caller.actor)
        tx.add_key(new)
        return wire(new, now), secret

    return _once(doors, caller, key, digest("key", body), work)


@router.post("/{key_id}/rotate", status_code=201, summary="Replace a key", response_model=records.KeyMade)
def rotate(
    doors: Doors, caller: Keeper, key: IdempotencyKey, key_id: str, body: RotationRequest | None = None
) -> JSONResponse:
    """Make a key like this one, which ends now or after some hours of grace."""
    asked = body or RotationRequest()

    def work(tx: Transaction, now: datetime) -> tuple[dict[str, Any], str]:
        old = _found(tx, key_id, caller)
        grace = timedelta(hours=asked.grace_hours)
        new, secret = replaced(tx, old, actor=caller.actor, now=now, grace=grace)
        return wire(new, now), secret

    return _once(doors, caller, key, digest(f"rotate {key_id}", asked), work)


@router.delete("/{key_id}", status_code=204, summary="End a key")
def end(doors: Doors, caller: Keeper, key_id: str) -> None:
    """Have a key open nothing from now on."""
    with doors.ledger.write() as tx:
        tx.revoke_key(_found(tx, key_id, caller).hash, actor=caller.actor, at=doors.now())


def _once(doors: Runtime, caller: Caller, key: str, payload: str, work: Any) -> JSONResponse:
    """Answer a new key once with its secret; what is remembered of the answer lacks it."""
    with doors.ledger.write() as tx:
        if answer := remembered(tx, caller, key, payload):
            return answer.response()
        now = doors.now()
        body, secret = work(tx, now)
        tx.remember(caller.subject, key, Remembered(payload, 201, {**body, "key": None}, {}), at=now)
    return Answer(201, {**body, "key": secret}).response()


def _found(tx: Transaction, key_id: str, caller: Caller) -> Key:
    for key in _in_reach(tx.keys(), caller):
        if identity(key) == key_id:
            return key
    raise NotInLedgerError("there is no key of this id.")


def _in_reach(known: Iterable[Key], caller: Caller) -> list[Key]:
    return [key for key in known if not caller.sites or (key.sites and set(key.sites) <= caller.sites)]


def _check_reach(sites: Iterable[str], caller: Caller) -> None:
    if caller.sites and not (set(sites) and set(sites) <= caller.sites):
        raise ProblemError(403, "other_site", "Name sites of your own for this key.")


def wire(key: Key, now: datetime) -> dict[str, Any]:
    """A key as it is listed."""
    return {
        "id": identity(key),
        "role": key.role,
        "subject": key.subject,
        "sites": list(key.sites),
        "created_at": iso(key.at),
        "created_by": key.actor,
        "expires_at": iso(key.expires_at) if key.expires_at else None,
        "revoked_at": iso(key.revoked_at) if key.revoked_at else None,
        "good": key.is_good(now),
    }
