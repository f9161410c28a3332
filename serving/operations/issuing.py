"""A forecast file becomes an issue: dated, stored, never changed."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

from features.events import EventType
from ledger.forecasts import ForecastIssue, ForecastRow
from ledger.outbox import Message
from ledger.store import Ledger
from models.volume.rows import read_forecast
from serving.stamps import new_id

FIGURES = ("mean", "q10", "q50", "q80", "q90", "q95")


def issue(ledger: Ledger, path: Path, *, actor: str, at: datetime) -> ForecastIssue:
    """Check a forecast file and write it to the ledger; the same file gives the same issue once.

    Raises
    ------
    BadInputError
        Naming file, column and row, where the file is no coherent forecast.
    """
    rows = [
        ForecastRow(row.region, row.family, row.ds, **{name: float(getattr(row, name)) for name in FIGURES})
        for row in read_forecast(path)
    ]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    new = ForecastIssue(
        id=f"fc_{at:%Y%m%dT%H%M%S}_{digest[:8]}",
        as_of=at,
        model_version="recoup-volume",
        data_hash=f"sha256:{digest}",
        actor=actor,
        at=at,
        meta={"file": path.name, "first": min(row.ds for row in rows).isoformat(), "rows": len(rows)},
    )
    with ledger.write() as tx:
        tx.add_forecast_issue(new, rows)
        tx.enqueue(Message(new_id("msg"), EventType.FORECAST_PUBLISHED, new.id, {"issue": new.id}, at, actor))
    return new
