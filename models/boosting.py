"""Boosted trees over declared features: fitted repeatably, saved as text and numbers, never pickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import lightgbm
import numpy as np
import numpy.typing as npt
import sklearn

from features.columns import Column
from features.encoding import Encoder, Matrix
from features.returns import BadInputError
from features.table import Table, rows, take, time
from models.single import SingleRow

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

FORMAT: Final = 3
LATER_SLICES: Final = (0.70, 0.85)  # of time: fit before, choose rounds between, calibrate after
# So many rows are cut so that all are learned from and later ones judged by trees that had not seen them.
MANY_ROWS: Final = 50_000
LATER_SLICE: Final = 0.80
RANDOM_FOLDS: Final = 5
PATIENCE: Final = 3.0  # steps of learning rate one without a better score end the growth
LEAST_PARTS: Final = 2  # of the later slice of many rows
ROWS_WORTH_THREADS: Final = 50_000
FEW_ROWS: Final = 128  # a part of a service's batch, which is asked for its domain after its prediction


@dataclass(frozen=True, slots=True)
class Params:
    """How trees are grown; the defaults were chosen by time splits inside simulated and real tables.

    `bags` boosters with different seeds are averaged, which steadies small tables. Features are drawn anew
    for each split: drawn for each tree, half of the trees lack what matters most, and a fit takes twice as
    many of them (simulated dispositions: 219 rounds of 31 leaves: log-loss .7513; 91 of 15: .7497).
    """

    learning_rate: float = 0.1
    leaves: int = 15
    min_leaf: int = 50
    feature_share: float = 1.0
    split_share: float = 0.5
    row_share: float = 0.8
    l2: float = 5.0
    max_rounds: int = 1500
    bags: int = 1
    # On a shared machine threads wait far longer than they work; raise it for millions of rows.
    threads: int = 1

    def lightgbm(self, *, seed: int) -> dict[str, Any]:
        """Return LightGBM's own names; with them the same data give the same trees."""
        return {
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.min_leaf,
            "feature_fraction": self.feature_share,
            "feature_fraction_bynode": self.split_share,
            "bagging_fraction": self.row_share,
            "bagging_freq": 1,
            "lambda_l2": self.l2,
            "cat_smooth": 20.0,
            "cat_l2": 20.0,
            "max_cat_threshold": 16,
            "num_threads": self.threads,
            "seed": seed,
            "deterministic": True,
            # A hundred columns: by column takes two thirds of the time of by row, and the trees are the same.
            "force_col_wise": True,
            "verbose": -1,
        }


@dataclass(frozen=True, slots=True)
class Fold:
    """Rows to fit on, later rows to choose the number of rounds, and still later ones to calibrate."""

    fit: Rows
    stop: Rows
    calibrate: Rows


