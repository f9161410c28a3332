"""The BentoML service: the models' process, the mounted application, health, and nothing else."""

from __future__ import annotations

import bentoml

from ledger.chain import LedgerUnavailableError
from serving.app import create_app
from serving.contract.paths import PlainPaths
from serving.monitoring.state import FreshFigures
from serving.runtime import Runtime, end_with_parent, open_runtime
from serving.settings import Settings
from serving.telemetry import configure_logs

# BentoML wants its service at module level: here alone an import reads the environment.
_settings = Settings()
configure_logs(_settings.log_level)


def _open_worker(settings: Settings) -> Runtime:
    end_with_parent()
    return open_runtime(settings)


application = create_app(_settings, _open_worker)


@bentoml.service(
    name="recoup",
    workers=_settings.workers,
    traffic={"timeout": 120},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
)
@bentoml.asgi_app(application, path="/")
class Recoup:
    """Triage and forecasting of returns; the contract lives in the mounted application."""

    def __is_ready__(self) -> bool:
        """Ready means: models loaded or allowed to be missing, ledger reached and written, policy valid."""
        runtime = getattr(application.state, "runtime", None)
        if runtime is None or (runtime.champions.degraded and runtime.settings.without_models == "refuse"):
            return False
        try:
            runtime.ledger.ping()
            with runtime.ledger.read() as tx:
                in_force = tx.active_policy()
        except LedgerUnavailableError:
            return False
        # Another replica may have brought another policy: this one then judges by what no longer holds.
        return in_force == runtime.policies.digest and not runtime.ledger.failed_lately


# Around BentoML's own router, which would answer in plain text.
Recoup.add_asgi_middleware(PlainPaths)  # type: ignore[attr-defined]  # bentoml has no types
Recoup.add_asgi_middleware(  # type: ignore[attr-defined]
    FreshFigures, runtime=lambda: getattr(application.state, "runtime", None)
)
