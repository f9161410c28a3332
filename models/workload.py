"""How long an inspection will take: median and ninth decile in minutes, calibrated on later rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.columns import columns_for
from features.returns import BadInputError
from features.table import Table, take
from models import boosting
from models.boosting import Bundle, Goal, Params
from models.calibration import fit_shift
from models.disposition import NONE

TASK: Final = "workload"
PARAMS: Final = Params()
LEVELS: Final = {"p50": 0.5, "p90": 0.9}
VIEW: Final = "intake"
MIN_ROWS: Final = 50
SHORTEST: Final = 0.1  # minutes; a scan takes longer, and logarithms need more than zero


@dataclass(frozen=True, slots=True)
class Prediction:
    """One row a line.

    Parameters
    ----------
    p50, p90 : ndarray of shape (n,), float64, minutes
        `p90` is never below `p50`.
    """

    p50: npt.NDArray[np.float64]
    p90: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Model:
    """A fitted workload model; see `fit`."""

    bundle: Bundle

    @property
    def digest(self) -> str:
        """SHA-256 of everything learned."""
        return self.bundle.digest

    def predict(self, table: Table) -> Prediction:
        """Predict the minutes of every row."""
        boosted, shifts = self.bundle.views[VIEW], self.bundle.numbers["shifts"]
        matrix = boosted.matrix(table)
        minutes = {name: np.exp(boosted.raw(matrix, name) + shifts[name]) for name in LEVELS}
        return Prediction(minutes["p50"], np.maximum(minutes["p50"], minutes["p90"]))

    def in_domain(self, table: Table) -> npt.NDArray[np.bool_]:
        """Tell which rows resemble the training rows."""
        return self.bundle.views[VIEW].in_domain(table)

    def save(self, folder: Path) -> None:
        """Write the model into its folder."""
        self.bundle.save(folder)


def fit(
    table: Table,
    y: npt.NDArray[Any],
    *,
    rng: np.random.Generator,
    attributes: Mapping[str, str] = NONE,
    params: Params = PARAMS,
) -> Model:
    """Learn quantiles of the logarithm of minutes, then shift them to cover later rows.

    Parameters
    ----------
    y : ndarray of shape (n,), float64, minutes
        Rows with NaN are left out.
    """
    known = ~np.isnan(y.astype(np.float64))
    table, minutes = take(table, known), y[known].astype(np.float64)
    if len(minutes) < MIN_ROWS:
        raise BadInputError(f"{TASK}: {len(minutes)} rows with minutes are too few; {MIN_ROWS} are needed.")
    logs = np.log(np.maximum(minutes, SHORTEST))
    goals = {name: Goal(logs, {"objective": "quantile", "alpha": level}) for name, level in LEVELS.items()}
    columns = columns_for(TASK, table, attributes)
    fitted = boosting.fit(columns, table, goals, targets=logs[:, None], params=params, rng=rng)
    shifts = {
        name: fit_shift(logs[fitted.held_out], fitted.held_out_raw[name], level=level)
        for name, level in LEVELS.items()
    }
    return Model(Bundle(TASK, {VIEW: fitted.boosted}, {"shifts": shifts}))


def load(folder: Path) -> Model:
    """Read a saved model."""
    return Model(Bundle.load(folder, task=TASK))
