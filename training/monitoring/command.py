"""`recoup-lab monitor`: champions on recorded traffic, reported to a file, to MLflow and on the terminal."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from features.returns import BadInputError
from features.table import LABELS
from training.monitoring.report import metrics, page, pictures, report
from training.monitoring.rules import RULES, read_rules
from training.monitoring.traffic import read_traffic
from training.monitoring.watch import watch
from training.options import AsJson
from training.settings import Settings
from training.tracking import Registered, Registry

REPORT: Final = Path("monitoring") / "report.json"  # under RECOUP_HOME, where the service's page looks


def monitor(
    *,
    traffic: Annotated[Path, typer.Option(help="What `recoup export-traffic` wrote.")],
    rules: Annotated[Path, typer.Option(help="When to retrain (YAML).")] = RULES,
    out: Annotated[Path | None, typer.Option(help="The report; RECOUP_HOME/monitoring/report.json.")] = None,
    track: Annotated[bool, typer.Option(help="Log findings and plots to MLflow.")] = True,
    as_json: AsJson = False,
) -> None:
    """Watch the champions on live traffic: drift, outcomes, challengers in shadow, reasons to retrain."""
    settings = Settings()
    registry = Registry(settings.mlflow_home, uri=settings.tracking_uri)
    lines, known = read_traffic(traffic), read_rules(rules)
    champions = [found for task in LABELS if (found := registry.champion(task)) is not None]
    if not champions:
        raise BadInputError("there is no champion to watch; promote one by `recoup-lab promote`.")
    now = datetime.now(UTC)
    watched = [watch(one, challenger_of(one, registry), lines) for one in champions]
    said = report(watched, lines, rules=known, now=now)
    path = write_report(said, out or settings.home / REPORT)
    if track:
        for one in champions:
            _track(registry, one, said["models"][one.task], now=now)
    typer.echo(json.dumps(said) if as_json else f"{page(said)}\n\nreport: {path}")


def challenger_of(champion: Registered, registry: Registry) -> Registered | None:
    """Return the challenger in a champion's shadow; None where it is the champion itself."""
    try:
        found = registry.find(f"{champion.name}@challenger")
    except BadInputError:
        return None
    return None if found.version == champion.version else found


def write_report(said: dict[str, Any], path: Path) -> Path:
    """Write a report whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
    return path


def _track(registry: Registry, champion: Registered, model: dict[str, Any], *, now: datetime) -> None:
    """Log one model's findings, and tag its version where people choose models."""
    why = "; ".join(reason["sentence"] for reason in model["retrain"]["reasons"])
    verdict = {"retrain": "recommended" if why else "no reason", "retrain_reasons": why or "none"}
    registry.note(
        f"monitor-{champion.task}",
        params={"model": champion.name, "version": champion.version, "lines": model["lines"]},
        metrics=metrics(model),
        tags={"kind": "monitoring", "at": now.isoformat(), **verdict},
        plots=pictures(model),
        texts={"report.json": json.dumps(model, indent=1)},
    )
    registry.tag(champion, {"monitored_at": now.isoformat(), **verdict})
