"""The figures of this process for Prometheus; BentoML's /metrics adds those of all workers up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SHARES: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
LATEST: Final = "mostrecent"  # of all workers, the one that looked last knows


class Figures:
    """Everything that is counted, under the names that dashboards and alerts use."""

    def __init__(self) -> None:
        # BentoML says where workers write their figures only after the service was imported.
        from prometheus_client import Counter, Gauge, Histogram  # noqa: PLC0415

        by_route = ("method", "route", "status")
        self._requests = Counter("recoup_requests", "Requests by route template.", by_route)
        self._seconds = Histogram("recoup_request_seconds", "Time to answer.", ("route",), buckets=SECONDS)
        self._issued = Counter("recoup_recommendations", "Recommendations by status.", ("status", "degraded"))
        self._rules = Counter("recoup_rule_hits", "Rules that fired.", ("rule", "effect"))
        self._chosen = Counter("recoup_dispositions", "Dispositions recommended.", ("disposition",))
        self._score = Histogram("recoup_fraud_score", "Fraud scores.", buckets=SHARES)
        self._bins = Counter("recoup_drift_seen", "Sampled values by bin of the training.", ("input", "bin"))
        self._expected = Gauge(
            "recoup_drift_expected",
            "Share of the training in each bin.",
            ("input", "bin"),
            multiprocess_mode=LATEST,
        )
        self._loaded = Gauge(
            "recoup_model_loaded", "Whether a model is there.", ("task",), multiprocess_mode="min"
        )
        self._open = Gauge("recoup_queue_open", "Cases that wait.", ("queue",), multiprocess_mode=LATEST)
        self._oldest = Gauge(
            "recoup_queue_oldest_seconds", "The longest wait.", ("queue",), multiprocess_mode=LATEST
        )
        self._lag = Gauge(
            "recoup_outbox_lag_seconds", "The longest overdue delivery.", multiprocess_mode=LATEST
        )
        self._deliveries = Gauge("recoup_deliveries", "Webhooks.", ("status",), multiprocess_mode=LATEST)
        self._ledger = Gauge("recoup_ledger_up", "Whether the ledger answers.", multiprocess_mode=LATEST)
        self._routes: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        key = (method, route, status)
        if key not in self._routes:
            self._routes[key] = (self._requests.labels(*map(str, key)), self._seconds.labels(route))
        counted, timed = self._routes[key]
        counted.inc()
        timed.observe(seconds)

    def recommended(self, body: Mapping[str, Any]) -> None:
        """Count one recommendation that was recorded, from its answer."""
        self._issued.labels(str(body["status"]), str(body["degraded"]).lower()).inc()
        self._chosen.labels(str(body["disposition"]["recommended"])).inc()
        for fired in body["guardrails"]:
            self._rules.labels(fired["id"], str(fired["effect"])).inc()
        score = body["fraud"]["score"]
        if score is not None:
            self._score.observe(score)

    def seen(self, bins: Iterable[tuple[str, str]]) -> None:
        """Count sampled values by input and bin."""
        for name, place in bins:
            self._bins.labels(name, place).inc()

    def expect(self, shares: Mapping[tuple[str, str], float]) -> None:
        """Say what share of the training each bin held."""
        for (name, place), share in shares.items():
            self._expected.labels(name, place).set(share)
            self._bins.labels(name, place)

    def models(self, loaded: Mapping[str, bool]) -> None:
        """Say which models are there."""
        for task, there in loaded.items():
            self._loaded.labels(task).set(int(there))

    def waiting(self, queues: Mapping[str, tuple[int, float]]) -> None:
        """Say how many cases wait in each queue, and how long the first of them has, in seconds."""
        for name, (count, oldest) in queues.items():
            self._open.labels(name).set(count)
            self._oldest.labels(name).set(oldest)

    def outgoing(self, counts: Mapping[str, int], *, lag: float) -> None:
        """Say what became of deliveries, and for how many seconds the longest is overdue."""
        for status, count in counts.items():
            self._deliveries.labels(status).set(count)
        self._lag.set(lag)

    def ledger(self, *, up: bool) -> None:
        """Say whether the ledger answers."""
        self._ledger.set(int(up))


@cache
def figures() -> Figures:
    """The figures of this process, made when they are first needed."""
    return Figures()
