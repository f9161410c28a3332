"""The commands of `recoup-lab`: options in, tables and files out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
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
from training.options import AsJson, Data, Date, MappingFile, Model, Scheduler, Seed
from training.scale import worlds
from training.scale.cluster import Cluster, each
from training.scale.worlds import Blocks
from training.settings import Settings
from training.simulator.world import simulate as draw
from training.simulator.world import write
from training.tracking import Registered
from training.train import TASKS, Candidate, Trained, Wanted, logged

# A fixed day, so that the same seed is the same world whenever it is drawn.
WORLD_START: Final = datetime(2023, 11, 1, tzinfo=UTC)
EVERYTHING: Final = (*TASKS, "volume")
BLOCK: Final = 1_000_000  # returns of a world that is drawn at once
FORMS: Final = 240  # read in about four minutes


def simulate(
    *,
    returns: Annotated[int, typer.Option(help="How many returns.")],
    seed: Seed = 0,
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    start: Date = None,
    block: Annotated[int, typer.Option(min=1, help="A larger world is drawn in blocks of so many.")] = BLOCK,
    scheduler: Scheduler = None,
) -> None:
    """Simulate a history of sales and returns with its exact truth.

    A world of more than --block returns is drawn in blocks, each of other customers on one market, by local
    processes or at --scheduler; stopped, the same command continues with the blocks that are missing.
    """
    begun = start.replace(tzinfo=UTC) if start else WORLD_START
    if returns > block:
        blocks = Blocks(returns, seed, begun, block, out.resolve())
        worlds.draw(blocks, Cluster(scheduler, Settings().lab_workers))
        _say_drawn(out, *(blocks.rows(table) for table in ("returns", "sales", "events")))
        return
    tables = draw(returns=returns, rng=np.random.default_rng(seed), start=begun)
    write(tables, out, seed=seed)
    _say_drawn(out, len(tables.returns), len(tables.sales), len(tables.events))


def _say_drawn(out: Path, returns: int, sales: int, events: int) -> None:
    typer.echo(f"{returns} returns of {sales} sales, {events} events: {out}")


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
    scheduler: Scheduler = None,
    seed: Seed = 0,
) -> None:
    """Fit, judge beside a bare baseline, log to MLflow and register as challenger.

    With --scheduler each task is fitted by a worker of that cluster; the models are the same to the last bit.
    """
    if task == "fields":
        sources = Sources(forms, Settings().home, corrections)
        _show(train_fields(sources, registry=registry(), seed=seed, now=datetime.now(UTC)))
        return
    if task not in (*EVERYTHING, "all"):
        raise BadInputError(f"'{task}' is no task; choose one of {', '.join(EVERYTHING)} or all.")
    tasks = EVERYTHING if task == "all" else (task,)
    wanted = Wanted(data and data.resolve(), mapping and mapping.resolve(), as_of, tune, freq, seed)
    registered, now = registry(), datetime.now(UTC)
    for candidate in _candidates(tasks, wanted, scheduler):
        _show(logged(candidate, registry=registered, seed=seed, now=now))


def _candidates(tasks: Sequence[str], wanted: Wanted, scheduler: str | None) -> Iterable[Candidate]:
    """Fit one task after the other, or all of them on a cluster."""
    if scheduler is None:
        # All tables are read before anything is written: bad input leaves no half of the work behind.
        return (wanted.learn(questions) for questions in [wanted.read(task) for task in tasks])
    with Cluster(scheduler).client() as client:
        return each(client, wanted.candidate, tasks, label="training")


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
