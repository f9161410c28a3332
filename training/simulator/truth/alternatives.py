"""What every alternative would recover: before anybody looked, once the grade is written down, and truly."""

from __future__ import annotations

import numpy as np

from training.simulator.draws.lines import World, case_of
from training.simulator.laws.catalogue import Array, family_figure
from training.simulator.laws.handling import (
    DISPOSITIONS,
    RECOVERY_SIGMA,
    UNGRADED,
    Case,
    present_value,
    recovery_scale,
)


def alternatives(world: World, both: Array, allowed: Array, weeks: Array) -> dict[str, Array]:
    """Compute what each disposition would recover, for every line.

    Parameters
    ----------
    both : ndarray of shape (n, grades, grades)
        P(grade found, grade written down) at the request.
    allowed : ndarray of shape (n, grades + UNGRADED, dispositions), bool
        Whether a disposition may be chosen for a grade written down.
    weeks : ndarray of shape (n, weeks)
        P(so many weeks of age more at inspection than at the request).
    """
    case, outcomes = case_of(world.returned, world.claims, world.scene), world.outcomes
    rows, code = np.arange(len(both)), outcomes.code
    later, then = _values(world, case, weeks)
    told = _given(both, code)
    columns = {}
    for d, name in enumerate(DISPOSITIONS):
        share = _mean_share(d)
        may = allowed[rows, code, d]
        reach = np.einsum("ngw,nw,g->n", both, allowed[:, :UNGRADED, d], share[:UNGRADED])
        ever = allowed[:, :UNGRADED, d].any(axis=1)
        columns[f"expected_{name}"] = np.where(ever, reach * later, np.nan)
        columns[f"given_grade_expected_{name}"] = np.where(may, told @ share * then, np.nan)
        columns[f"value_{name}"] = np.where(may, share[outcomes.grade] * then, 0.0)
    return columns


def _values(world: World, case: Case, weeks: Array) -> tuple[Array, Array]:
    """Value of a line like new: expected at the request for the day of inspection, and as it was on it."""
    loss = family_figure("weekly_loss")[case.family]
    expected = case.value * (weeks * (1 - loss)[:, None] ** np.arange(weeks.shape[1])).sum(axis=1)
    seen = np.nan_to_num(world.outcomes.inspected, nan=0.0)
    age = np.where(seen > 0, np.floor(seen).astype(int) - world.claims.marks.sold_day, world.claims.marks.lag)
    then = present_value(case.family, world.returned.price, age)
    return expected * world.claims.quantity, then * world.claims.quantity


def _given(both: Array, code: Array) -> Array:
    """P(grade found | grade written down, what was known at the request), shape (n, grades + UNGRADED)."""
    rows, looked = np.arange(len(both)), code != UNGRADED
    found = both[rows, :, np.where(looked, code, 0)]
    found = np.where(looked[:, None], found / found.sum(axis=1, keepdims=True), 0.0)
    return np.column_stack([found, ~looked])


def _mean_share(disposition: int) -> Array:
    """Mean share of the value recovered, by grade found."""
    grades = np.arange(UNGRADED + 1)
    nothing, median = recovery_scale(np.full_like(grades, disposition), grades, np.ones(grades.size))
    return np.asarray((1 - nothing) * median * np.exp(RECOVERY_SIGMA**2 / 2))
