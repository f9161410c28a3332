"""Each recommendation that was recorded, as operators and data scientists watch them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from features.columns import computed, table_of
from models import fraud
from models.fraud import VIEW
from serving.case.answer import Case
from serving.monitoring.drift import Drift
from serving.monitoring.figures import figures
from serving.runtime import Champions


def recommended(body: Mapping[str, Any], case: Case, champions: Champions) -> None:
    """Count a recommendation, and for some of them in which bins of the training its inputs lie."""
    figures().recommended(body)
    if champions.fraud is None:
        return
    drift = _drift_of(champions.fraud.digest, champions.fraud)
    if drift.due:
        history = {name: [figure] for name, figure in case.history.items()}
        table = computed(table_of([case.line], history))
        figures().seen(drift.bins(drift.encoder.matrix(table)[0]))


@lru_cache(maxsize=2)
def _drift_of(_digest: str, model: fraud.Model) -> Drift:
    """The bins of the fraud model: of all models, it reads the most inputs."""
    drift = Drift(model.bundle.views[VIEW].encoder)
    figures().expect(drift.expected)
    return drift
