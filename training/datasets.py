"""A table becomes a training question: who trains, who tests, and what was known by when."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.mapping import DEFAULT_SPLIT, Loaded, load
from features.reading import parts
from features.returns import BadInputError
from features.splits import Mask, Split, latest
from features.table import Table, objects, take, time

KNOWN_AT: Final = {"fraud": "fraud_known_at"}  # every other label: label_known_at
TRUTH_FILE: Final = "truth.parquet"


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a dataset with their labels.

    `truth` holds the exact predictions of the simulated world for the same rows, where there are any.
    """

    table: Table
    y: npt.NDArray[Any]
    blocks: npt.NDArray[np.int64]  # rows of one customer belong together when samples are redrawn
    truth: pd.DataFrame | None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where rows came from: resolved paths, the digest of their bytes, and the moment they stand at."""

    data: str
    mapping: str | None
    digest: str
    as_of: str | None
    attributes: dict[str, str]

    @classmethod
    def of(cls, loaded: Loaded, mapping: Path | None, as_of: datetime | None) -> Origin:
        """Name the origin of a loaded table."""
        source = Path(loaded.source)
        return cls(
            data=str(source.resolve()),
            mapping=str(mapping.resolve()) if mapping else None,
            digest=digest(source, mapping),
            as_of=as_of.isoformat() if as_of else None,
            attributes=dict(loaded.attributes),
        )


@dataclass(frozen=True, slots=True)
class Dataset:
    """One task's question: rows to learn from, later rows to be judged on, and where both came from."""

    task: str
    train: Rows
    test: Rows
    origin: Origin


def read(task: str, *, data: Path | None, mapping: Path | None, as_of: datetime | None = None) -> Dataset:
    """Read a table for a task and split it by its mapping, by default into four fifths and the latest fifth.

    What became known after `as_of` is not used; and no training row may teach a label that
    became known only after the first test row was asked for.

    Raises
    ------
    BadInputError
        One sentence that names the file, the column and the row.
    """
    loaded = load(data, mapping, purpose=task)
    assert loaded.y is not None
    assert loaded.split is not None
    split = _honest(loaded, task, as_of)
    truth = _truth(loaded)
    blocks = pd.factorize(_customers(loaded.table))[0].astype(np.int64)

    def rows(mask: Mask) -> Rows:
        chosen = np.flatnonzero(mask)
        exact = None if truth is None else truth.iloc[chosen]
        return Rows(take(loaded.table, chosen), np.asarray(loaded.y)[chosen], blocks[chosen], exact)

    return Dataset(
        task=task,
        train=rows(split.train),
        test=rows(split.test),
        origin=Origin.of(loaded, mapping, as_of),
    )


def digest(data: Path, mapping: Path | None) -> str:
    """Return the digest of the bytes of a table, which may lie in parts, and its mapping file."""
    total = hashlib.sha256()
    for path in (data, mapping):
        for one in [] if path is None else parts(path) or [path]:
            with one.open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
    return f"sha256:{total.hexdigest()}"


def _honest(loaded: Loaded, task: str, as_of: datetime | None) -> Split:
    """Return the split of what was known by `as_of`, free of labels from the test period."""
    assert loaded.split is not None
    train, test = loaded.split.train, loaded.split.test
    asked, known = (
        time(loaded.table, "requested_at"),
        time(loaded.table, KNOWN_AT.get(task, "label_known_at")),
    )
    if as_of is not None:
        moment = np.datetime64(as_of.replace(tzinfo=None), "us")
        seen = _seen(asked, known, moment)
        if loaded.mapping.split is None and seen.any():
            test = seen & _latest_of(asked, seen)
        train, test = seen & ~test & (train | loaded.split.test), seen & test
    by_time = loaded.mapping.split is None or loaded.mapping.split.test_from is not None
    if by_time and test.any() and not np.isnat(asked[test]).all():
        train = train & ~(known > np.nanmin(asked[test]))
    if not train.any() or not test.any():
        raise BadInputError(
            f"{Path(loaded.source).name}: no labelled rows are left to train and test; use a later --as-of."
        )
    return Split(train, test)


def _seen(asked: npt.NDArray[Any], known: npt.NDArray[Any], moment: np.datetime64) -> Mask:
    """Mark rows asked for and labelled by a moment; a label without a date counts as its request."""
    when = np.where(np.isnat(known), asked, known)
    if np.isnat(when).all():
        raise BadInputError("--as-of needs a time in the table; name `time.event` in the mapping file.")
    return np.asarray((when <= moment) & ~(asked > moment))


def _latest_of(asked: npt.NDArray[Any], seen: Mask) -> Mask:
    mask = np.zeros(len(asked), bool)
    assert DEFAULT_SPLIT.test_fraction is not None
    mask[seen] = latest(asked[seen], fraction=DEFAULT_SPLIT.test_fraction, within=None)
    return mask


def _customers(table: Table) -> npt.NDArray[Any]:
    customers, lines = objects(table, "customer_id"), objects(table, "return_line_id")
    return np.where(pd.isna(customers), lines, customers)


def _truth(loaded: Loaded) -> pd.DataFrame | None:
    """Return the exact predictions beside the data, in the order of its rows."""
    path = Path(loaded.source).parent / TRUTH_FILE
    if not path.exists() or "return_line_id" not in loaded.frame:
        return None
    exact = pd.read_parquet(path).set_index("return_line_id").reindex(loaded.table["return_line_id"])
    return None if exact["p_fraud"].isna().any() else exact
