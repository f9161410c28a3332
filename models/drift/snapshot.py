"""What a model was trained on, as shapes: kept beside its files, and compared with what comes in later.

No row of the training table can be read from it: it holds shares of bins, never values of one line. Values of
a category are named where they are frequent, as the model's own encoder names them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.columns import INSPECTION, SEASONAL, Column
from features.encoding import Encoder
from features.table import Table, objects, rows, take, time
from models.boosting import Boosted
from models.drift.shapes import Counts, Drift, Shape

SNAPSHOT: Final = "snapshot.json"  # beside model.json
FORMAT: Final = 1
CLOCKWORK: Final = SEASONAL | {"weekday"}  # they move because time does, which is no news

Values = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Usual:
    """The loss that was usual among some rows when the model was judged."""

    rows: int
    mean: float
    deviation: float

    @classmethod
    def of(cls, losses: npt.NDArray[np.float64]) -> Usual:
        """Sum up the losses of some rows."""
        return cls(len(losses), float(losses.mean()), float(losses.std()))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The shapes of a model's inputs and answers.

    Parameters
    ----------
    features : mapping of str to Shape
        By feature; text by the scores that its encoder gives, `<column>:<k>`.
    gain : mapping of str to float
        The share of the trees' whole gain that each feature brought: what its drift matters.
    scores : mapping of str to Shape
        What the model said of rows it was judged on: `p_fraud`, `p_<CLASS>`, `p50`, `p90` …
    until : datetime or None
        When the last row that it learned from was asked for (UTC, without zone): later ones it never saw.
    losses : mapping of str to Usual
        By segment ("all", "site DAL1", "new customers" …): how well it did on those rows.
    """

    task: str
    digest: str
    features: Mapping[str, Shape]
    gain: Mapping[str, float]
    scores: Mapping[str, Shape]
    until: datetime | None = None
    losses: Mapping[str, Usual] = field(default_factory=dict)

    def counts(self, inputs: Values, scores: Values) -> dict[str, dict[str, Counts]]:
        """Count inputs and scores by bin; the counts of several batches add up."""
        return {
            "features": {name: s.counts(inputs[name]) for name, s in self.features.items() if name in inputs},
            "scores": {name: s.counts(scores[name]) for name, s in self.scores.items() if name in scores},
        }

    def drift(self, counts: Mapping[str, Mapping[str, Counts]]) -> dict[str, dict[str, Drift]]:
        """Tell how far counted rows lie from training: by feature and by score."""
        shapes = {"features": self.features, "scores": self.scores}
        return {
            kind: {
                name: shapes[kind][name].drift(found) for name, found in counts[kind].items() if found.sum()
            }
            for kind in shapes
        }

    def save(self, folder: Path) -> None:
        """Write `snapshot.json` into a model's folder."""
        saved = {
            "format": FORMAT,
            "task": self.task,
            "digest": self.digest,
            "features": {name: shape.to_json() for name, shape in self.features.items()},
            "gain": dict(self.gain),
            "scores": {name: shape.to_json() for name, shape in self.scores.items()},
            "until": self.until.isoformat() if self.until else None,
            "losses": {name: asdict(usual) for name, usual in self.losses.items()},
        }
        (folder / SNAPSHOT).write_text(json.dumps(saved, sort_keys=True) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Snapshot | None:
        """Read the snapshot of a model folder; None where it has none, or one of another format."""
        try:
            saved = json.loads((folder / SNAPSHOT).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        if saved.get("format") != FORMAT:
            return None
        return cls(
            saved["task"],
            saved["digest"],
            {name: Shape.from_json(shape) for name, shape in saved["features"].items()},
            saved["gain"],
            {name: Shape.from_json(shape) for name, shape in saved["scores"].items()},
            datetime.fromisoformat(saved["until"]) if saved["until"] else None,
            {name: Usual(**usual) for name, usual in saved["losses"].items()},
        )


def snapshot_of(model: Any, task: str, *, trained: Table, judged: Table, scores: Values) -> Snapshot:
    """Take the snapshot of a fitted model.

    Parameters
    ----------
    trained : Table
        The rows it learned from.
    judged : Table
        Rows it had not seen: of texts it knows its own by heart, so their shape is taken from these.
    scores : mapping of str to ndarray of shape (n,), float64
        What it says of the judged rows, before any inspection.
    """
    own, later = inputs_of(model, trained), inputs_of(model, judged)
    features = {}
    for name, values in own.items():
        shape = _shape(later[name] if ":" in name else values)
        if shape.missing < 1:
            features[name] = shape
    return Snapshot(
        task,
        model.digest,
        features,
        {name: share for name, share in gain_of(model).items() if name in features},
        {name: Shape.of_numbers(values) for name, values in scores.items()},
        _last(time(trained, "requested_at")),
    )


def _last(moments: npt.NDArray[np.datetime64]) -> datetime | None:
    known = moments[~np.isnat(moments)]
    return known.max().astype("datetime64[us]").item() if len(known) else None


def inputs_of(model: Any, table: Table) -> dict[str, npt.NDArray[Any]]:
    """Return what a model's encoders make of a table, by feature; the calendar's own left out.

    What an inspection finds is returned for inspected rows alone: a line that nobody has looked at yet has
    lost nothing.
    """
    graded = take(table, np.array([grade is not None for grade in objects(table, "grade")], np.bool_))
    found: dict[str, npt.NDArray[Any]] = {}
    for boosted in _views(model).values():
        for column in boosted.encoder.columns:
            if column.name in CLOCKWORK or column.name in found:
                continue
            seen = graded if column.known == INSPECTION else table
            if rows(seen):
                found |= _values(column, seen, boosted.encoder)
    return found


def _values(column: Column, table: Table, encoder: Encoder) -> dict[str, npt.NDArray[Any]]:
    if column.kind != "text":
        return {column.name: column.compute(table)}
    scores = encoder.texts[column.name].scores(column.compute(table))
    return {f"{column.name}:{k}": scores[:, k] for k in range(scores.shape[1])}


def gain_of(model: Any) -> dict[str, float]:
    """Return each feature's share of the gain of all trees of all views."""
    total: dict[str, float] = {}
    for boosted in _views(model).values():
        for boosters in boosted.boosters.values():
            for booster in boosters:
                gains = booster.feature_importance("gain")
                for name, gain in zip(boosted.encoder.names, gains, strict=True):
                    total[name] = total.get(name, 0.0) + float(gain)
    whole = sum(total.values()) or 1.0
    return {name: round(gain / whole, 6) for name, gain in total.items()}


def _views(model: Any) -> Mapping[str, Boosted]:
    views: Mapping[str, Boosted] = model.bundle.views
    return views


def _shape(values: npt.NDArray[Any]) -> Shape:
    numeric: Callable[[npt.NDArray[Any]], Shape] = (
        Shape.of_categories if values.dtype == object else Shape.of_numbers
    )
    return numeric(values)
