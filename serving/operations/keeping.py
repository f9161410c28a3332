"""`recoup keys`: made, listed, replaced and ended by whoever runs the machine."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated

import typer

from features.returns import BadInputError
from ledger.chain import ACTOR, NotInLedgerError
from ledger.reference import Key
from ledger.store import Ledger, Transaction
from serving.access import RIGHTS
from serving.auth.callers import hashed, new_key
from serving.auth.gate import check_apart
from serving.auth.keys import identity, replaced
from serving.operations.auditing import OPERATOR, open_ledger
from serving.settings import Settings
from serving.stamps import iso, new_id, utc_now


def create_key(
    role: Annotated[str, typer.Option(help=f"One of {', '.join(RIGHTS)}.")],
    subject: Annotated[str | None, typer.Option(help="Whose key, as kind:subject such as emp:4.")] = None,
    site: Annotated[
        list[str] | None, typer.Option(help="A site in reach; repeat for more; none means all.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires; none means never.")] = None,
) -> None:
    """Make an API key and print it alone on the last line; it is shown only once."""
    if role not in RIGHTS:
        raise BadInputError(f"'{role[:40]}' is no role; use one of {', '.join(RIGHTS)}.")
    if subject is not None and not ACTOR.fullmatch(subject):
        raise BadInputError("write the subject as kind:subject, such as emp:4 or service:orchestrator.")
    ledger = _ledger()
    key = add_key(ledger, role, subject or f"key:{new_id(role)}", site or (), days)
    _print_key(f"a key for {role}", key)


def list_keys() -> None:
    """List all keys, without what opens anything."""
    now = utc_now()
    with _ledger().read() as tx:
        known = tx.keys()
        for key in known:
            ends = min((one for one in (key.expires_at, key.revoked_at) if one), default=None)
            state = ("until " if key.is_good(now) else "ended ") + iso(ends) if ends else "without end"
            print(f"{identity(key)}  {key.role:<18} {key.subject:<28} {' '.join(key.sites) or '*'}  {state}")


def rotate_key(
    key_id: Annotated[str, typer.Argument(help="As `recoup keys list` names it.")],
    grace_hours: Annotated[int, typer.Option(min=0, help="Hours for which the old key still opens.")] = 0,
) -> None:
    """Replace a key by one of the same role, subject, sites and length of life."""
    with _ledger().write() as tx:
        old = _found(tx, key_id)
        grace = timedelta(hours=grace_hours)
        _, key = replaced(tx, old, actor=OPERATOR, now=utc_now(), grace=grace)
    _print_key(f"a key for {old.role} instead of {key_id}, which ends in {grace_hours} hours", key)


def revoke_key(key_id: Annotated[str, typer.Argument(help="As `recoup keys list` names it.")]) -> None:
    """End a key: it opens nothing from now on."""
    with _ledger().write() as tx:
        tx.revoke_key(_found(tx, key_id).hash, actor=OPERATOR, at=utc_now())
    print(f"{key_id} opens nothing any more")


def add_key(ledger: Ledger, role: str, subject: str, sites: Iterable[str], days: int | None = None) -> str:
    """Record a new key and return it: it is nowhere else."""
    key, now = new_key(), utc_now()
    expires = now + timedelta(days=days) if days else None
    with ledger.write() as tx:
        check_apart(tx, subject, role, now=now)
        tx.add_key(Key(hashed(key), role, subject, tuple(sites), expires, now, OPERATOR))
    return key


def _ledger() -> Ledger:
    """The ledger as it stands, or a new one where there was none."""
    ledger = open_ledger(Settings())
    ledger.migrate()
    return ledger


def _found(tx: Transaction, key_id: str) -> Key:
    known = tx.keys()
    for key in known:
        if identity(key) == key_id:
            return key
    raise NotInLedgerError(f"there is no key {key_id[:40]}; recoup keys list names them.")


def _print_key(what: str, key: str) -> None:
    print(f"{what}; keep it safe, it is not shown again:\n{key}")
