"""A dataset becomes a judged, logged challenger."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import optuna
import pandas as pd
from tqdm import tqdm

from features.mapping import load as load_table
from features.returns import BadInputError
from features.table import LABELS, take, time
from models import condition, disposition, fraud, recovery, volume, workload
from models.boosting import Params
from models.drift.snapshot import Snapshot, Usual, snapshot_of
from training.answers import as_request, asked_first, served, tidy
from training.datasets import Dataset, Origin, Rows, read
from training.evaluate import at_intake, compared, curves_of, evaluate, losses, reliability_of
from training.evidence.card import Curves, code_version, pictures, write_card
from training.evidence.figures import Figures
from training.evidence.reliability import Points
from training.forecasting.history import panel_in
from training.forecasting.trial import trial
from training.monitoring.segments import segments_of
from training.tracking import Registered, Registry, Run

TASKS: Final = tuple(LABELS)
MODELS: Final[dict[str, Any]] = {
    "disposition": disposition,
    "condition": condition,
    "recovery": recovery,
    "fraud": fraud,
    "workload": workload,
}
EXAMPLE_ROWS: Final = 5
HORIZON: Final = 28  # periods held out to judge a volume forecast
TUNED_ON: Final = 0.8  # of the training rows by time; the rest chooses the parameters


@dataclass(frozen=True, slots=True)
class Trained:
    """A registered challenger and how it did on rows it had not seen."""

    registered: Registered
    figures: Figures


@dataclass(frozen=True, slots=True)
class Volumes:
    """What a volume forecast learns from, and where it came from."""

    panel: volume.Panel
    origin: Origin


@dataclass(frozen=True, slots=True)
class Candidate:
    """A fitted model with what is to be told about it."""

    task: str
    model: Any
    figures: Figures
    origin: Origin
    params: dict[str, Any]
    rows: tuple[int, int]  # trained on, judged on
    example: pd.DataFrame
    curves: Curves = field(default_factory=dict)
    snapshot: Snapshot | None = None
    reliability: Mapping[str, Points] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a command asks of every task, so that any process can fit one of them.

    Parameters
    ----------
    data, mapping : Path or None
        Absolute paths, which every process sees.
    freq : str
        Of volume: D, W, M or Q.
    """

    data: Path | None
    mapping: Path | None
    as_of: datetime | None
    tune: int
    freq: str
    seed: int

    def read(self, task: str) -> Dataset | Volumes:
        """Read the table as a task asks for it."""
        if task == "volume":
            return read_volumes(self.data, self.mapping, freq=self.freq, as_of=self.as_of)
        return read(task, data=self.data, mapping=self.mapping, as_of=self.as_of)

    def learn(self, asked: Dataset | Volumes) -> Candidate:
        """Fit and judge what was read."""
        if isinstance(asked, Volumes):
            return learned_volume(asked, seed=self.seed)
        return learned(asked, seed=self.seed, tune=self.tune)

    def candidate(self, task: str) -> Candidate:
        """Read, fit and judge one task."""
        return self.learn(self.read(task))


def train(dataset: Dataset, *, registry: Registry, seed: int, tune: int = 0, now: datetime) -> Trained:
    """Fit a task's model, judge it on the held-out rows, log everything and register it as challenger."""
    return logged(learned(dataset, seed=seed, tune=tune), registry=registry, seed=seed, now=now)


def learned(dataset: Dataset, *, seed: int, tune: int = 0) -> Candidate:
    """Fit a task's model and judge it on the held-out rows; nothing is written.

    The same dataset, seed and code give a model with the same predictions.

    Parameters
    ----------
    tune : int
        Trials of a search over the trees' parameters, judged on the later part of the training rows.
    """
    params = _tuned(dataset, seed=seed, trials=tune) if tune else MODELS[dataset.task].PARAMS
    model = fit(dataset.task, dataset.train, attributes=dataset.origin.attributes, params=params, seed=seed)
    return Candidate(
        task=dataset.task,
        model=model,
        figures=evaluate(model, dataset, rng=np.random.default_rng(seed)),
        origin=dataset.origin,
        params={**asdict(params), "tune": tune},
        rows=(len(dataset.train.y), len(dataset.test.y)),
        # All rows tell which columns there are; a few show what they look like.
        example=as_request(dataset.task, dataset.test.table).head(EXAMPLE_ROWS),
        curves=curves_of(model, dataset),
        snapshot=_snapshot(model, dataset),
        reliability=reliability_of(model, dataset),
    )


def read_volumes(
    data: Path | None, mapping: Path | None, *, freq: str, as_of: datetime | None = None
) -> Volumes:
    """Read a table of returns, and the sales it names, as volumes of the periods that ended by `as_of`.

    Raises
    ------
    BadInputError
        One sentence that names the file, the column and the row.
    """
    loaded = load_table(data, mapping, purpose="volume")
    panel = panel_in(loaded, freq=freq)
    if as_of is not None:
        ends = panel.periods(0, panel.length).end_time
        panel = panel.until(int((ends <= pd.Timestamp(as_of.replace(tzinfo=None))).sum()))
    if not panel.length:
        raise BadInputError(f"{Path(loaded.source).name}: no period had ended by then; use a later --as-of.")
    return Volumes(panel, Origin.of(loaded, mapping, as_of))


