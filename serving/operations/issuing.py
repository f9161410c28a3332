"""A forecast file becomes an issue: dated, stored, never changed, its sample paths beside it by digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.events import EventType
from features.returns import BadInputError
from ledger.forecasts import ForecastIssue, ForecastRow
from ledger.outbox import Message
from ledger.store import Ledger
from models.volume.paths import paths_beside
from models.volume.rows import read_forecast
from serving.stamps import new_id

FIGURES = ("mean", "q10", "q50", "q80", "q90", "q95")
FOLDER: Final = "forecasts"  # under home; files named by their digest
TOLERANCE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Paths:
    """Sample paths of one region: values of shape (paths, families, days), units."""

    families: tuple[str, ...]
    days: tuple[str, ...]
    values: npt.NDArray[np.int64]


def issue(ledger: Ledger, path: Path, *, home: Path, actor: str, at: datetime) -> ForecastIssue:
    """Check a forecast file and write it to the ledger; the same file gives the same issue once.

    The sample paths that `recoup-lab forecast` wrote beside it are kept under `home`, named by their digest.

    Raises
    ------
    BadInputError
        Naming file, column and row, where the file is no coherent forecast or the paths are not its own.
    """
    rows = [
        ForecastRow(row.region, row.family, row.ds, **{name: float(getattr(row, name)) for name in FIGURES})
        for row in read_forecast(path)
    ]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    meta = {"file": path.name, "first": min(row.ds for row in rows).isoformat(), "rows": len(rows)}
    beside = paths_beside(path)
    if beside.is_file():
        meta["paths"] = _keep(beside, rows, home)
    new = ForecastIssue(
        id=f"fc_{at:%Y%m%dT%H%M%S}_{digest[:8]}",
        as_of=at,
        model_version="recoup-volume",
        data_hash=f"sha256:{digest}",
        actor=actor,
        at=at,
        meta=meta,
    )
    with ledger.write() as tx:
        tx.add_forecast_issue(new, rows)
        tx.enqueue(Message(new_id("msg"), EventType.FORECAST_PUBLISHED, new.id, {"issue": new.id}, at, actor))
    return new


def paths_of(
    heading: ForecastIssue, *, home: Path, region: str, start: date | None, to: date | None
) -> Paths | None:
    """Read the sample paths of an issue for a region and days; None without whole ones."""
    meta: Mapping[str, object] = heading.meta
    digest = str(meta.get("paths", ""))
    file = home / FOLDER / f"{digest.removeprefix('sha256:')}.parquet"
    frame = _read(file, digest) if digest and file.is_file() else None
    if frame is None or not {"region", "family"} <= set(frame):
        return None
    days = frame["ds"].dt.date
    inside = (frame["region"] == region) & (days >= (start or date.min)) & (days <= (to or date.max))
    part = frame[inside].sort_values(["family", "ds"])
    if part.empty:
        return None
    families, names = part["family"].unique(), part["ds"].dt.date.astype(str).unique()
    values = part.filter(regex=r"^p\d+$").to_numpy(np.int64).T
    return Paths(tuple(families), tuple(names), values.reshape(-1, len(families), len(names)))


def _keep(file: Path, rows: list[ForecastRow], home: Path) -> str:
    content = file.read_bytes()
    frame = pd.read_parquet(file)
    total = frame.filter(regex=r"^p\d+$").to_numpy(np.float64).mean(1).sum()
    said = sum(row.mean for row in rows if (row.region, row.family) == ("*", "*"))
    if abs(total - said) > TOLERANCE * max(said, 1.0):
        raise BadInputError(
            f"{file.name}: the sample paths do not add up to the forecast beside them; "
            "write both again with recoup-lab forecast, or remove the paths."
        )
    digest = hashlib.sha256(content).hexdigest()
    folder = home / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{digest}.parquet").write_bytes(content)
    return f"sha256:{digest}"


@lru_cache(maxsize=4)
def _read(file: Path, digest: str) -> pd.DataFrame | None:
    # Issues never change, so a file that was whole once is read once.
    if f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}" != digest:
        return None
    return pd.read_parquet(file)
