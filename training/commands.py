"""The commands of `recoup-lab`: options in, tables and files out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer

from features.returns import BadInputError
from training import promote as promotion
from training.answers import card, load
from training.datasets import Dataset, read
from training.evaluate import evaluate as judge
from training.evaluate import table_of_figures
from training.evidence.crew import Crew, follow
from training.evidence.figures import Figures
from training.fields import Sources, train_fields
from training.named import folder_of, registry, source_of
from training.options import AsJson, Data, Date, MappingFile, Model, Seed
from training.settings import Settings
from training.simulator.world import simulate as draw
from training.simulator.world import write
from training.tracking import Registered
from training.train import TASKS, Trained, read_volumes, train_volume
from training.train import train as train_task

# A fixed day, so that the same seed is the same world whenever it is drawn.
WORLD_START: Final = datetime(2023, 11, 1, tzinfo=UTC)
EVERYTHING: Final = (*TASKS, "volume")
FORMS: Final = 240  # read in about four minutes


def simulate(
    *,
    returns: Annotated[int, typer.Option(help="How many returns.")],
    seed: Seed = 0,
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    start: Date = None,
) -> None:
    """Simulate a history of sales and returns with its exact truth."""
    begun = start.replace(tzinfo=UTC) if start else WORLD_START
    tables = draw(returns=returns, rng=np.random.default_rng(seed), start=begun)
    write(tables, out, seed=seed)
    typer.echo(
        f"{len(tables.returns)} returns of {len(tables.sales)} sales, {len(tables.events)} events: {out}"
    )


def train(
    task: Annotated[str, typer.Argument(help=f"{', '.join(EVERYTHING)} or all; fields needs no data.")],
    *,
    data: Data = None,
    mapping: MappingFile = None,
    as_of: Date = None,
    tune: Annotated[int, typer.Option(min=0, help="Trials of a search over parameters.")] = 0,
    freq: Annotated[str, typer.Option(help="Of volume: D, W, M or Q.")] = "D",
    forms: Annotated[int, typer.Option(min=20, help="Of fields: forms to draw and read.")] = FORMS,
    corrections: Annotated[Path | None, typer.Option(help="Of fields: what people corrected.")] = None,
    seed: Seed = 0,
) -> None:
    """Fit, judge beside a bare baseline, log to MLflow and register as challenger."""
    if task == "fields":
        sources = Sources(forms, Settings().home, corrections)
        _show(train_fields(sources, registry=registry(), seed=seed, now=datetime.now(UTC)))
        return
    if task not in (*EVERYTHING, "all"):
        raise BadInputError(f"'{task}' is no task; choose one of {', '.join(EVERYTHING)} or all.")
    tasks = EVERYTHING if task == "all" else (task,)
    # All tables are read before anything is written: bad input leaves no half of the work behind.
    datasets = {
        name: read(name, data=data, mapping=mapping, as_of=as_of) for name in tasks if name != "volume"
    }
    volumes = read_volumes(data, mapping, freq=freq, as_of=as_of) if "volume" in tasks else None
    registered, now = registry(), datetime.now(UTC)
    for dataset in datasets.values():
        _show(train_task(dataset, registry=registered, seed=seed, tune=tune, now=now))
    if volumes is not None:
        _show(train_volume(volumes, registry=registered, seed=seed, now=now))


def evaluate(
    model: Model,
    *,
    data: Data = None,
    mapping: MappingFile = None,
    as_json: AsJson = False,
    seed: Seed = 0,
) -> None:
    """Judge a model on rows it has not seen, by default its own test rows; `all` judges what they bring."""
    if model == "all":
        figures, title = _together(data, mapping, seed), "what the models bring together"
    else:
        figures, title = _alone(folder_of(model), data, mapping, seed)
    typer.echo(table_of_figures(figures, title=title))
    if as_json:
        typer.echo(json.dumps(figures))


def _alone(folder: Path, data: Path | None, mapping: Path | None, seed: int) -> tuple[Figures, str]:
    facts = card(folder)
    if facts["task"] == "volume":
        return facts["metrics"], "volume: as judged when trained; more by `recoup-lab backtest`"
    dataset = _dataset(facts, data, mapping)
    figures = judge(load(folder), dataset, rng=np.random.default_rng(seed))
    return figures, f"{facts['task']} on {len(dataset.test.y)} test rows of {dataset.origin.data}"


def _together(data: Path | None, mapping: Path | None, seed: int) -> Figures:
    """Follow the recommendations of the registered models through the test rows of a simulated history."""
    folders = {task: folder_of(task) for task in ("condition", "recovery", "workload")}
    dataset = _dataset(card(folders["recovery"]), data, mapping)
    crew = Crew(**{task: load(folder) for task, folder in folders.items()})
    return follow(crew, dataset.test, rng=np.random.default_rng(seed))


def promote(model: Model, *, seed: Seed = 0) -> None:
    """Put a challenger (or `all`) through the gates; make it champion and hand it to the service."""
    registered, now = registry(), datetime.now(UTC)
    names = [f"recoup-{task}@challenger" for task in EVERYTHING] if model == "all" else [_challenger(model)]
    for name in names:
        challenger = registered.find(name)
        gates = promotion.promote(challenger, registry=registered, seed=seed, now=now)
        for gate in gates:
            typer.echo(f"  {gate.name}: {gate.finding}")
        typer.echo(f"{challenger.name} version {challenger.version} is champion")


def rollback(model: Model) -> None:
    """Give the crown back to the champion before the present one."""
    task = model.removeprefix("recoup-").partition("@")[0]
    earlier = promotion.rollback(task, registry=registry(), now=datetime.now(UTC))
    typer.echo(f"{earlier.name} version {earlier.version} is champion again")


def _challenger(model: str) -> str:
    return model if "@" in model or "/" in model else f"recoup-{model.removeprefix('recoup-')}@challenger"


def _dataset(facts: dict[str, Any], data: Path | None, mapping: Path | None) -> Dataset:
    source, meaning = source_of(facts, data, mapping)
    own = data is None and mapping is None and facts["as_of"]
    as_of = datetime.fromisoformat(facts["as_of"]) if own else None
    return read(facts["task"], data=source, mapping=meaning, as_of=as_of)


def _show(done: Trained) -> None:
    registered: Registered = done.registered
    promotion.show_challenger(registered)
    title = f"{registered.name} version {registered.version}, challenger"
    typer.echo(table_of_figures(done.figures, title=title) + "\n")