def folds(table: Table, *, rng: np.random.Generator) -> tuple[Fold, ...]:
    """Cut by time where times are known, so that later rows judge; else into random fifths."""
    count, moments = rows(table), time(table, "requested_at")
    if not np.isnat(moments).any():
        order = np.argsort(moments, kind="stable")
        first, second = (int(count * share) for share in LATER_SLICES)
        return (Fold(order[:first], order[first:second], order[second:]),)
    part = rng.permutation(count) % (2 * RANDOM_FOLDS)
    return tuple(
        Fold(np.flatnonzero(part // 2 != k), np.flatnonzero(part == 2 * k), np.flatnonzero(part == 2 * k + 1))
        for k in range(RANDOM_FOLDS)
    )


@dataclass(frozen=True, slots=True)
class Goal:
    """One thing to learn from the same rows.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Class codes or amounts.
    objective : mapping of str to Any
        LightGBM's objective and what belongs to it.
    counts : ndarray of shape (n,), optional
        1 for rows that teach this goal, 0 for rows that do not.
    """

    y: Floats
    objective: Mapping[str, Any]
    counts: Floats | None = field(default=None, repr=False)

    def dataset(self, encoder: Encoder, matrix: Matrix, index: Rows | slice) -> lightgbm.Dataset:
        """Return the rows at `index` as LightGBM wants them; `matrix` holds those rows alone."""
        return lightgbm.Dataset(
            matrix,
            self.y[index],
            weight=None if self.counts is None else self.counts[index],
            categorical_feature=list(encoder.categorical),
            free_raw_data=False,
        )


@dataclass(frozen=True)
class Boosted:
    """One encoder and, for each goal, the boosters grown on its matrix; their raw scores are averaged."""

    encoder: Encoder
    boosters: Mapping[str, tuple[lightgbm.Booster, ...]]
    _last: list[tuple[Table, Matrix]] = field(default_factory=list, repr=False, compare=False)
    _single: dict[str, tuple[SingleRow, ...]] = field(default_factory=dict, repr=False, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what was learned, and nothing that is kept for speed."""
        return Boosted, (self.encoder, self.boosters)

    def matrix(self, table: Table) -> Matrix:
        """Return the encoder's matrix of a table; a small one asked about twice in a row is encoded once."""
        for known, matrix in self._last:
            if known is table:
                return matrix
        matrix = self.encoder.matrix(table)
        if len(matrix) <= FEW_ROWS:
            self._last[:] = [(table, matrix)]
        return matrix

    def raw(self, matrix: Matrix, goal: str) -> Floats:
        """Return raw scores, shape (n,) or (n, classes): log-odds, logarithms or amounts, by objective."""
        if len(matrix) == 1:
            return self._raw_of_one(matrix, goal)
        # Few rows gain nothing from threads, and a service runs many at a time.
        threads = 1 if len(matrix) < ROWS_WORTH_THREADS else 0
        scores = [
            _shaped(booster.predict(matrix, raw_score=True, num_threads=threads), matrix, booster)
            for booster in self.boosters[goal]
        ]
        return scores[0] if len(scores) == 1 else np.asarray(np.mean(scores, axis=0))

    def _raw_of_one(self, matrix: Matrix, goal: str) -> Floats:
        if goal not in self._single:
            self._single[goal] = tuple(SingleRow(booster) for booster in self.boosters[goal])
        scores = [booster(matrix[0]) for booster in self._single[goal]]
        mean = scores[0] if len(scores) == 1 else np.asarray(np.mean(scores, axis=0))
        return mean[None, :] if len(mean) > 1 else mean

    def contributions(self, matrix: Matrix, goal: str) -> Floats:
        """Return what each feature adds to the raw score, shape (n, features + 1); the last is the base."""
        shares = [
            np.asarray(booster.predict(matrix, pred_contrib=True, num_threads=1))
            for booster in self.boosters[goal]
        ]
        return np.asarray(np.mean(shares, axis=0))

    def in_domain(self, table: Table) -> npt.NDArray[np.bool_]:
        """Tell which rows resemble the training rows."""
        return self.encoder.in_domain(table, self.matrix(table))


def _shaped(scores: Any, matrix: Matrix, booster: lightgbm.Booster) -> Floats:
    """Keep the axis of the classes even where there are no rows."""
    classes = booster.num_model_per_iteration()
    shape = (len(matrix), classes) if classes > 1 else (len(matrix),)
    return np.asarray(scores, np.float64).reshape(shape)


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a fit leaves: the model on all rows, and raw scores of rows by models that had not seen them."""

    boosted: Boosted
    held_out: Rows
    held_out_raw: Mapping[str, Floats]


def fit(
    columns: Sequence[Column],
    table: Table,
    goals: Mapping[str, Goal],
    *,
    targets: Floats,
    params: Params,
    rng: np.random.Generator,
) -> Fitted:
    """Grow trees on all rows, for as many rounds as served later rows best.

    Parameters
    ----------
    targets : ndarray of shape (n, k)
        What text scores should tell: one column a class, or one of amounts.
    """
    seed = int(rng.integers(2**31))
    if rows(table) >= MANY_ROWS and not np.isnat(time(table, "requested_at")).any():
        return _fit_many(columns, table, goals, targets=targets, settings=(params, seed))
    cuts = folds(table, rng=rng)
    trials = [
        _try(columns, table, goals, fold=fold, targets=targets, settings=(params, seed)) for fold in cuts
    ]
    encoder, matrix = _encoded(columns, table, targets, seed=seed)
    boosters = {
        name: tuple(
            _grow(
                goal.dataset(encoder, matrix, slice(None)),
                {**params.lightgbm(seed=seed + bag), **goal.objective},
                rounds=round(float(np.mean([trial[name].rounds for trial in trials]))),
            )
            for bag in range(params.bags)
        )
        for name, goal in goals.items()
    }
    return Fitted(
        Boosted(encoder, boosters),
        np.concatenate([fold.calibrate for fold in cuts]),
        {name: np.concatenate([trial[name].raw for trial in trials]) for name in goals},
    )


@dataclass(frozen=True, slots=True)
class _Trial:
    """How many rounds served the later rows best, and the raw scores of those later still."""

    rounds: int
    raw: Floats


def _try(
    columns: Sequence[Column],
    table: Table,
    goals: Mapping[str, Goal],
    *,
    fold: Fold,
    targets: Floats,
    settings: tuple[Params, int],
) -> dict[str, _Trial]:
    """Fit on a fold's earlier rows alone, encoder included, so that the later rows are judged honestly."""
    params, seed = settings
    encoder, matrix = _encoded(columns, take(table, fold.fit), targets[fold.fit], seed=seed)
    stop, later = (encoder.matrix(take(table, index)) for index in (fold.stop, fold.calibrate))
    trials = {}
    for name, goal in goals.items():
        data, judge = goal.dataset(encoder, matrix, fold.fit), goal.dataset(encoder, stop, fold.stop)
        booster = _stopped({**params.lightgbm(seed=seed), **goal.objective}, data, judge, params.max_rounds)
        raw = booster.predict(later, raw_score=True, num_iteration=booster.best_iteration)
        trials[name] = _Trial(booster.best_iteration, np.asarray(raw))
    return trials


def _fit_many(
    columns: Sequence[Column],
    table: Table,
    goals: Mapping[str, Goal],
    *,
    targets: Floats,
    settings: tuple[Params, int],
) -> Fitted:
    """Grow a booster without each part of the later slice, which then judges it; all of them are kept.

    A threshold proven by a trial on less history is too wide for what is served, which knows more: sets of a
    site that had just been acquired covered 93 rows in a hundred instead of 90.
    """
    params, seed = settings
    encoder, whole = Encoder.fit(columns, table, targets, rng=np.random.default_rng(seed))
    gapped = encoder.with_gaps(whole, np.random.default_rng(seed))
    later = np.argsort(time(table, "requested_at"), kind="stable")[int(rows(table) * LATER_SLICE) :]
    count = max(params.bags, LEAST_PARTS)
    parts = [later[part::count] for part in range(count)]
    boosters: dict[str, tuple[lightgbm.Booster, ...]] = dict.fromkeys(goals, ())
    raw: dict[str, list[Floats]] = {name: [] for name in goals}
    for place, part in enumerate(parts):
        others = np.setdiff1d(np.arange(len(whole)), part)
        seen, unseen = gapped[others], whole[part]
        for name, goal in goals.items():
            data, judge = goal.dataset(encoder, seen, others), goal.dataset(encoder, unseen, part)
            own = {**params.lightgbm(seed=seed + place), **goal.objective}
            grown = _stopped(own, data, judge, params.max_rounds)
            booster = _plain(grown, rounds=grown.best_iteration)
            boosters[name] = (*boosters[name], booster)
            raw[name].append(np.asarray(booster.predict(unseen, raw_score=True)))
    held_out = {name: np.concatenate(scores) for name, scores in raw.items()}
    return Fitted(Boosted(encoder, boosters), np.concatenate(parts), held_out)


def _encoded(
    columns: Sequence[Column], table: Table, targets: Floats, *, seed: int
) -> tuple[Encoder, Matrix]:
    rng = np.random.default_rng(seed)
    encoder, matrix = Encoder.fit(columns, table, targets, rng=rng)
    return encoder, encoder.with_gaps(matrix, rng)


def _stopped(
    settings: dict[str, Any], data: lightgbm.Dataset, judge: lightgbm.Dataset, rounds: int
) -> lightgbm.Booster:
    """Grow until the rows of `judge` have not been served better for a while."""
    patience = round(PATIENCE / settings["learning_rate"])
    stop = lightgbm.early_stopping(patience, verbose=False)
    return lightgbm.train(settings, data, rounds, valid_sets=[judge], callbacks=[stop])


def _grow(dataset: lightgbm.Dataset, settings: dict[str, Any], *, rounds: int) -> lightgbm.Booster:
    return _plain(lightgbm.train(settings, dataset, max(rounds, 1)), rounds=-1)


def _plain(booster: lightgbm.Booster, *, rounds: int) -> lightgbm.Booster:
    """Return a booster read from its own text: fitted and loaded it is the same to the last bit."""
    return lightgbm.Booster(model_str=booster.model_to_string(num_iteration=rounds))


@dataclass(frozen=True)
class Bundle:
    """Everything that one model learned: boosted views by name, and numbers. Lives in one folder.

    `model.json` holds encoder and numbers, `<view>.<goal>.<k>.txt` the boosters, `<view>.npz` text.
    """

    task: str
    views: Mapping[str, Boosted]
    numbers: Mapping[str, Any]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything learned; versions and time are no part of it."""
        content = hashlib.sha256(json.dumps(self._learned(), sort_keys=True).encode())
        for name, text in sorted(self._texts().items()):
            content.update(name.encode() + text.encode())
        return f"sha256:{content.hexdigest()}"

    def _learned(self) -> dict[str, Any]:
        encoders = {
            name: view.encoder.to_json() | {"digest": view.encoder.digest}
            for name, view in self.views.items()
        }
        return {"format": FORMAT, "task": self.task, "numbers": dict(self.numbers), "encoders": encoders}

    def _texts(self) -> dict[str, str]:
        return {
            f"{view}.{goal}.{place}.txt": booster.model_to_string(num_iteration=-1)
            for view, boosted in self.views.items()
            for goal, boosters in boosted.boosters.items()
            for place, booster in enumerate(boosters)
        }

    def save(self, folder: Path) -> None:
        """Write the model into a folder, which is made if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in self._texts().items():
            (folder / name).write_text(text, encoding="utf-8")
        for name, view in self.views.items():
            np.savez_compressed(folder / f"{name}.npz", **view.encoder.arrays())  # type: ignore[arg-type]
        versions = {
            "lightgbm": lightgbm.__version__,
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
        }
        saved = self._learned() | {
            "digest": self.digest,
            "versions": versions,
            "boosters": sorted(self._texts()),
        }
        (folder / "model.json").write_text(json.dumps(saved, indent=1, sort_keys=True), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, *, task: str) -> Bundle:
        """Read a saved model; its predictions are the same to the last bit.

        Raises
        ------
        BadInputError
            If the folder holds no such model, or its content is not what was saved.
        """
        try:
            saved = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise BadInputError(
                f"{folder}: holds no model.json; train or promote the {task} model first."
            ) from error
        if saved["format"] != FORMAT or saved["task"] != task:
            raise BadInputError(f"{folder}: holds no {task} model of format {FORMAT}.")
        views = {
            name: _view(folder, name, encoder, saved["boosters"])
            for name, encoder in saved["encoders"].items()
        }
        bundle = cls(task, views, saved["numbers"])
        if bundle.digest != saved["digest"]:
            raise BadInputError(
                f"{folder}: the files differ from what was saved; fetch or train the model again."
            )
        return bundle


def _view(folder: Path, name: str, encoder: Mapping[str, Any], files: Sequence[str]) -> Boosted:
    boosters: dict[str, tuple[lightgbm.Booster, ...]] = {}
    for file in sorted(files):
        view, goal, *_ = file.split(".")
        if view == name:
            text = (folder / file).read_text(encoding="utf-8")
            boosters[goal] = (*boosters.get(goal, ()), lightgbm.Booster(model_str=text))
    with np.load(folder / f"{name}.npz", allow_pickle=False) as arrays:
        return Boosted(Encoder.from_json(encoder, dict(arrays)), boosters)
