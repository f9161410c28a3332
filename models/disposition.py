"""What will become of a returned item: calibrated probabilities and a prediction set over dispositions.

A line is triaged twice, before inspection and after it. Each time has its own trees and its own calibration,
so that an item without a grade is judged by a model that never had one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.columns import Column, columns_for
from features.returns import BadInputError, Grade
from features.table import Table, objects, rows, take
from models import boosting
from models.boosting import Bundle, Fitted, Goal, Params
from models.calibration import Scaling, Thresholds, fit_scaling, fit_thresholds, thresholds_of

TASK: Final = "disposition"
PARAMS: Final = Params()
NONE: Final[Mapping[str, str]] = MappingProxyType({})
INTAKE: Final = "intake"
INSPECTED: Final = "inspected"
GOAL: Final = "classes"
MIN_ROWS: Final = 50


@dataclass(frozen=True, slots=True)
class Prediction:
    """One row a line.

    Parameters
    ----------
    classes : tuple of str
    probabilities : ndarray of shape (n, classes), float64
        Calibrated; each row sums to one.
    sets : ndarray of shape (n, classes), bool
        Conformal sets: the true class is inside in nine rows of ten, in each class. Where a class is easy to
        tell, a set may be empty: a row unlike nine of ten of its kind.
    """

    classes: tuple[str, ...]
    probabilities: npt.NDArray[np.float64]
    sets: npt.NDArray[np.bool_]

    @property
    def likely(self) -> npt.NDArray[np.object_]:
        """The most probable class of each row."""
        names: npt.NDArray[np.object_] = np.array(self.classes, object)
        return np.asarray(names[self.probabilities.argmax(axis=1)])


@dataclass(frozen=True)
class Model:
    """A fitted classifier; see `fit`."""

    bundle: Bundle

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes in the order of the probabilities."""
        return tuple(self.bundle.numbers["classes"])

    @property
    def digest(self) -> str:
        """SHA-256 of everything learned."""
        return self.bundle.digest

    @cached_property
    def _calibration(self) -> dict[str, tuple[Scaling, Thresholds]]:
        return {
            view: (
                Scaling(**saved["scaling"]),
                thresholds_of(saved["thresholds"]),
            )
            for view, saved in self.bundle.numbers["calibration"].items()
        }

    def predict(self, table: Table) -> Prediction:
        """Predict every row with the view that fits what is known about it."""
        views = self._views(table)
        if len(views) == 1:
            return self._predict(views[0][0], table)
        parts = [(index, self._predict(view, take(table, index))) for view, index in views]
        order = np.argsort(np.concatenate([index for index, _ in parts]), kind="stable")
        return Prediction(
            self.classes,
            np.concatenate([part.probabilities for _, part in parts])[order],
            np.concatenate([part.sets for _, part in parts])[order],
        )

    def _predict(self, view: str, table: Table) -> Prediction:
        boosted = self.bundle.views[view]
        scaling, thresholds = self._calibration[view]
        probabilities = scaling.probabilities(boosted.raw(boosted.matrix(table), GOAL))
        return Prediction(self.classes, probabilities, thresholds.sets(probabilities, objects(table, "site")))

    def in_domain(self, table: Table) -> npt.NDArray[np.bool_]:
        """Tell which rows resemble the training rows of their view."""
        views = self._views(table)
        if len(views) == 1:
            return self.bundle.views[views[0][0]].in_domain(table)
        result = np.ones(rows(table), bool)
        for view, index in views:
            result[index] = self.bundle.views[view].in_domain(take(table, index))
        return result

    def _views(self, table: Table) -> list[tuple[str, npt.NDArray[np.int64]]]:
        """Return each view with the rows it answers for."""
        graded = _graded(table) if INSPECTED in self.bundle.views else np.zeros(rows(table), np.bool_)
        if not graded.any():
            return [(INTAKE, np.arange(len(graded)))]
        split = [(INTAKE, np.flatnonzero(~graded)), (INSPECTED, np.flatnonzero(graded))]
        return [(view, index) for view, index in split if len(index)]

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
    task: str = TASK,
) -> Model:
    """Learn classes from a table: unweighted log-loss, then calibration on later rows.

    Parameters
    ----------
    y : ndarray of shape (n,), object
        The class of each row; rows with None are left out.
    attributes : mapping of str to str
        Declared columns of one's own: name -> number, category or text.
    """
    known = np.array([label is not None for label in y])
    table, y = take(table, known), y[known]
    classes = tuple(sorted(set(y.tolist())))
    if len(y) < MIN_ROWS or len(classes) < 2:  # noqa: PLR2004 - one class teaches nothing
        raise BadInputError(
            f"{task}: {len(y)} labelled rows of {len(classes)} classes are too few to learn from."
        )
    codes = np.searchsorted(np.array(classes), y.astype(str)).astype(np.int64)
    views, calibration = {}, {}
    for view, columns in _columns(table, task, attributes).items():
        index = np.arange(len(y)) if view == INTAKE else np.flatnonzero(_graded(table))
        seen = take(table, index)
        goal = Goal(codes[index].astype(np.float64), {"objective": "multiclass", "num_class": len(classes)})
        targets = np.eye(len(classes))[codes[index]]
        fitted = boosting.fit(columns, seen, {GOAL: goal}, targets=targets, params=params, rng=rng)
        views[view] = fitted.boosted
        calibration[view] = _calibrate(fitted, codes[index], objects(seen, "site"))
    return Model(Bundle(task, views, {"classes": list(classes), "calibration": calibration}))


def _columns(table: Table, task: str, attributes: Mapping[str, str]) -> dict[str, tuple[Column, ...]]:
    intake = columns_for(task, table, attributes)
    inspected = columns_for(task, table, attributes, inspected=True)
    if not intake:
        raise BadInputError(f"{task}: the table has no feature; rename columns or declare attributes.")
    again = len(inspected) > len(intake) and _graded(table).sum() >= MIN_ROWS
    return {INTAKE: intake} | ({INSPECTED: inspected} if again else {})


def _graded(table: Table) -> npt.NDArray[np.bool_]:
    return np.array(
        [grade is not None and grade != Grade.UNGRADED for grade in objects(table, "grade")], np.bool_
    )


def _calibrate(
    fitted: Fitted, codes: npt.NDArray[np.int64], sites: npt.NDArray[Any]
) -> dict[str, dict[str, Any]]:
    raw, own, where = fitted.held_out_raw[GOAL], codes[fitted.held_out], sites[fitted.held_out]
    scaling = fit_scaling(raw, own)
    thresholds = fit_thresholds(scaling.probabilities(raw), own, where)
    return {"scaling": scaling.to_json(), "thresholds": thresholds.to_json()}


def load(folder: Path, *, task: str = TASK) -> Model:
    """Read a saved model."""
    return Model(Bundle.load(folder, task=task))
