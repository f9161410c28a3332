"""One champion watched: what comes in, what it says, how it did, and what its challenger would have said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.table import Table, rows, take
from models.drift import Drift, Snapshot
from models.drift.snapshot import Usual, inputs_of
from training.answers import asked_first, card, load
from training.datasets import Dataset, Origin
from training.evaluate import CLASS_TASKS, compared, losses
from training.evidence.figures import Figures, reviewed
from training.evidence.gates import Pair
from training.monitoring.rules import Measure
from training.monitoring.segments import ALL, segments_of
from training.monitoring.traffic import Matured, Traffic
from training.tracking import Registered

SURE: Final = 3.09  # normal quantile of 0.999
SAME: Final = 1e-9  # what an answer made again may differ by
LEAST_MATURED: Final = 50  # outcomes; fewer judge nothing


@dataclass(frozen=True, slots=True)
class Part:
    """How a segment did, beside what was usual for it when the model was judged.

    Parameters
    ----------
    surely : float or None
        Share of the usual loss by which it is surely worse (0.999, one-sided); below nought it may not be.
    """

    name: str
    rows: int
    loss: float
    usual: float | None
    surely: float | None


@dataclass(frozen=True, slots=True)
class Shadow:
    """A challenger asked the same questions.

    Parameters
    ----------
    differs : float
        Share of all lines whose likeliest class, side of the review budget, or minutes and money by a tenth
        would have been another.
    gain : float or None
        Mean loss of the champion less that of the challenger on matured outcomes; `lo` and `hi` are its 95 %
        interval, redrawn by customer.
    """

    version: str
    differs: float
    matured: int
    gain: float | None
    lo: float | None
    hi: float | None

    @property
    def better(self) -> bool:
        """Whether it surely did better."""
        return self.lo is not None and self.lo > 0


@dataclass(frozen=True, slots=True)
class Watched:
    """Everything found about one champion."""

    task: str
    version: str
    digest: str
    rows: int
    reproduced: tuple[int, int]  # answers made again the same, answers compared
    features: Mapping[str, Drift]
    scores: Mapping[str, Drift]
    gain: Mapping[str, float]
    parts: tuple[Part, ...]
    figures: Figures
    shadow: Shadow | None
    learned_from: int
    labels_since: int

    @property
    def measures(self) -> dict[str, Measure]:
        """Return what the rules of retraining look at."""
        moved = sorted((n for n, d in self.features.items() if d.moved), key=lambda n: -self.gain.get(n, 0))
        answers = tuple(name for name, drift in self.scores.items() if drift.moved)
        found = {
            "gain_moved": Measure(sum(self.gain.get(name, 0.0) for name in moved), tuple(moved[:5])),
            "scores_moved": Measure(len(answers) / max(len(self.scores), 1), answers[:5]),
            "new_labels": Measure(self.labels_since / max(self.learned_from, 1)),
        }
        judged = [part for part in self.parts if part.surely is not None]
        if judged and judged[0].name == ALL:
            found["excess_loss"] = Measure(judged[0].surely or 0.0)
        if judged[1:]:
            worst = max(judged[1:], key=lambda part: part.surely or 0.0)
            found["excess_in_segment"] = Measure(worst.surely or 0.0, (worst.name,))
        return found


def watch(champion: Registered, challenger: Registered | None, traffic: Traffic) -> Watched:
    """Ask a champion, and its challenger if it has one, about recorded traffic."""
    facts, one = card(champion.folder), Asked.of(champion, traffic)
    features, scores = one.drift()
    matured = traffic.matured(one.task, one.table, after=one.until)
    found = _judged(one, matured)
    return Watched(
        task=one.task,
        version=champion.version,
        digest=one.model.digest,
        rows=rows(one.table),
        reproduced=_reproduced(one.said, traffic.said(one.task, one.model.digest), one.table),
        features=features,
        scores=scores,
        gain=one.snapshot.gain if one.snapshot else {},
        parts=_parts(found, matured, one.table, one.snapshot.losses if one.snapshot else {}),
        figures=found.figures() if found is not None else {},
        shadow=None if challenger is None else _shadow(one, Asked.of(challenger, traffic), traffic),
        learned_from=facts["train_rows"],
        labels_since=len(matured),
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """A model and what it says of the traffic."""

    task: str
    version: str
    model: Any
    snapshot: Snapshot | None
    table: Table
    said: pd.DataFrame

    @classmethod
    def of(cls, registered: Registered, traffic: Traffic) -> Asked:
        """Ask a registered model about every line, as it stood when it was first asked for."""
        model = load(registered.folder)
        table = traffic.table(card(registered.folder)["attributes"])
        said = asked_first(registered.task, model, table)
        snapshot = Snapshot.load(registered.folder)
        return cls(registered.task, registered.version, model, snapshot, table, said)

    @property
    def until(self) -> datetime | None:
        """When the last row that it learned from was asked for."""
        return self.snapshot.until if self.snapshot else None

    def drift(self) -> tuple[Mapping[str, Drift], Mapping[str, Drift]]:
        """Tell how far inputs and answers lie from the snapshot; nothing where there is none."""
        if self.snapshot is None:
            return {}, {}
        said = {str(name): self.said[name].to_numpy() for name in self.said}
        found = self.snapshot.drift(self.snapshot.counts(inputs_of(self.model, self.table), said))
        return found["features"], found["scores"]


def _reproduced(said: pd.DataFrame, recorded: pd.DataFrame | None, table: Table) -> tuple[int, int]:
    """Compare answers made again with those recorded, of lines that nobody had inspected."""
    if recorded is None:
        return 0, 0
    ungraded = pd.isna(table["grade"]) if "grade" in table else np.ones(len(said), np.bool_)
    asked = ungraded & recorded.notna().any(axis=1).to_numpy()
    far = (said[list(recorded)] - recorded).abs()[asked].max(axis=1)
    return int((far <= SAME).sum()), int(asked.sum())


def _judged(asked: Asked, matured: Matured) -> Any:
    """Return what the model says of matured lines beside what came; None of too few."""
    if len(matured) < LEAST_MATURED:
        return None
    nowhere = Origin("", None, "", None, {})
    return compared(asked.model, Dataset(asked.task, matured.rows, matured.rows, nowhere), matured.rows).model


def _parts(found: Any, matured: Matured, table: Table, usual: Mapping[str, Usual]) -> tuple[Part, ...]:
    if found is None:
        return ()
    lost, asked = losses(found), take(table, matured.places)
    return tuple(_part(name, lost[index], usual.get(name)) for name, index in segments_of(asked))


def _part(name: str, lost: npt.NDArray[np.float64], usual: Usual | None) -> Part:
    mean = float(lost.mean())
    if usual is None or not usual.mean:
        return Part(name, len(lost), mean, None, None)
    error = float(np.sqrt(lost.var() / len(lost) + usual.deviation**2 / max(usual.rows, 1)))
    return Part(name, len(lost), mean, usual.mean, (mean - usual.mean - SURE * error) / usual.mean)


def _shadow(champion: Asked, challenger: Asked, traffic: Traffic) -> Shadow:
    """Compare on lines that neither has learned from."""
    differs = _differs(champion.task, champion.said, challenger.said)
    after = max((one.until for one in (champion, challenger) if one.until), default=None)
    matured = traffic.matured(champion.task, champion.table, after=after)
    ours = _judged(champion, matured)
    theirs = _judged(challenger, traffic.matured(champion.task, challenger.table, after=after))
    if ours is None or theirs is None:
        return Shadow(challenger.version, differs, len(matured), None, None, None)
    pair = Pair(losses(ours), losses(theirs), matured.rows.blocks, 0)
    return Shadow(challenger.version, differs, len(matured), float(pair.worse.mean()), *pair.bounds)


def _differs(task: str, ours: pd.DataFrame, theirs: pd.DataFrame) -> float:
    """Return the share of lines that would have been answered otherwise in a way that somebody notices."""
    if task in CLASS_TASKS:
        return float((ours.idxmax(axis=1) != theirs.idxmax(axis=1)).mean())
    if task == "fraud":
        top = [_top(one["p_fraud"].to_numpy()) for one in (ours, theirs)]
        return float((top[0] != top[1]).mean())
    mine, other = ours["p50"].to_numpy(), theirs["p50"].to_numpy()
    return float((np.abs(mine - other) > 0.1 * np.abs(mine)).mean())


def _top(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    chosen = np.zeros(len(scores), np.bool_)
    chosen[reviewed(scores)] = True
    return chosen
