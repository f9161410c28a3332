"""What the ledger knows of queues and deliveries, looked up when Prometheus asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from ledger.chain import LedgerUnavailableError
from serving.monitoring.figures import figures
from serving.runtime import Runtime, tasks_loaded


class FreshFigures:
    """Bring the figures up to date before /metrics is answered."""

    def __init__(self, app: ASGIApp, runtime: Callable[[], Any]) -> None:
        self.app = app
        self.runtime = runtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"] == "/metrics":
            runtime = self.runtime()
            if isinstance(runtime, Runtime):
                await asyncio.to_thread(refresh, runtime)
        await self.app(scope, receive, send)


def refresh(runtime: Runtime) -> None:
    """Read queues and outbox once; a ledger that does not answer is said to be down."""
    figures().models(tasks_loaded(runtime.champions))
    now = runtime.now()
    try:
        with runtime.ledger.read() as tx:
            queues = tx.queues()
        with runtime.ledger.queue() as queue:
            counts, due = queue.counts(), queue.oldest_due()
    except LedgerUnavailableError:
        figures().ledger(up=False)
        return
    figures().ledger(up=True)
    ages = {name: (count, max(0.0, (now - since).total_seconds())) for name, (count, since) in queues.items()}
    figures().waiting(ages)
    figures().outgoing(counts, lag=max(0.0, (now - due).total_seconds()) if due else 0.0)
