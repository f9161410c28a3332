"""The parts of a business whose losses are told apart: sites, families, customers without a past."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.table import Table, number, objects, rows

ALL: Final = "all"
NEW: Final = "new customers"
COLUMNS: Final = ("site", "family")
LEAST_ROWS: Final = 30  # fewer say nothing about a segment


def segments_of(table: Table, *, least: int = LEAST_ROWS) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Yield all rows, then every site and family with enough of them, then customers without a past.

    Yields
    ------
    str and ndarray of int64
        The segment's name and the positions of its rows.
    """
    yield ALL, np.arange(rows(table))
    for column in COLUMNS:
        values = pd.Series(objects(table, column))
        for value, index in values.groupby(values).indices.items():
            if len(index) >= least:
                yield f"{column} {value}", np.asarray(index)
    new = np.flatnonzero(number(table, "customer_count_ever") == 0)
    if len(new) >= least:
        yield NEW, new
