"""What every disposition of a line is expected to bring, net: the same for the service and for an evaluation.

Once the grade is known, the recovery model is asked about each line. Before that, the probabilities of the
grades weigh what lines of each grade brought: past choices were made by grade, so what a disposition brought
to lines that got it says nothing of lines that another grade would have kept from it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from features import calendar
from features.table import Table, number, objects, take, time
from models import economics
from models.disposition import Model as Classifier
from models.economics import Costs, Outcome
from models.recovery import Model as Recovery
from models.recovery import value_of

Floats = npt.NDArray[np.float64]


def weigh(table: Table, *, condition: Classifier | None, recovery: Recovery | None) -> Outcome:
    """Return the expected net recovery of every disposition; a model that is missing leaves its prior.

    Parameters
    ----------
    condition : Classifier or None
        The model of the task condition: it stands in for a grade that is not known yet.
    """
    costs = costs_of(recovery)
    gross = economics.gross(grades(table, condition), value_by_now(table, costs), costs)
    if recovery is not None:
        asked = _asked(table, recovery)
        gross = _learned(gross, table, recovery, asked) if len(asked) else gross
    return economics.net(gross, number(table, "weight_kg"), costs)


def _learned(gross: Outcome, table: Table, recovery: Recovery, asked: npt.NDArray[np.int64]) -> Outcome:
    said = recovery.predict(take(table, asked))
    learned = [np.full(gross.mean.shape, np.nan) for _ in range(3)]
    for part, figures in zip(learned, (said.mean, said.p10, said.p90), strict=True):
        part[asked] = np.where(said.supported, figures, np.nan)
    return economics.learned_or(gross, Outcome(gross.dispositions, *learned))


def _asked(table: Table, recovery: Recovery) -> npt.NDArray[np.int64]:
    """Return the lines that the recovery model can answer for: those with a grade, if it needs one."""
    grade = objects(table, "grade")
    return np.flatnonzero([not recovery.needs_grade or found is not None for found in grade])


def costs_of(recovery: Recovery | None) -> Costs:
    """Return the planning figures that a recovery model learned, or the defaults without one."""
    return economics.DEFAULT if recovery is None else recovery.costs


def grades(table: Table, condition: Classifier | None) -> Floats:
    """Return p(grade) of every line: certain where it was inspected, else what the model says."""
    found = economics.certain(objects(table, "grade"))
    if condition is None:
        return found
    said = condition.predict(table)
    at = {name: place for place, name in enumerate(said.classes)}
    columns = [said.probabilities[:, at[g]] if g in at else np.zeros(len(found)) for g in economics.GRADES]
    known = (found == 1).any(axis=1)
    return np.where(known[:, None], found, np.column_stack(columns))


def value_by_now(table: Table, costs: Costs) -> Floats:
    """Return what the line is worth by now: its value when sold, less what waiting has cost since."""
    days = calendar.days(time(table, "requested_at"), time(table, "sold_at"))
    since = np.maximum(np.nan_to_num(days), 0.0)
    return value_of(table) * economics.decay(objects(table, "family"), since, costs)
