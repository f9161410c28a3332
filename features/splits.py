"""Which rows train and which test: later rows test, and a group never straddles the two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.returns import BadInputError

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Split:
    """Two masks over the rows of one table; a row may be in neither, never in both."""

    train: Mask
    test: Mask


def latest(times: npt.NDArray[np.datetime64], *, fraction: float, within: npt.NDArray[Any] | None) -> Mask:
    """Mark the latest `fraction` of rows by time, within each value of `within` where it is given."""
    frame = pd.DataFrame({"time": times, "within": "" if within is None else within})
    grouped = frame.sort_values("time", kind="stable", na_position="first").groupby("within", dropna=False)
    place = grouped.cumcount(ascending=False).reindex(frame.index)
    size = frame.groupby("within", dropna=False)["time"].transform("size")
    return np.asarray(place < np.floor(size * fraction))


def apart(test: Mask, groups: list[npt.NDArray[Any]]) -> Split:
    """Keep the test rows as they are and drop from training every row whose group is tested.

    Raises
    ------
    BadInputError
        If one side is left without rows.
    """
    train = ~test
    for group in groups:
        tested = set(group[test].tolist()) - {None}
        train &= np.fromiter((value not in tested for value in group), bool, len(group))
    if not test.any() or not train.any():
        side = "test" if not test.any() else "training"
        raise BadInputError(f"the split leaves no {side} rows; change `split` in the mapping file.")
    return Split(train, test)
