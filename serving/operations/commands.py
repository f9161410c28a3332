"""The commands of `recoup` on files: policies, documents, forecasts, outcomes; and the relay."""

from __future__ import annotations

import json
import signal
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import structlog
import typer

from features import documents as reading
from features.documents import Kind
from ledger.chain import LedgerUnavailableError
from policy.policies import PolicySet, check
from serving import documents
from serving.operations.auditing import OPERATOR, open_ledger
from serving.operations.reporting import page
from serving.operations.timekeeping import keep_time
from serving.settings import Settings
from serving.stamps import utc_now
from serving.telemetry import configure_logs
from serving.webhooks.relay import client_of, relay_once

ROUND = timedelta(seconds=30)  # how often the relay looks at the time
IDLE = 1.0  # seconds between two looks into an empty outbox
_log = structlog.get_logger("recoup.relay")


def check_policy(folder: Annotated[Path | None, typer.Argument(help="Policy folder.")] = None) -> None:
    """Check a policy folder; every problem with file and line, exit 2 where there is one."""
    where = folder or Settings().policy_dir
    problems = check(where)
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        raise typer.Exit(2)
    policies = PolicySet.load(where)
    print(f"{len(policies.rules)} rules, {len(policies.sites)} sites, every example holds: {policies.digest}")


def backtest_policy(
    folder: Annotated[Path, typer.Argument(help="Candidate policy folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, with every day.")] = False,
) -> None:
    """Judge the recorded facts by a candidate policy set and show what would change; nothing is written."""
    from serving.case.replaying import backtest  # noqa: PLC0415  # slow to import, and only here

    candidate = PolicySet.load(folder)
    with open_ledger(Settings()).read() as tx:
        said = backtest(tx, candidate)
    print(json.dumps(said, indent=2) if as_json else page(said, candidate.base.budgets))


def parse_documents(
    files: Annotated[list[Path], typer.Argument(help="PDF, PNG, JPEG or TIFF files.")],
    kind: Annotated[Kind | None, typer.Option(help="What they are; otherwise told from the page.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a file and line.")] = False,
) -> None:
    """Read documents into words, candidates and fields; exit 2 where one cannot be read."""
    from models import fields  # noqa: PLC0415  # slow to import, and only here

    refused = False
    settings = Settings()
    ranker = fields.promoted(settings.bentoml_home)
    shown = sys.stderr.isatty() and len(files) > 1
    with typer.progressbar(files, label="documents", file=sys.stderr, hidden=not shown) as paths:
        for path in paths:
            try:
                data = path.read_bytes()
                said = documents.read(data, name=path.name, kind=kind, settings=settings, ranker=ranker)
            except (reading.DocumentError, OSError) as error:
                reason = error.strerror if isinstance(error, OSError) else error
                print(f"recoup: {path}: {reason}", file=sys.stderr)
                refused = True
                continue
            print(json.dumps(said) if as_json else documents.summary(said), flush=True)
    if refused:
        raise typer.Exit(2)


def export_corrections(
    out: Annotated[Path, typer.Option(help="A .jsonl file to write.")],
) -> None:
    """Write what people corrected in documents, for `recoup-lab train fields --corrections FILE`."""
    with open_ledger(Settings()).read() as tx:
        rows = [documents.corrected(document, tx) for document in tx.corrected_documents()]
    partial = out.with_name(f".{out.name}.part")
    partial.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    partial.replace(out)
    print(f"{len(rows)} corrected documents: {out}")


def relay(once: Annotated[bool, typer.Option(help="Do what is due now, then end.")] = False) -> None:
    """Keep the time of approvals and stages, and deliver outgoing events by webhook until stopped.

    Any number may run at once. On SIGTERM one ends after the deliveries that it has begun.
    """
    from serving.case.sites import price_sites  # noqa: PLC0415  # slow to import, and only here

    settings = Settings()
    configure_logs(settings.log_level)
    ledger, policies = open_ledger(settings), PolicySet.load(settings.policy_dir)
    asked = threading.Event()
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda *_: asked.set())
    next_round = utc_now()
    with client_of(to_private=settings.webhooks_to_private) as client:
        while not asked.is_set():
            try:
                if (now := utc_now()) >= next_round:
                    kept, routed = keep_time(ledger, policies, now), price_sites(ledger, now)
                    next_round = now + ROUND
                tried = relay_once(ledger, client)
            except LedgerUnavailableError as error:
                if once:
                    raise
                _log.warning("ledger unavailable", error=str(error))
                tried = 0
            if once:
                print(f"{kept.expired} expired, {kept.escalated} escalated, {kept.reminded} reminders")
                print(f"{kept.late} steps told of late stages")
                print(f"{routed} lines routed to price the sites")
                print(f"{tried} deliveries tried")
                return
            if not tried:
                asked.wait(IDLE)


def export_outcomes(out: Annotated[Path, typer.Option(help="A .csv or .parquet file to write.")]) -> None:
    """Write the recorded outcomes as a training table."""
    from serving.operations.outcomes import export  # noqa: PLC0415  # slow to import, and only here

    print(f"{export(open_ledger(Settings()), out)} outcomes: {out}")


def export_traffic(
    out: Annotated[Path, typer.Option(help="A .parquet file to write.")],
    since: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Day after the last.")] = None,
) -> None:
    """Write recorded questions, answers and what became of them, for `recoup-lab monitor`."""
    from serving.operations import traffic  # noqa: PLC0415  # slow to import, and only here

    start, end = (day and day.replace(tzinfo=UTC) for day in (since, until))
    rows = traffic.export(open_ledger(Settings()), out, since=start, until=end)
    print(f"{rows} recommendations: {out}")


def issue_forecast(
    file: Annotated[Path, typer.Argument(help="Long rows as recoup-lab forecast writes.")],
) -> None:
    """Check a forecast and write it to the ledger: dated, and never changed."""
    from serving.operations.issuing import issue  # noqa: PLC0415  # slow to import, and only here

    settings = Settings()
    ledger = open_ledger(settings)
    ledger.migrate()
    new = issue(ledger, file, home=settings.home, actor=OPERATOR, at=utc_now())
    print(f"issued {new.id}: {new.meta['rows']} rows from {new.meta['first']}")
