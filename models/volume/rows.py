"""The long file of a forecast: written for planners, read back strictly before it is issued."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.returns import BadInputError
from models.volume.panel import ALL
from models.volume.paths import QUANTILE_NAMES

FIGURES: Final = ("mean", *QUANTILE_NAMES)
TOLERANCE: Final = 1e-6  # means are sums of the same paths; more than rounding is another forecast
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ForecastRow:
    """What is expected at one node in one period; `*` stands for a collapsed level.

    `mean` and quantiles are returns a period; quantiles are whole units.
    """

    levels: tuple[tuple[str, str], ...]
    ds: date
    mean: float
    q10: int
    q50: int
    q80: int
    q90: int
    q95: int

    def at(self, level: str) -> str:
        """The value of a level; `*` where the forecast does not know the level."""
        return dict(self.levels).get(level, ALL)

    @property
    def region(self) -> str:
        """The region, or `*`."""
        return self.at("region")

    @property
    def family(self) -> str:
        """The family, or `*`."""
        return self.at("family")


def read_forecast(path: Path) -> list[ForecastRow]:
    """Read a forecast file whole, in file order.

    Raises
    ------
    BadInputError
        If a column is missing, a figure is no finite number, a quantile is no whole unit or falls below a
        lower one, a row comes twice, or a total is not the sum of its parts; it names file, column and row.
    """
    frame = _read(path)
    missing = [name for name in ("ds", *FIGURES) if name not in frame.columns]
    if missing:
        raise BadInputError(
            f"{path.name}: there is no column '{missing[0]}'; write it with recoup-lab forecast."
        )
    levels = [name for name in frame.columns if name not in ("ds", *FIGURES)]
    rows = frame.assign(
        ds=pd.to_datetime(frame["ds"], errors="coerce", format="ISO8601"),
        **{name: pd.to_numeric(frame[name], errors="coerce").astype("float64") for name in FIGURES},
        **{name: frame[name].astype(object) for name in levels},
    )
    _check_cells(rows, levels, path.name)
    _check_sums(rows, levels, path.name)
    return [_row(record, levels) for record in rows.to_dict("records")]


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise BadInputError(f"{path}: no such file; name a .csv or .parquet written by recoup-lab forecast.")
    if path.suffix not in (".csv", ".parquet"):
        raise BadInputError(f"{path.name}: a forecast is a .csv or .parquet file.")
    try:
        # Names stay text: a family called NA or 007 is no missing value and no number.
        frame = (
            pd.read_parquet(path)
            if path.suffix == ".parquet"
            else pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
        )
    except (OSError, ValueError) as error:
        raise BadInputError(
            f"{path.name}: cannot be read as a table: {str(error).splitlines()[0]}"
        ) from error
    if frame.empty:
        raise BadInputError(f"{path.name}: the forecast has no rows.")
    return frame.reset_index(drop=True)


def _check_cells(rows: pd.DataFrame, levels: list[str], file: str) -> None:
    _refuse(rows["ds"].isna().to_numpy(), file, "ds", "is no date")
    for name in levels:
        _refuse(rows[name].isna().to_numpy(), file, name, f"is empty; a collapsed level is '{ALL}'")
    for name in FIGURES:
        values = rows[name].to_numpy()
        _refuse(~np.isfinite(values), file, name, "is no finite number")
        _refuse(values < 0, file, name, "is negative")
    for name in QUANTILE_NAMES:
        _refuse(rows[name].to_numpy() % 1 != 0, file, name, "is no whole number of returns")
    for low, high in pairwise(QUANTILE_NAMES):
        _refuse((rows[high] < rows[low]).to_numpy(), file, high, f"is below {low}")
    _refuse(rows.duplicated([*levels, "ds"]).to_numpy(), file, "ds", "comes twice for the same node")


def _check_sums(rows: pd.DataFrame, levels: list[str], file: str) -> None:
    """Refuse a mean that is not the sum over the level it collapses, and a node without its total."""
    for name in levels:
        others = [*(level for level in levels if level != name), "ds"]
        single = rows[rows[name] != ALL]
        parts = single.groupby(others, sort=False)["mean"].sum().rename("parts")
        joined = rows[rows[name] == ALL].join(parts, on=others)
        gap = (joined["mean"] - joined["parts"]).abs() > TOLERANCE * np.maximum(joined["mean"].abs(), 1.0)
        wrong = rows.index.isin(joined.index[gap | joined["parts"].isna()])
        _refuse(wrong, file, "mean", f"is not the sum over every {name}")
        totals = pd.MultiIndex.from_frame(joined[others])
        lonely = ~pd.MultiIndex.from_frame(single[others]).isin(totals)
        _refuse(rows.index.isin(single.index[lonely]), file, name, f"has no row with '{ALL}' that adds it up")


def _refuse(bad: Mask, file: str, column: str, problem: str) -> None:
    if bad.any():
        raise BadInputError(f"{file}: column '{column}', row {int(np.argmax(bad)) + 1}: {problem}.")


def _row(record: dict[Any, Any], levels: list[str]) -> ForecastRow:
    return ForecastRow(
        levels=tuple((name, str(record[name])) for name in levels),
        ds=record["ds"].date(),
        mean=float(record["mean"]),
        **{name: int(record[name]) for name in QUANTILE_NAMES},
    )
