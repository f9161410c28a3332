"""Real tables go from file to verdict through their mapping alone, and beat the bare baseline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.boosting import Params
from training.datasets import read
from training.evaluate import evaluate
from training.evidence.figures import Figures
from training.train import fit

pytestmark = pytest.mark.journey

# Fewer, larger steps than the default: seconds instead of minutes, for a point or two of the score.
QUICK = replace(Params(), learning_rate=0.15, max_rounds=200)
ROOT = Path(__file__).parents[2]
MAPPINGS = ROOT / "notebooks" / "mappings"
SHARED = ROOT.parent / "shared" / "data"


def judged(task: str, table: str, mapping: str) -> Figures:
    """Train and judge a task on a real table as `recoup-lab` does."""
    data = SHARED / table
    if not data.is_file():
        pytest.skip(f"{data} is not here: the real tables are not part of the project")
    dataset = read(task, data=data, mapping=MAPPINGS / mapping)
    attributes = dataset.origin.attributes
    model = fit(task, dataset.train, attributes=attributes, params=QUICK, seed=0)
    return evaluate(model, dataset, rng=np.random.default_rng(0))


def test_repairs_are_predicted_better_than_by_the_majority():
    """Open Repair, the latest fifth of every provider: the majority says .592, bare boosting .635."""
    figures = judged("disposition", "openrepair/openrepair.parquet", "openrepair.yaml")
    assert figures["accuracy_lo"] > figures["majority_accuracy"]
    assert figures["log_loss_hi"] < figures["baseline_log_loss"]
    assert figures["macro_f1"] > 0.40
    assert figures["coverage_90"] > 0.80


def test_fraudulent_claims_are_ranked_far_above_chance():
    """Vehicle claims, the next year: bare boosting has an AUC of .778 and an average precision of .157."""
    figures = judged("fraud", "vehicle_claims/vehicle_claims.csv.gz", "vehicle_claims.yaml")
    assert figures["auc_lo"] > 0.70
    assert figures["average_precision"] > 2 * figures["baseline_average_precision"]
    assert figures["log_loss"] < figures["baseline_log_loss"]
    assert figures["ece"] < 0.05
