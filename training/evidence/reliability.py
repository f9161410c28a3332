"""What a model said beside what happened, in few enough points to stand on its card and be drawn anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from training.evidence.card import CURVES, Curves

BINS: Final = 10
Points = list[dict[str, float]]


def of_classes(curves: Curves) -> dict[str, Points]:
    """Return what was said and the share that happened, by tenths of the rows, for the most frequent classes.

    Every point has its 95 % interval (Wilson), so that a bin of few rows does not look like a finding.
    """
    frequent = sorted(curves, key=lambda name: -curves[name][1].sum())[:CURVES]
    return {name: _points(*curves[name]) for name in frequent if curves[name][1].any()}


def of_quantiles(quantiles: Mapping[int, npt.NDArray[Any]], y: npt.NDArray[Any]) -> dict[str, Points]:
    """Return for each quantile, in hundredths, the share of rows that stayed at or below it."""
    below = {q: y <= values for q, values in sorted(quantiles.items())}
    points = [_point(q / 100, int(found.sum()), len(found)) for q, found in below.items() if len(found)]
    return {"quantiles": points} if points else {}


def _points(said: npt.NDArray[Any], happened: npt.NDArray[Any]) -> Points:
    order = np.argsort(said, kind="stable")
    bins = [part for part in np.array_split(order, BINS) if len(part)]
    return [_point(float(said[part].mean()), int(happened[part].sum()), len(part)) for part in bins]


def _point(said: float, happened: int, rows: int) -> dict[str, float]:
    span = binomtest(happened, rows).proportion_ci(method="wilson")
    found = {"said": said, "found": happened / rows, "lo": float(span.low), "hi": float(span.high)}
    return {name: round(value, 5) for name, value in found.items()} | {"rows": rows}
