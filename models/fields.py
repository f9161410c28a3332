"""Which reading of a field is right: a small ranker over the candidates of a document, calibrated.

It refines the shipped rules, which work without it but vouch for nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
from sklearn.isotonic import IsotonicRegression

from features.documents.document import Proposal
from features.documents.fields import NOTHING_ACCEPTED, by_rules
from features.documents.readings.candidates import FEATURES
from features.documents.readings.labels import OWN_LABEL
from features.returns import BadInputError

BOOSTER_FILE: Final = "booster.txt"
MODEL_FILE: Final = "model.json"
STORED: Final = "recoup-fields"  # its name in BentoML's store
METHODS: Final = ("total", "table", "mark")
TYPES: Final = ("text", "identifier", "money", "date", "number")
CONTEXT: Final = ("rule_score", "belief", "confidence", "ahead", "rivals", "agreeing", "echoes", "mistakable")
COLUMNS: Final = (*FEATURES, *CONTEXT, *METHODS, *TYPES)
# Letters and digits that scanners take for each other.
MISTAKABLE: Final = frozenset("0OQD1IL5S8B2Z6G")
CONFIDENCE: Final = COLUMNS.index("confidence")
MATCH: Final = FEATURES.index("match")
MOST_ECHOES: Final = 3  # more of the same teach nothing
# What can only speak for a reading, or only against it: trees held to that err less on papers that are unlike
# those they have learned from.
FOR: Final = frozenset({
    "match", "parsed", "ocr_confidence", "rule_score", "belief", "confidence", "ahead", "agreeing", "echoes",
})  # fmt: skip
AGAINST: Final = frozenset({"vertical_lines", "horizontal_lines", "rank", "rivals", "mistakable"})
FOLDS: Final = 16  # about one layout each: with few the calibration hangs on how they fall
TREES: Final = 150
PRECISION: Final = 0.992  # of what is accepted without a person, on layouts left out; the promise is 0.99
LEAST_APART: Final = 50  # fields of a source before it is calibrated by itself
LEAST_ACCEPTED: Final = 30  # readings; fewer prove no precision
PARAMETERS: Final[dict[str, Any]] = {
    "objective": "binary",
    "num_leaves": 15,
    "learning_rate": 0.06,
    "min_data_in_leaf": 10,
    "feature_fraction": 0.8,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "monotone_constraints": [(column in FOR) - (column in AGAINST) for column in COLUMNS],
    "verbosity": -1,
}
Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cases:
    """Readings known to be right or wrong, as arrays of length n.

    Parameters
    ----------
    X : ndarray of shape (n, columns), float32
    right : ndarray of bool
        Whether the reading is what was written.
    field : ndarray of int
        Which field of which document; one reading of each is chosen.
    group : ndarray of str
        What is kept together when something is left out: the layout of a generated form, a real document.
    """

    X: npt.NDArray[np.float32]
    right: npt.NDArray[np.bool_]
    field: npt.NDArray[np.int64]
    group: npt.NDArray[np.str_]


def cases_of(documents: Iterable[tuple[Sequence[Proposal], Sequence[bool], str]]) -> Cases:
    """Return the readings of documents (or of rows of their tables) with what is known of them."""
    blocks, right, fields, groups = [], [], [], []
    for number, (proposals, known, group) in enumerate(documents):
        if proposals:
            blocks.append(matrix(proposals))
            right += list(known)
            fields += [f"{number}/{proposal.name}" for proposal in proposals]
            groups += [group] * len(proposals)
    _, codes = np.unique(fields, return_inverse=True)
    return Cases(np.concatenate(blocks), np.array(right), codes.astype(np.int64), np.array(groups))


def together(first: Cases, second: Cases) -> Cases:
    """Return the readings of both."""
    return Cases(
        np.concatenate([first.X, second.X]),
        np.concatenate([first.right, second.right]),
        np.concatenate([first.field, second.field + first.field.max(initial=-1) + 1]),
        np.concatenate([first.group, second.group]),
    )


@dataclass(frozen=True, slots=True)
class Line:
    """A calibration by its knots: raw score -> probability."""

    scores: tuple[float, ...]
    probabilities: tuple[float, ...]

    def at(self, raw: Vector) -> Vector:
        """Return the probability of every raw score."""
        return np.asarray(np.interp(raw, self.scores, self.probabilities))


@dataclass(frozen=True, slots=True)
class FieldRanker:
    """Gives each reading its probability of being right; call it with the proposals of one document.

    Readings told by place alone keep what the rules think of them until they are sure enough to be accepted;
    names among them, and readings under labels that the catalogue does not know, never are: the few names on
    drawn receipts teach nothing about all others.
    """

    booster: lgb.Booster
    pooled: Line  # of all readings
    written: Line  # of readings from a text layer, where no letter is misread
    accept: float  # probability from which a reading needs no person

    def __call__(self, proposals: Sequence[Proposal]) -> list[float]:
        """Return one probability a proposal, in order."""
        if not proposals:
            return []
        learned = self.probabilities_of(matrix(proposals))
        below = self.accept - 0.01
        believed = []
        for score, rule, proposal in zip(learned.tolist(), by_rules(proposals), proposals, strict=True):
            placed = proposal.method == "layout"
            if placed and (proposal.type == "text" or score < self.accept):
                believed.append(min(rule, below))
            elif proposal.features[MATCH] == OWN_LABEL:
                believed.append(min(score, below))
            else:
                believed.append(score)
        return believed

    def probabilities_of(self, X: npt.NDArray[np.float32]) -> Vector:
        """Return the probability of every row of ``matrix``."""
        raw = _predicted(self.booster, X)
        learned = _believed(raw, _is_written(X), self.pooled, self.written)
        # Between equals of the calibration's steps the raw score decides.
        return np.asarray(np.minimum(learned + 1e-6 * raw, 1.0))

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
        numbers = {
            "columns": COLUMNS,
            "pooled": asdict(self.pooled),
            "written": asdict(self.written),
            "accept": self.accept,
        }
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
    return FieldRanker(
        booster, _line(numbers["pooled"]), _line(numbers["written"]), accept=float(numbers["accept"])
    )


def promoted(store: Path) -> FieldRanker | None:
    """Return the ranker last promoted into BentoML's store, read without BentoML; nothing where none is.

    Without it the shipped rules choose, and accept nothing.
    """
    models = store / "models" / STORED
    try:
        version = (models / "latest").read_text(encoding="utf-8").strip()
        return load(models / version)
    except (OSError, BadInputError):
        return None


def matrix(proposals: Sequence[Proposal]) -> npt.NDArray[np.float32]:
    """Return the features of one document's proposals, shape (n, columns), float32.

    A reading is also weighed by its rivals for the field, and by who else on the paper says the same.
    """
    beliefs = by_rules(proposals)
    said = Counter(proposal.value for proposal in proposals)
    best: dict[str, dict[str, float]] = defaultdict(dict)
    for proposal, belief in zip(proposals, beliefs, strict=True):
        readings = best[proposal.name]
        readings[proposal.value] = max(belief, readings.get(proposal.value, 0.0))
    return np.array(
        [_row(p, belief, best[p.name], said) for p, belief in zip(proposals, beliefs, strict=True)],
        dtype=np.float32,
    )


def _row(
    proposal: Proposal, belief: float, readings: dict[str, float], said: Counter[str]
) -> tuple[float, ...]:
    others = max((b for value, b in readings.items() if value != proposal.value), default=0.0)
    letters = proposal.value.upper()
    mixed = any(c.isalpha() for c in letters) and any(c.isdigit() for c in letters)
    return (
        *proposal.features,
        proposal.score,
        belief,
        proposal.confidence,
        belief - others,
        float(len(readings)),
        float(said[proposal.value]),
        float(min(proposal.echoes, MOST_ECHOES)),
        float(sum(c in MISTAKABLE for c in letters)) if mixed else 0.0,
        *(float(proposal.method == method) for method in METHODS),
        *(float(proposal.type == kind) for kind in TYPES),
    )


def fit(cases: Cases, *, rng: np.random.Generator) -> FieldRanker:
    """Return a ranker trained on all cases; its probabilities come from layouts each left out in turn.

    Parameters
    ----------
    cases : Cases
        Readings known to be right or wrong.
    rng : numpy.random.Generator
        Parts the groups into folds and seeds the trees.
    """
    seed = int(rng.integers(2**31))
    groups = rng.permutation(np.unique(cases.group))
    fold = {group: place % min(FOLDS, len(groups)) for place, group in enumerate(groups)}
    folds = np.array([fold[group] for group in cases.group])
    raw = np.zeros(len(folds))
    for left_out in np.unique(folds):
        inside = folds != left_out
        raw[~inside] = _predicted(_trees(cases, inside, seed), cases.X[~inside])
    chosen = chosen_of(cases, raw)
    written = _is_written(cases.X[chosen])
    right = cases.right[chosen]
    pooled = _calibrated(raw[chosen], right)
    apart = _calibrated(raw[chosen][written], right[written]) if written.sum() >= LEAST_APART else pooled
    accept = _threshold(_believed(raw[chosen], written, pooled, apart), right)
    everything = np.ones(len(folds), dtype=bool)
    return FieldRanker(_trees(cases, everything, seed), pooled, apart, accept)


def _is_written(X: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Tell readings from a text layer, which says of itself that it is sure."""
    return np.asarray(X[:, CONFIDENCE] >= 1.0)


