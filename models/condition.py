"""What an inspection will find: calibrated probabilities over grades, from what is known before it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.table import Table
from models import disposition
from models.boosting import Params
from models.disposition import NONE, PARAMS, Model, Prediction

TASK: Final = "condition"
__all__ = ["TASK", "Model", "Prediction", "fit", "load"]


def fit(
    table: Table,
    y: npt.NDArray[Any],
    *,
    rng: np.random.Generator,
    attributes: Mapping[str, str] = NONE,
    params: Params = PARAMS,
) -> Model:
    """Learn grades as `models.disposition.fit` learns its classes, from intake features alone."""
    return disposition.fit(table, y, rng=rng, attributes=attributes, params=params, task=TASK)


def load(folder: Path) -> Model:
    """Read a saved model."""
    return disposition.load(folder, task=TASK)
