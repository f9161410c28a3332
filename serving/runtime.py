"""What every request needs: settings, ledger, policies, models and the clock, opened once a process."""

from __future__ import annotations

import asyncio
import ctypes
import secrets
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from dataclasses import fields as fields_of
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import bentoml
import structlog

from features.returns import RecoupError
from ledger.store import CONNECTIONS, Ledger, Transaction
from models import condition, disposition, fields, fraud, recovery, workload
from policy.policies import PolicySet, files_of
from policy.source import PolicyError
from serving.case import quality
from serving.case.shadow import Shadow
from serving.settings import Settings
from serving.stamps import utc_now

SERVICE_ACTOR: Final = "service:recoup"
PLACES: Final = CONNECTIONS - 3  # some connections are left for whoever asks whether the service is ready
PR_SET_PDEATHSIG: Final = 1  # <linux/prctl.h>
_LOADERS: Final[dict[str, Callable[[Path], Any]]] = {
    "condition": condition.load,
    "disposition": disposition.load,
    "recovery": recovery.load,
    "fraud": fraud.load,
    "workload": workload.load,
}
_log = structlog.get_logger("recoup.runtime")


@dataclass(frozen=True, slots=True)
class Champions:
    """The promoted models in memory; a missing one is None and makes every answer degraded."""

    condition: condition.Model | None = None
    disposition: disposition.Model | None = None
    recovery: recovery.Model | None = None
    fraud: fraud.Model | None = None
    workload: workload.Model | None = None
    versions: tuple[tuple[str, str], ...] = ()  # task, version

    @property
    def loaded(self) -> tuple[Any, ...]:
        """The models that are there."""
        found = (getattr(self, field.name) for field in fields_of(self) if field.name != "versions")
        return tuple(model for model in found if model is not None)

    @property
    def degraded(self) -> bool:
        """Whether any model is missing."""
        return len(self.loaded) < len(_LOADERS)

    @property
    def wire(self) -> dict[str, dict[str, str]]:
        """Version and digest by task, as every recommendation records them."""
        return {
            task: {"version": version, "digest": getattr(self, task).digest}
            for task, version in self.versions
        }


@dataclass(frozen=True, slots=True)
class Runtime:
    """The open doors of one service process."""

    settings: Settings
    ledger: Ledger
    policies: PolicySet
    champions: Champions
    now: Callable[[], datetime]
    shadow: Shadow | None = None
    ranker: fields.FieldRanker | None = None
    quality_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    session_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PLACES))


def tasks_loaded(champions: Champions) -> dict[str, bool]:
    """Which models are there, by task."""
    return {task: getattr(champions, task) is not None for task in _LOADERS}


def load_champions() -> Champions:
    """Load the promoted models from BentoML's model store; those that are missing are logged and left out."""
    models: dict[str, Any] = {}
    versions = []
    for task, load in _LOADERS.items():
        try:
            stored = bentoml.models.get(f"recoup-{task}:latest")
            models[task] = load(Path(stored.path))
        except (bentoml.exceptions.NotFound, RecoupError, OSError) as error:
            _log.warning("model missing", task=task, error=type(error).__name__)
            continue
        versions.append((task, str(stored.info.labels.get("version", stored.tag.version))))
    return Champions(**models, versions=tuple(versions))


def open_runtime(settings: Settings) -> Runtime:
    """Open everything that the service needs.

    Raises
    ------
    PolicyError, LedgerUnavailableError
        If the policy is not valid or the ledger cannot be reached: the service then does not start.
    """
    files = files_of(settings.policy_dir)
    policies = PolicySet.parse(files)
    ledger = Ledger(settings.ledger_url, lock_seconds=settings.deadline_seconds)
    ledger.ping()
    now = utc_now()
    with ledger.write() as tx:
        _keep(tx, policies, files, at=now)
        tx.activate_policy(policies.digest, actor=SERVICE_ACTOR, at=now)
    shadow = open_shadow(settings.shadow_policy_dir, ledger)
    key = quality.secret_of(settings.home)
    secret = settings.session_secret.get_secret_value().encode()
    return Runtime(
        settings,
        ledger,
        policies,
        load_champions(),
        utc_now,
        shadow,
        fields.promoted(settings.bentoml_home),
        key,
        secret or quality.secret_of(settings.home, "session"),
    )


def end_with_parent() -> None:
    """Let Linux kill this process when the one that started it is gone, however that ended.

    A worker that outlived its supervisor would keep the port and answer on.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def open_shadow(folder: Path | None, ledger: Ledger) -> Shadow | None:
    """Load the candidate policy set and record it; one that is not valid is logged and left out."""
    if folder is None:
        return None
    try:
        files = files_of(folder)
        candidate = PolicySet.parse(files)
    except (PolicyError, OSError) as error:
        _log.warning("shadow policy left out", error=str(error))
        return None
    with ledger.write() as tx:
        _keep(tx, candidate, files, at=utc_now())
    return Shadow(candidate)


def _keep(tx: Transaction, policies: PolicySet, files: Mapping[str, str], *, at: datetime) -> None:
    """Record a policy set under its digest; with other comments or another layout it is the same set."""
    if tx.policy(policies.digest) is None:
        tx.add_policy(policies.digest, content=files, actor=SERVICE_ACTOR, at=at)
