"""Each recommendation that was recorded, as operators and data scientists watch them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from features.columns import computed, table_of
from models import fraud
from models.fraud import VIEW
from serving.case.answer import Case
from serving.monitoring.drift import Drift
from serving.monitoring.figures import figures
from serving.runtime import Champions

_DRIFTS: Final[dict[str, Drift]] = {}


def recommended(body: Mapping[str, Any], case: Case, champions: Champions) -> None:
    """Count a recommendation, and for some of them in which bins of the training its inputs lie."""
    figures().recommended(body)
    if champions.fraud is None:
        return
    drift = _drift_of(champions.fraud)
    if drift.due:
        history = {name: [figure] for name, figure in case.history.items()}
        table = computed(table_of([case.line], history))
        figures().seen(drift.bins(drift.encoder.matrix(table)[0]))


def _drift_of(model: fraud.Model) -> Drift:
    """The bins of the fraud model, made once: of all models, it reads the most inputs."""
    drift = _DRIFTS.get(model.digest)
    if drift is None:
        drift = _DRIFTS[model.digest] = Drift(model.bundle.views[VIEW].encoder)
        figures().expect(drift.expected)
    return drift
