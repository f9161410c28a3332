"""The commands of `recoup audit`: verify, dump and sign the chain; erase personal data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ledger.audit import verify_dump
from ledger.checkpoints import public_key, signing_key
from ledger.personal import Erasure
from ledger.store import Ledger
from policy.policies import PolicySet
from serving.settings import Settings
from serving.stamps import iso, utc_now

OPERATOR = "service:operator"
YEARS_KEPT = "retention_years"  # the limit of the finance policy


def open_ledger(settings: Settings) -> Ledger:
    """The ledger of these settings; the folder of a local one is made."""
    if settings.database_url is None:
        settings.home.mkdir(parents=True, exist_ok=True)
    return Ledger(settings.ledger_url, lock_seconds=settings.deadline_seconds)


def verify(
    dump: Annotated[Path | None, typer.Argument(help="A dump to verify offline.")] = None,
    key: Annotated[Path | None, typer.Option(help="Public key whose checkpoints must be there too.")] = None,
) -> None:
    """Verify the hash chain of the ledger, or of a dump without a database; exit 1 where it is broken."""
    signer = public_key(key) if key else None
    found = verify_dump(dump, key=signer) if dump else open_ledger(Settings()).verify(signer)
    body: dict[str, Any] = {"valid": found.valid, "entries": found.entries, "head": found.head}
    if signer is not None:
        body |= {"signed": found.signed, "signed_at": found.signed_at}
    print(json.dumps(body if found.valid else {**body, "problem": found.problem}))
    raise typer.Exit(0 if found.valid else 1)


def dump(out: Annotated[Path, typer.Argument(help="File to write.")]) -> None:
    """Sign the chain's end and write it all to a file that `audit verify` can verify anywhere."""
    settings = Settings()
    ledger = open_ledger(settings)
    ledger.checkpoint(signing_key(settings.home / "keys" / "ledger"), at=utc_now())
    found = ledger.dump(out)
    print(f"{found.entries} entries, head {found.head}")


def checkpoint() -> None:
    """Sign the chain's end with this installation's key, which is made on first use."""
    settings = Settings()
    path = settings.home / "keys" / "ledger"
    signed = open_ledger(settings).checkpoint(signing_key(path), at=utc_now())
    print(f"signed entry {signed.seq} at {signed.at}; verify with --key {path.with_suffix('.pub')}")


def erase(
    customer: Annotated[str, typer.Option(help="The customer whose data are erased.")],
    reason: Annotated[str, typer.Option(help="Why, without the customer's id: it stays.")],
) -> None:
    """Erase what is held of a customer; the chain stays valid and keeps a pseudonym."""
    settings = Settings()
    ledger = open_ledger(settings)
    with ledger.write() as tx:
        gone = tx.erase(customer, actor=OPERATOR, at=utc_now(), reason=reason)
    _finish(gone, ledger, settings)
    print(f"erased {gone.records} records and {len(gone.files)} files")


def retain(
    apply: Annotated[
        bool, typer.Option("--apply", help="Erase it; without this it is only counted.")
    ] = False,
) -> None:
    """Count, or erase, personal data older than the finance policy keeps records."""
    settings = Settings()
    years = PolicySet.load(settings.policy_dir).base.limit(YEARS_KEPT)
    assert years is not None  # every policy set has it: the default files say so and loading checks them
    now = utc_now()
    # The 28th at the latest: the 29th of February is not in every year, and nothing goes too soon.
    before = now.replace(year=now.year - years, day=min(now.day, 28))
    ledger = open_ledger(settings)
    if not apply:
        with ledger.read() as tx:
            old = tx.outdated(before)
        print(
            f"{old.records} records of {old.customers} customers are older than {iso(before)}; --apply erases"
        )
        return
    with ledger.write() as tx:
        gone = tx.expire(before, actor=OPERATOR, at=now)
    _finish(gone, ledger, settings)
    print(f"erased {gone.records} records and {len(gone.files)} files older than {iso(before)}")


def _finish(gone: Erasure, ledger: Ledger, settings: Settings) -> None:
    """Remove the originals of erased documents, and the bytes of erased rows from the database's files."""
    for name in gone.files:
        (settings.home / "documents" / Path(name).name).unlink(missing_ok=True)
        for drawn in (settings.home / "documents" / "pages").glob(f"{Path(name).stem}-*"):
            drawn.unlink(missing_ok=True)
    ledger.compact()
