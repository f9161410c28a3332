"""`recoup-lab backtest`: rolling origins, each with data as known then, beside the field's baselines."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Final

import numpy as np
import typer

from features.returns import BadInputError
from models import volume
from models.volume import QUANTILES
from training.forecasting.baselines import baselines
from training.forecasting.history import forecast_of, panel_of
from training.forecasting.measures import OWN, Backtest, Outlook, naive_error, summed
from training.forecasting.pictures import pictures
from training.options import AsJson, Data, Freq, Horizon, Levels, MappingFile, Scheduler, Seed, names_of
from training.scale.cluster import Cluster, each
from training.settings import Settings
from training.tracking import Registry

Rivals = Callable[..., dict[str, Outlook]]

STEP: Final = {"D": 7, "W": 1, "M": 1, "Q": 1}  # periods between origins
LEAST_HISTORY: Final = 2  # periods before the first origin


def backtest(  # noqa: PLR0913 - a command line reads its options from the signature
    *,
    data: Data = None,
    mapping: MappingFile = None,
    horizon: Horizon = 28,
    freq: Freq = "D",
    levels: Levels = None,
    origins: Annotated[int, typer.Option(min=1, help="Rolling origins, newest last.")] = 26,
    step: Annotated[int | None, typer.Option(min=1, help="Periods between origins: 7 days, else 1.")] = None,
    track: Annotated[bool, typer.Option(help="Log figures and plots to MLflow.")] = True,
    scheduler: Scheduler = None,
    as_json: AsJson = False,
    seed: Seed = 0,
) -> None:
    """Measure forecasts against what came, beside statsforecast, hierarchicalforecast and mlforecast."""
    panel = panel_of(data, mapping, freq=freq, levels=names_of(levels))
    at = origins_of(panel, horizon=horizon, count=origins, step=step or STEP[freq])
    if scheduler is None:
        with typer.progressbar(at, label="origins", file=sys.stderr) as bar:
            found = rolled(panel, bar, horizon=horizon, seed=seed)
    else:
        with Cluster(scheduler).client() as client:
            over = partial(each, client, label="origins")
            found = rolled(panel, at, horizon=horizon, seed=seed, over=over)
    figures = found.figures()
    if track:
        facts = {"data": data, "mapping": mapping, "horizon": horizon, "freq": freq, "origins": len(at)}
        _track(found, figures, {name: str(value) for name, value in {**facts, "seed": seed}.items()})
    if as_json:
        typer.echo(json.dumps(figures))
        return
    for name, value in figures.items():
        if not name.endswith(("_lo", "_hi")):
            typer.echo(f"{name:50s} {value:9.4f}  [{figures[f'{name}_lo']:.4f}, {figures[f'{name}_hi']:.4f}]")


def origins_of(panel: volume.Panel, *, horizon: int, count: int, step: int) -> list[int]:
    """Choose the newest origins whose horizon is known, oldest first; fewer where the history is short."""
    last = panel.length - horizon
    if last < LEAST_HISTORY:
        raise BadInputError(
            f"{panel.length} periods of history are too few to test {horizon} ahead; use a smaller --horizon."
        )
    return list(range(last, LEAST_HISTORY - 1, -step))[:count][::-1]


def rolled(
    panel: volume.Panel,
    origins: Iterable[int],
    *,
    horizon: int,
    seed: int,
    rivals: Rivals = baselines,
    over: Callable[..., Iterable[tuple[int, dict[str, Outlook]]]] = map,
) -> Backtest:
    """Forecast from every origin what is known now, with our model and with every baseline.

    Parameters
    ----------
    over : callable
        Does some work for every origin, in their order: `map`, or the processes of a cluster.
    """
    nodes = list(volume.nodes(panel.keys))
    said: dict[str, list[Outlook]] = {}
    actual, scale, at = [], [], []
    work = partial(_from_origin, panel=panel, horizon=horizon, seed=seed, rivals=rivals)
    for origin, outlook_of in over(work, origins):
        known = panel.until(origin)
        for model, outlook in outlook_of.items():
            said.setdefault(model, []).append(outlook)
        actual.append(summed(panel.y[:, origin : origin + horizon], nodes))
        scale.append(naive_error(summed(known.y, nodes)))
        at.append(origin)
    block = -(-horizon // max(int(np.diff(at).min()), 1)) if len(at) > 1 else 1
    return Backtest(panel.levels, nodes, np.stack(actual), np.stack(scale), said, max(block, 1), seed)


def _from_origin(
    origin: int, *, panel: volume.Panel, horizon: int, seed: int, rivals: Rivals
) -> tuple[int, dict[str, Outlook]]:
    return origin, outlooks(panel.until(origin), horizon=horizon, seed=seed, rivals=rivals)


def outlooks(
    panel: volume.Panel, *, horizon: int, seed: int, rivals: Rivals = baselines
) -> dict[str, Outlook]:
    """Forecast every node from what the panel knows, with our model and with every baseline."""
    nodes = list(volume.nodes(panel.keys))
    theirs = rivals(summed(panel.y, nodes), nodes, panel, horizon=horizon)
    return {OWN: own_outlook(panel, horizon=horizon, seed=seed), **theirs}


def own_outlook(panel: volume.Panel, *, horizon: int, seed: int) -> Outlook:
    """Forecast every node with our model."""
    forecast = forecast_of(panel, horizon=horizon, seed=seed)
    paths = np.stack([forecast.paths[:, members].sum(1) for _, members in volume.nodes(panel.keys)], axis=1)
    quantiles = np.quantile(paths, QUANTILES, axis=0, method="inverted_cdf").astype(np.float64)
    return Outlook(paths.mean(0), quantiles)


def _track(found: Backtest, figures: dict[str, float], facts: dict[str, str]) -> None:
    settings = Settings()
    registry = Registry(settings.mlflow_home, uri=settings.tracking_uri)
    tags = {"kind": "backtest", "at": datetime.now(UTC).isoformat()}
    registry.note("volume-backtest", params=facts, metrics=figures, tags=tags, plots=pictures(found))
