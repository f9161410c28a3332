"""What the models bring together: condition, recovery and workload decide, route and queue the same lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.returns import BadInputError
from features.table import Table, number, objects, take
from models import alternatives, economics
from models.economics import Costs
from training.answers import without_inspection
from training.datasets import Rows
from training.evidence.days import Day, Outlook, queues, routes
from training.evidence.figures import Figures, redraw, with_intervals
from training.evidence.plans import Money, World, money, world_of

DAYS: Final = 60  # batches planned; spread evenly over the test rows
NINETY: Final = 1.2815515594457831  # z of the ninth decile


@dataclass(frozen=True, slots=True)
class Crew:
    """The models that decide together what becomes of a line; a missing one leaves its default."""

    condition: Any = None
    recovery: Any = None
    workload: Any = None


def follow(crew: Crew, rows: Rows, *, rng: np.random.Generator, days: int = DAYS) -> Figures:
    """Follow a crew's recommendations through rows of a simulated world that were inspected.

    Returns
    -------
    dict of str to float
        Net recovery before and after inspection, a routed day and a queued one, each beside the plan of one
        who knows the laws of the world; with 95 % bootstrap intervals over customers or days.

    Raises
    ------
    BadInputError
        If there is no truth of alternatives beside the data.
    """
    graded = np.flatnonzero(pd.notna(objects(rows.table, "grade")))
    table, blocks = take(rows.table, graded), rows.blocks[graded]
    truth = None if rows.truth is None else rows.truth.iloc[graded]
    blind = without_inspection(table)
    before, after = _world(blind, truth, inspected=False), _world(table, truth, inspected=True)
    assert truth is not None
    grade, samples = objects(table, "grade"), redraw(blocks, rng)
    early, late = _chosen(crew, blind, before), _chosen(crew, table, after)
    ours, best = _ours(crew, blind, before, early), _best(before, truth)
    routed = list(routes(blind, ours, best, most=days))
    queued = list(queues(blind, ours, best, took=number(table, "minutes"), most=days))
    return {
        **_of_lines(money(before, early[0], grade), samples),
        **{f"inspected_{k}": v for k, v in _of_lines(money(after, late[0], grade), samples).items()},
        **_of_days("routed_recovery", routed, rng),
        "routed_gap": max((day.gap for day in routed), default=0.0),
        **_of_days("queue_cost", queued, rng),
    }


def _world(table: Table, truth: pd.DataFrame | None, *, inspected: bool) -> World:
    world = world_of(table, truth, inspected=inspected)
    if world is None:
        raise BadInputError("the data have no truth of alternatives beside them; simulate a history.")
    return world


def _chosen(crew: Crew, table: Table, world: World) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return the disposition that the crew recommends among what is permitted, and what it expects of it."""
    said = alternatives.weigh(table, condition=crew.condition, recovery=crew.recovery)
    chosen = world.choose(said.dispositions, said.mean)
    place = np.array([said.dispositions.index(name) for name in world.dispositions])
    return chosen, said.mean[np.arange(len(chosen)), place[chosen]]


def _ours(
    crew: Crew, table: Table, world: World, early: tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]
) -> Outlook:
    chosen, expected = early
    costs: Costs = alternatives.costs_of(crew.recovery)
    minutes = np.full(len(chosen), 1.0) if crew.workload is None else crew.workload.predict(table).p50
    hourly = economics.cost_of_delay(expected, objects(table, "family"), costs)
    return Outlook(expected, world.brought(chosen), hourly, minutes)


def _best(world: World, truth: pd.DataFrame) -> Outlook:
    """Return the outlook of one who knows the laws; its mean minutes are a log-normal's by its quantiles."""
    chosen = world.best()
    expected = world.expected[np.arange(len(chosen)), chosen]
    hourly = np.maximum(expected, 0.0) * world.weekly_loss / economics.HOURS_PER_WEEK
    p50, p90 = (truth[f"minutes_{name}"].to_numpy() for name in ("p50", "p90"))
    mean = p50 * np.exp((np.log(p90 / p50) / NINETY) ** 2 / 2)
    return Outlook(expected, world.brought(chosen), hourly, mean)


def _of_lines(found: Money, samples: list[npt.NDArray[Any]]) -> Figures:
    return with_intervals(lambda rows: found.take(rows).figures(), samples, len(found.model))


def _of_days(name: str, days: list[Day], rng: np.random.Generator) -> Figures:
    """Return what a plan came to over all days as a ratio to the best plan."""
    if not days:
        return {}
    model, best = np.array([day.model for day in days]), np.array([day.best for day in days])
    samples = redraw(np.arange(len(days)), rng)
    return with_intervals(
        lambda rows: {f"bayes_ratio_{name}": float(model[rows].sum() / best[rows].sum())}, samples, len(days)
    )
