"""`recoup`: the operator's commands. Bad input gives one sentence on standard error and exit status 2."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from features.returns import RecoupError
from ledger.store import Ledger
from serving.access import RIGHTS
from serving.operations import auditing, commands, keeping
from serving.operations.auditing import open_ledger
from serving.settings import Settings

app = typer.Typer(
    help="Recoup: run the service and look after its ledger, policies and keys.", no_args_is_help=True
)
keys = typer.Typer(help="API keys.", no_args_is_help=True)
audit = typer.Typer(help="The audit trail.", no_args_is_help=True)
policy = typer.Typer(help="Policy files.", no_args_is_help=True)
documents = typer.Typer(help="Forms, proofs and claims.", no_args_is_help=True)
for name, group in (("keys", keys), ("audit", audit), ("policy", policy), ("documents", documents)):
    app.add_typer(group, name=name)

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
ROOT = Path(__file__).parents[1]


def main() -> None:
    """Run the command line."""
    try:
        app()
    except RecoupError as error:
        _refuse(f"{error} {error.hint}".strip())
    except OSError as error:
        _refuse(f"{error.filename or 'file'}: {error.strerror}.")


def _refuse(sentence: str) -> NoReturn:
    print(f"recoup: {sentence}", file=sys.stderr)
    raise SystemExit(2)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 3000,
) -> None:
    """Start the service; a first local start migrates the ledger and makes keys of its own."""
    settings = Settings()
    ledger = open_ledger(settings)
    ledger.migrate()
    with ledger.read() as tx:
        known = tx.keys()
    if not known and host not in LOOPBACK:
        _refuse("without any key the service listens on loopback only; make one with recoup keys create.")
    if not known:
        folder = _make_local_keys(ledger, settings)
        print(f"made a key for every role in {folder}")
    ledger.close()
    environment = os.environ | {
        "BENTOML_HOME": str(settings.bentoml_home.resolve()),
        "BENTOML_DO_NOT_TRACK": "true",
        "RECOUP_HOME": str(settings.home.resolve()),
        "OMP_THREAD_LIMIT": "1",
    }
    words = [
        "serve",
        "serving.service:Recoup",
        "--host",
        host,
        "--port",
        str(port),
        "--working-dir",
        str(ROOT),
    ]
    os.execve(sys.executable, [sys.executable, "-m", "bentoml", *words], environment)  # noqa: S606  # our own interpreter


def _make_local_keys(ledger: Ledger, settings: Settings) -> Path:
    folder = settings.home / "keys"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(stat.S_IRWXU)
    for role in RIGHTS:
        path = folder / role
        path.touch(mode=stat.S_IRUSR | stat.S_IWUSR)
        path.write_text(keeping.add_key(ledger, role, f"local:{role}", ()) + "\n")
    return folder


@app.command()
def migrate() -> None:
    """Bring the ledger's database to this version."""
    settings = Settings()
    open_ledger(settings).migrate()
    print("the ledger is up to date")


@app.command()
def settings() -> None:
    """List every setting, its value and what it means."""
    now = Settings()
    for name, field in Settings.model_fields.items():
        value = getattr(now, name)
        shown = "(set)" if name == "database_url" and value else value
        print(f"RECOUP_{name.upper()}={shown}\n    {field.description}")
    print("MLFLOW_TRACKING_URI\n    where recoup-lab records runs; SQLite under home by default")
    print("RECOUP_ROWS_AT_ONCE\n    rows from which recoup-lab scores a table in parts; 2000000 by default")
    print(
        "RECOUP_LAB_WORKERS\n    processes of its local cluster; as many as there are processors by default"
    )


keys.command("create")(keeping.create_key)
keys.command("list")(keeping.list_keys)
keys.command("rotate")(keeping.rotate_key)
keys.command("revoke")(keeping.revoke_key)
for command in (auditing.verify, auditing.dump, auditing.checkpoint, auditing.erase, auditing.retain):
    audit.command()(command)
policy.command("check")(commands.check_policy)
policy.command("backtest")(commands.backtest_policy)
documents.command("parse")(commands.parse_documents)
documents.command("corrections")(commands.export_corrections)
app.command()(commands.relay)
app.command()(commands.export_outcomes)
app.command()(commands.export_traffic)
app.command()(commands.issue_forecast)

if __name__ == "__main__":
    main()
