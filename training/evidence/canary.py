"""The canary against leakage: change everything that lies in the future, and look whether a feature moves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.columns import INSPECTION, Column
from features.history import offline
from features.table import KINDS, LABELS, Table, rows, take, time

KNOWN_AT: Final = {"fraud": "fraud_known_at"}  # every other label: label_known_at
OUTCOMES: Final = tuple(LABELS.values())
NOT_CHANGED: Final = frozenset({"return_line_id", "requested_at", "label_known_at", "fraud_known_at"})


def changed_features(columns: Iterable[Column], table: Table, *, at: np.datetime64) -> tuple[str, ...]:
    """Name the features of the rows asked for by `at` that differ once all that came later is another story.

    Later rows all become the first of them, so that counts, sums and means over the future change; and every
    label that became known later gets another value.

    Parameters
    ----------
    columns : iterable of Column
        Features to look at; the table's history is worked out anew for both stories.
    """
    told = _as_asked(table)
    other = _other_future(told, at)
    asked = np.flatnonzero(time(told, "requested_at") <= at)
    inspected = np.flatnonzero(~_unknown(told, "grade", at))
    before, after = ({**story, **offline(story)} for story in (told, other))
    return tuple(
        column.name
        for column in columns
        if not _same(column, before, after, inspected if column.known == INSPECTION else asked)
    )


def _as_asked(table: Table) -> Table:
    """Return the canonical and declared columns alone: history is a feature, not a fact."""
    return {name: values for name, values in table.items() if name in KINDS or name.startswith("attr_")}


def _other_future(table: Table, at: np.datetime64) -> Table:
    asked = time(table, "requested_at")
    later = np.flatnonzero(asked > at)
    moved = np.arange(rows(table))
    moved[later] = later[0] if len(later) else later
    story = {name: values if name in NOT_CHANGED else values[moved] for name, values in table.items()}
    for name in OUTCOMES:
        if name in story:
            story[name] = _other_labels(story[name], _unknown(table, name, at))
    return story


def _unknown(table: Table, name: str, at: np.datetime64) -> npt.NDArray[np.bool_]:
    """Mark the labels that were not known at `at`."""
    known = time(table, KNOWN_AT.get(name, "label_known_at"))
    return np.asarray(np.isnat(known) | (known > at))


def _other_labels(values: npt.NDArray[Any], unknown: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """Return labels that are another wherever they are unknown."""
    if values.dtype != object:
        return np.where(unknown, np.nan_to_num(values) * 3 + 7, values)
    flags = any(isinstance(value, bool) for value in values)
    classes = [True, False] if flags else sorted({value for value in values if value is not None})
    after = dict(zip(classes, classes[1:] + classes[:1], strict=True))
    other = [after.get(value, classes[0] if classes else None) for value in values]
    return np.where(unknown, np.array(other, object), values)


def _same(column: Column, before: Table, after: Table, past: npt.NDArray[np.int64]) -> bool:
    left, right = (column.compute(take(story, past)) for story in (before, after))
    if left.dtype == object:
        return bool((left == right).all())
    return np.array_equal(left, right, equal_nan=True)


def usual_moment(table: Table) -> np.datetime64:
    """Return the moment by which three quarters of the rows had been asked for."""
    asked = np.sort(time(table, "requested_at"))
    known = asked[~np.isnat(asked)]
    return np.datetime64("NaT", "us") if not len(known) else np.datetime64(known[3 * (len(known) - 1) // 4])


def features_of(model: Any) -> tuple[Column, ...]:
    """Return every feature that a saved model reads, of all its views."""
    found = {column.name: column for view in model.bundle.views.values() for column in view.encoder.columns}
    return tuple(found.values())
