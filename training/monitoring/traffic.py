"""Recorded traffic as rows that any model can be asked about again, with the labels that have matured."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.history import HISTORY
from features.returns import BadInputError
from features.table import KINDS, LABELS, Table, objects, take, time
from training.answers import as_table, without_inspection
from training.datasets import Rows
from training.evaluate import CLASS_TASKS

BECAME: Final = "became_"
SAID: Final = "said_"
DIGEST: Final = "digest_"
NEEDED: Final = ("return_line_id", "requested_at", "reason", "family", "site")


@dataclass(frozen=True, slots=True)
class Matured:
    """Lines whose label is known: their places among all lines, and what a model is asked about them."""

    places: npt.NDArray[np.int64]
    rows: Rows

    def __len__(self) -> int:
        return len(self.places)


@dataclass(frozen=True, slots=True)
class Traffic:
    """One row a recommendation, in the order in which they were made.

    Parameters
    ----------
    frame : DataFrame
        As exported: inputs, and beside them what was said and what became of it.
    first : ndarray of int64
        Positions of the first recommendation of each line: what follows is asked about the same item again.
    """

    frame: pd.DataFrame
    first: npt.NDArray[np.int64]

    def table(self, attributes: dict[str, str]) -> Table:
        """Return the inputs of the first recommendation of each line, as they stood then."""
        names = map(str, self.frame)
        inputs = [name for name in names if name in KINDS or name in HISTORY or name.startswith("attr_")]
        return take(as_table(self.frame[inputs], attributes), self.first)

    def said(self, task: str, digest: str) -> pd.DataFrame | None:
        """Return what a model answered then, under the names of `score`; None where it answered nothing."""
        column = DIGEST + task
        if column not in self.frame:
            return None
        lines = self.frame.iloc[self.first]
        own = (lines[column] == digest).to_numpy()
        prefix = f"{SAID}{task}_"
        told = lines[[name for name in map(str, lines) if name.startswith(prefix)]]
        said = told.rename(columns=lambda name: name.removeprefix(prefix)).astype(float)
        if not own.any() or said.empty:
            return None
        said.loc[~own] = np.nan
        return said.reset_index(drop=True)

    def matured(self, task: str, table: Table, *, after: datetime | None) -> Matured:
        """Return the rows whose label is known by now, of lines asked for after `after`."""
        labels = self._became(LABELS[task])
        later = True if after is None else time(table, "requested_at") > np.datetime64(after, "us")
        known = np.flatnonzero(pd.notna(labels) & later)
        y = np.asarray(labels[known], object if task in CLASS_TASKS else np.float64)
        blocks = pd.factorize(objects(table, "customer_id")[known])[0].astype(np.int64)
        asked = dict(take(without_inspection(table), known))
        if task == "recovery":  # an amount is judged for what was done with the item
            asked["disposition"] = self._became("disposition")[known]
        return Matured(known, Rows(asked, y, blocks, None))

    def _became(self, label: str) -> npt.NDArray[Any]:
        """Return a label of every line, None where nobody has told it yet."""
        values = self.frame[BECAME + label].iloc[self.first] if BECAME + label in self.frame else None
        if values is None:
            return np.full(len(self.first), None, object)
        return values.astype(object).where(values.notna(), None).to_numpy(object)

    @property
    def span(self) -> tuple[datetime, datetime]:
        """When its first and its last recommendation were made."""
        times = pd.to_datetime(self.frame["recommended_at"])
        return times.min().to_pydatetime(), times.max().to_pydatetime()


def read_traffic(path: Path) -> Traffic:
    """Read what `recoup export-traffic` wrote.

    Raises
    ------
    BadInputError
        If it is no such file, or holds no recommendation.
    """
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise BadInputError(f"{path}: cannot be read; write it by `recoup export-traffic`.") from error
    missing = [name for name in (*NEEDED, "recommended_at") if name not in frame]
    if missing:
        raise BadInputError(
            f"{path.name}: has no column '{missing[0]}'; write it by `recoup export-traffic`."
        )
    if frame.empty:
        raise BadInputError(f"{path.name}: holds no recommendation yet.")
    frame = frame.sort_values("recommended_at", kind="stable").reset_index(drop=True)
    first = frame.drop_duplicates("return_line_id").index.to_numpy(np.int64)
    return Traffic(frame, first)
