"""Which reading of a field is right: a small ranker over the candidates of a document, calibrated.

It refines the shipped rules, which work without it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
from sklearn.isotonic import IsotonicRegression

from features.documents.candidates import FEATURES
from features.documents.document import Proposal
from features.documents.fields import by_rules
from features.returns import BadInputError

BOOSTER_FILE: Final = "booster.txt"
MODEL_FILE: Final = "model.json"
COLUMNS: Final = (*FEATURES, "rule_score")
HELD_OUT: Final = 0.3  # share of documents on which probabilities are calibrated
TREES: Final = 120
PARAMETERS: Final[dict[str, Any]] = {
    "objective": "binary",
    "num_leaves": 15,
    "learning_rate": 0.08,
    "min_data_in_leaf": 10,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FieldRanker:
    """Gives each reading its probability of being right; call it with proposals.

    Readings told by place alone carry no features and keep what the rules think of them.
    """

    booster: lgb.Booster
    scores: tuple[float, ...]  # knots of the calibration: raw score -> probability
    probabilities: tuple[float, ...]

    def __call__(self, proposals: Sequence[Proposal]) -> list[float]:
        """Return one probability a proposal, in order."""
        if not proposals:
            return []
        raw = np.asarray(self.booster.predict(matrix(proposals), num_threads=1), dtype=np.float64)
        learned = np.interp(raw, self.scores, self.probabilities)
        pairs = zip(learned.tolist(), by_rules(proposals), proposals, strict=True)
        return [rule if proposal.method == "layout" else score for score, rule, proposal in pairs]

    @property
    def digest(self) -> str:
        """The SHA-256 of trees and calibration."""
        return "sha256:" + hashlib.sha256((self._text() + self._json()).encode()).hexdigest()

    def save(self, folder: Path) -> None:
        """Write trees as LightGBM's text and calibration as JSON."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / BOOSTER_FILE).write_text(self._text(), encoding="utf-8")
        (folder / MODEL_FILE).write_text(self._json(), encoding="utf-8")

    def _text(self) -> str:
        return str(self.booster.model_to_string())

    def _json(self) -> str:
        numbers = {"columns": COLUMNS, "scores": self.scores, "probabilities": self.probabilities}
        return json.dumps(numbers, indent=1)


def load(folder: Path) -> FieldRanker:
    """Return the ranker saved in `folder`.

    Raises
    ------
    BadInputError
        If it was trained on other features than this version reads.
    """
    numbers = json.loads((folder / MODEL_FILE).read_text(encoding="utf-8"))
    if tuple(numbers["columns"]) != COLUMNS:
        raise BadInputError(f"{folder}: the ranker was trained on other features; train it again.")
    booster = lgb.Booster(model_str=(folder / BOOSTER_FILE).read_text(encoding="utf-8"))
    return FieldRanker(booster, tuple(numbers["scores"]), tuple(numbers["probabilities"]))


def matrix(proposals: Sequence[Proposal]) -> npt.NDArray[np.float32]:
    """Return the features of proposals, shape (n, 16), float32."""
    return np.array([(*proposal.features, proposal.score) for proposal in proposals], dtype=np.float32)


def fit(
    proposals: Sequence[Proposal],
    right: Sequence[bool],
    *,
    documents: Sequence[int],
    rng: np.random.Generator,
) -> FieldRanker:
    """Return a ranker trained on readings known to be right or wrong, calibrated on other documents.

    Parameters
    ----------
    proposals, right : sequences of length n
        The readings, and whether each is the field's true value.
    documents : sequence of int, length n
        Which document a reading is from; a document is never in both halves.
    rng : numpy.random.Generator
        Chooses the documents held out and seeds the trees.
    """
    X, y, group = matrix(proposals), np.asarray(right, dtype=float), np.asarray(documents)
    every = np.unique(group)
    held = np.isin(group, rng.choice(every, size=max(1, round(HELD_OUT * every.size)), replace=False))
    data = lgb.Dataset(X[~held], y[~held], feature_name=list(COLUMNS))
    booster = lgb.train(PARAMETERS | {"seed": int(rng.integers(2**31))}, data, num_boost_round=TREES)
    raw = np.asarray(booster.predict(X[held], num_threads=1))
    line = IsotonicRegression(y_min=0.01, y_max=0.99, out_of_bounds="clip").fit(raw, y[held])
    return FieldRanker(booster, _floats(line.X_thresholds_), _floats(line.y_thresholds_))


def _floats(values: Vector) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
