"""What every request needs: settings, ledger, policies, models and the clock, opened once a process."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ledger.store import Ledger
from models.condition import ConditionModel
from models.disposition import DispositionModel
from models.fraud import FraudModel
from models.recovery import RecoveryModel
from models.workload import WorkloadModel
from policy.guardrails import PolicySet
from serving.settings import Settings

TASKS: Final[dict[str, Any]] = {
    "condition": ConditionModel,
    "disposition": DispositionModel,
    "recovery": RecoveryModel,
    "fraud": FraudModel,
    "workload": WorkloadModel,
}
_log = logging.getLogger("recoup.runtime")


@dataclass(frozen=True, slots=True)
class Champions:
    """The promoted models in memory; a missing one is None and makes every answer degraded."""

    condition: ConditionModel | None = None
    disposition: DispositionModel | None = None
    recovery: RecoveryModel | None = None
    fraud: FraudModel | None = None
    workload: WorkloadModel | None = None
    versions: tuple[tuple[str, str, str], ...] = ()  # task, version, digest

    @property
    def degraded(self) -> bool:
        """Whether any model is missing."""
        return None in (self.condition, self.disposition, self.recovery, self.fraud, self.workload)


@dataclass(frozen=True, slots=True)
class Runtime:
    """The open doors of one service process."""

    settings: Settings
    ledger: Ledger
    policies: PolicySet
    champions: Champions
    now: Callable[[], datetime]