def _believed(raw: Vector, written: npt.NDArray[np.bool_], pooled: Line, apart: Line) -> Vector:
    """Return the probability of every reading: of a text layer's, what its own line adds to that of all.

    Its own line knows few readings that are wrong, and alone would doubt what it has seldom seen.
    """
    everyone = pooled.at(raw)
    return np.where(written, np.maximum(everyone, apart.at(raw)), everyone)


def _calibrated(raw: Vector, right: npt.NDArray[np.bool_]) -> Line:
    line = IsotonicRegression(y_min=0.01, y_max=0.999, out_of_bounds="clip").fit(raw, right.astype(float))
    return Line(_floats(line.X_thresholds_), _floats(line.y_thresholds_))


def _line(numbers: dict[str, list[float]]) -> Line:
    return Line(tuple(numbers["scores"]), tuple(numbers["probabilities"]))


def _trees(cases: Cases, rows: npt.NDArray[np.bool_], seed: int) -> lgb.Booster:
    data = lgb.Dataset(cases.X[rows], cases.right[rows].astype(float), feature_name=list(COLUMNS))
    return lgb.train(PARAMETERS | {"seed": seed}, data, num_boost_round=TREES)


def _predicted(booster: lgb.Booster, X: npt.NDArray[np.float32]) -> Vector:
    return np.asarray(booster.predict(X, num_threads=1), dtype=np.float64)


def chosen_of(cases: Cases, scores: Vector) -> npt.NDArray[np.int64]:
    """Return the index of the highest-scored reading of every field."""
    order = np.lexsort((-scores, cases.field))
    _, first = np.unique(cases.field[order], return_index=True)
    return np.asarray(order[first], dtype=np.int64)


def _threshold(probabilities: Vector, right: npt.NDArray[np.bool_]) -> float:
    """Return the lowest probability above which readings are precise enough; above one if none is."""
    order = np.argsort(-probabilities, kind="stable")
    counts = np.arange(1, len(order) + 1)
    precision = np.cumsum(right[order]) / counts
    last_of_step = np.append(np.diff(probabilities[order]) != 0, True)
    enough = np.flatnonzero(last_of_step & (precision >= PRECISION) & (counts >= LEAST_ACCEPTED))
    if not enough.size:
        return NOTHING_ACCEPTED
    # Confidence is told in thousandths: what rounds down to the threshold has reached it.
    return float(np.floor(1000 * probabilities[order][enough[-1]]) / 1000)


def _floats(values: Vector) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
