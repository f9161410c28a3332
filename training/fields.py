"""The ranker of document fields, trained on generated forms and judged on layouts it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import log_loss

from models.fields import COLUMNS, Cases, FieldRanker, cases_of, chosen_of, fit, together
from training.datasets import Origin
from training.evidence.figures import Figures
from training.simulator.readings import cases, corrected, digest
from training.tracking import Registry
from training.train import Candidate, Trained, logged

JUDGED_SHARE: Final = 0.34  # of as many forms again, of layouts kept for judging
EXAMPLE_ROWS: Final = 5
READINGS: Final = "readings"  # the folder of RECOUP_HOME that keeps what was read
BINS: Final = 10
Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sources:
    """What the ranker learns from.

    Parameters
    ----------
    forms : int
        Forms to draw and read; one takes about a second, and none is read twice by the same code.
    home : Path
        RECOUP_HOME: it keeps what was read, and the documents that people corrected.
    corrections : Path, optional
        What `recoup documents corrections` wrote.
    """

    forms: int
    home: Path
    corrections: Path | None = None

    def cases(self, *, seed: int) -> Cases:
        """Read the forms of the training layouts, and what people corrected."""
        drawn = cases(self.forms, seed=seed, home=self.home / READINGS, use="train")
        if self.corrections is None:
            return drawn
        told = list(corrected(self.corrections, self.home / "documents"))
        return together(drawn, cases_of(told)) if told else drawn


def train_fields(sources: Sources, *, registry: Registry, seed: int, now: datetime) -> Trained:
    """Fit the ranker on generated forms, judge it on other layouts, log it and register it as challenger."""
    forms = sources.forms
    learned = sources.cases(seed=seed)
    kept = sources.home / READINGS
    judged = cases(max(round(JUDGED_SHARE * forms), 1), seed=seed + 1, home=kept, use="test")
    ranker = fit(learned, rng=np.random.default_rng(seed))
    candidate = Candidate(
        task="fields",
        model=ranker,
        figures=figures(ranker, judged),
        origin=Origin("generated forms", None, digest(forms, seed, "train"), None, {}),
        params={"forms": forms, "accept": ranker.accept},
        rows=(len(learned.right), len(judged.right)),
        example=pd.DataFrame(learned.X[:EXAMPLE_ROWS].astype(float), columns=list(COLUMNS)),
    )
    return logged(candidate, registry=registry, seed=seed, now=now)


def figures(ranker: FieldRanker, judged: Cases) -> Figures:
    """Return how true the ranker's probabilities come on readings of layouts it has not seen."""
    probabilities = ranker.probabilities_of(judged.X)
    chosen = chosen_of(judged, probabilities)
    sure, right = probabilities[chosen], judged.right[chosen]
    # The bare baseline says of every field that it is right as often as fields were.
    bare = np.full(len(right), right.mean())
    accepted = sure >= ranker.accept
    return {
        "rows": float(len(right)),
        "accuracy": float(right.mean()),
        "log_loss": _loss(right, sure),
        "baseline_log_loss": _loss(right, bare),
        "ece": calibration_error(sure, right),
        "accepted_precision": float(right[accepted].mean()) if accepted.any() else 1.0,
        "accepted_coverage": float(accepted.mean()),
    }


def _loss(right: npt.NDArray[np.bool_], sure: Vector) -> float:
    return float(log_loss(right, np.clip(sure, 1e-3, 1 - 1e-3), labels=[False, True]))


def calibration_error(sure: Vector, right: npt.NDArray[np.bool_]) -> float:
    """Return the expected calibration error over ten bins of equal width."""
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    apart = [
        (bins == b).mean() * abs(sure[bins == b].mean() - right[bins == b].mean()) for b in np.unique(bins)
    ]
    return float(np.sum(apart))