def learned_volume(volumes: Volumes, *, seed: int) -> Candidate:
    """Fit the volume forecast on all periods, judged by the last ones held out; nothing is written."""
    panel = volumes.panel
    reach = max(1, min(HORIZON, panel.length // 4))
    return Candidate(
        task="volume",
        model=volume.fit(panel, horizon=reach, rng=np.random.default_rng(seed)),
        figures=trial(panel, horizon=reach, seed=seed),
        origin=volumes.origin,
        params={"freq": panel.freq, "horizon": reach},
        rows=(panel.length, reach),
        example=tidy(panel),
    )


def logged(candidate: Candidate, *, registry: Registry, seed: int, now: datetime) -> Trained:
    """Log a fitted model with its card and register it as challenger."""
    card = _card(candidate, seed=seed, now=now)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / candidate.task
        candidate.model.save(folder)
        write_card(folder, card)
        if candidate.snapshot is not None:
            candidate.snapshot.save(folder)
        run = Run(
            task=candidate.task,
            folder=folder,
            example=candidate.example,
            answers=served(folder).predict(candidate.example),
            params={**candidate.params, "seed": seed, "train_rows": candidate.rows[0]},
            metrics=candidate.figures,
            tags={name: str(card[name]) for name in ("task", "digest", "data_hash", "as_of", "code")},
            plots=pictures(candidate.curves),
        )
        return Trained(registry.log(run), candidate.figures)


def fit(task: str, rows: Rows, *, attributes: dict[str, str], params: Params, seed: int) -> Any:
    """Fit a task's model on some rows with chance from `seed` alone."""
    rng = np.random.default_rng(seed)
    return MODELS[task].fit(rows.table, rows.y, rng=rng, attributes=attributes, params=params)


def _snapshot(model: Any, dataset: Dataset) -> Snapshot:
    """Keep the shapes of what was learned from, and of what is said of rows not learned from."""
    said = asked_first(dataset.task, model, dataset.test.table)
    scores = {str(name): said[name].to_numpy() for name in said}
    train, test = dataset.train.table, dataset.test.table
    taken = snapshot_of(model, dataset.task, trained=train, judged=test, scores=scores)
    lost = losses(compared(model, dataset, at_intake(dataset.test)).model)
    return replace(taken, losses={name: Usual.of(lost[rows]) for name, rows in segments_of(test)})


def _card(candidate: Candidate, *, seed: int, now: datetime) -> dict[str, Any]:
    origin = candidate.origin
    return {
        "task": candidate.task,
        "digest": candidate.model.digest,
        "created_at": now.isoformat(),
        "code": code_version(Path(__file__).parent),
        "data": origin.data,
        "mapping": origin.mapping,
        "data_hash": origin.digest,
        "as_of": origin.as_of,
        "attributes": origin.attributes,
        "seed": seed,
        "params": candidate.params,
        "train_rows": candidate.rows[0],
        "test_rows": candidate.rows[1],
        "metrics": candidate.figures,
        "reliability": dict(candidate.reliability),
    }


def _tuned(dataset: Dataset, *, seed: int, trials: int) -> Params:
    """Search the trees' parameters for the least loss on the later training rows."""
    earlier, later = _halves(dataset.train)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    usual: Params = MODELS[dataset.task].PARAMS
    for _ in tqdm(range(trials), desc=f"tuning {dataset.task}", unit="trial"):
        trial = study.ask()
        model = fit(
            dataset.task,
            earlier,
            attributes=dataset.origin.attributes,
            params=_suggest(trial, usual),
            seed=seed,
        )
        study.tell(trial, float(losses(compared(model, replace(dataset, train=earlier), later).model).mean()))
    return _suggest(optuna.trial.FixedTrial(study.best_params), usual)


def _suggest(trial: optuna.trial.BaseTrial, usual: Params) -> Params:
    return replace(
        usual,
        learning_rate=trial.suggest_float("learning_rate", 0.01, 0.15, log=True),
        leaves=trial.suggest_int("leaves", 7, 95, log=True),
        min_leaf=trial.suggest_int("min_leaf", 10, 200, log=True),
        feature_share=trial.suggest_float("feature_share", 0.2, 1.0),
        split_share=trial.suggest_float("split_share", 0.2, 1.0),
        l2=trial.suggest_float("l2", 0.1, 50.0, log=True),
    )


def _halves(train: Rows) -> tuple[Rows, Rows]:
    """Split training rows by time, or in their order where no time is known."""
    order = np.argsort(time(train.table, "requested_at"), kind="stable")
    cut = int(len(order) * TUNED_ON)

    def part(index: Any) -> Rows:
        exact = None if train.truth is None else train.truth.iloc[index]
        return Rows(take(train.table, index), train.y[index], train.blocks[index], exact)

    return part(order[:cut]), part(order[cut:])
