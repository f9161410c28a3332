"""Files into typed columns: every refusal names the file, the column and the row.

Rows are counted from 1, the header not included. CSV is read as text, so that `0012` stays `0012`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.returns import BadInputError, Disposition, Grade, HandlingClass, Reason, RegulatoryClass, Stage

CODES: Final[dict[str, frozenset[str]]] = {
    "reason": frozenset(Reason),
    "grade": frozenset(Grade),
    "disposition": frozenset(Disposition),
    "stage": frozenset(Stage),
    "regulatory_classes": frozenset(RegulatoryClass),
    "handling_classes": frozenset(HandlingClass),
}
FLAGS: Final = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}
READABLE: Final = (".csv", ".csv.gz", ".parquet")


@dataclass(frozen=True, slots=True)
class Cells:
    """One column of one file, with what an error must name."""

    column: pd.Series[Any]
    file: str

    def refuse(self, bad: npt.NDArray[np.bool_], problem: str) -> None:
        """Raise about the first bad row, if there is one; `{}` in `problem` becomes the value."""
        if bad.any():
            row = int(np.argmax(bad))
            place = f"{self.file}: column '{self.column.name}', row {int(self.column.index[row]) + 1}"
            raise BadInputError(f"{place}: {problem.format(repr(str(self.column.iloc[row])[:40]))}.")


def parts(folder: Path) -> list[Path]:
    """Return the parts of a table that is a folder, in their order; none where it is a file.

    Parts are named as Dask and Spark name them: `part.0.parquet`, `part-00000.parquet`.
    """
    return sorted(folder.glob("part*.parquet"), key=lambda path: (len(path.name), path.name))


def read_table(path: Path) -> pd.DataFrame:
    """Read one csv, csv.gz or parquet file, or a folder of parquet parts.

    Raises
    ------
    BadInputError
        If the file is not there, is of another kind, cannot be read or has no rows.
    """
    pieces = parts(path)
    if not path.is_file() and not pieces:
        raise BadInputError(
            f"{path}: no such file; name a {', '.join(READABLE)} file or a folder that holds one."
        )
    if not pieces and not path.name.endswith(READABLE):
        raise BadInputError(f"{path.name}: cannot read this kind of file; use {', '.join(READABLE)}.")
    try:
        if pieces:
            frame = pd.concat([pd.read_parquet(piece) for piece in pieces])
        elif path.suffix == ".parquet":
            frame = pd.read_parquet(path)
        else:
            frame = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:  # pyarrow's and the parser's errors are ValueErrors
        raise BadInputError(
            f"{path.name}: cannot be read as a table: {str(error).splitlines()[0]}"
        ) from error
    if frame.empty:
        raise BadInputError(f"{path.name}: the table has no rows.")
    return frame.reset_index(drop=True)


def numbers(cells: Cells) -> npt.NDArray[np.float64]:
    """Return float64, NaN where missing; refuse text that is no finite number."""
    found = pd.to_numeric(cells.column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    cells.refuse(np.isnan(found) & cells.column.notna().to_numpy(), "{} is not a number")
    cells.refuse(np.isinf(found), "{} is not a finite number")
    return found


def times(cells: Cells) -> npt.NDArray[np.datetime64]:
    """Return datetime64[us] in UTC, NaT where missing; refuse what is no ISO 8601 date or time."""
    # Text is often the same day again; to look for that in times takes longer than to take them as they are.
    repeats = not pd.api.types.is_datetime64_any_dtype(cells.column)
    found = pd.to_datetime(cells.column, utc=True, errors="coerce", format="ISO8601", cache=repeats)
    cells.refuse(
        found.isna().to_numpy() & cells.column.notna().to_numpy(),
        "{} is not a date; write dates as 2026-11-20 or 2026-11-20T10:00:00Z",
    )
    return found.dt.tz_localize(None).to_numpy("datetime64[us]")


def texts(cells: Cells) -> npt.NDArray[np.object_]:
    """Return text as objects, None where missing; whole numbers lose a trailing `.0`."""
    values = cells.column
    if pd.api.types.is_float_dtype(values) and (values.dropna() % 1 == 0).all():
        values = values.astype("Int64")
    text = values.astype(object).where(values.notna(), None).to_numpy(object)
    if pd.api.types.infer_dtype(text, skipna=True) in {"string", "empty"}:
        return text  # nearly every column; to ask costs a tenth of making each value text again
    return np.array([None if value is None else str(value) for value in text], object)


def flags(cells: Cells) -> npt.NDArray[np.object_]:
    """Return True, False or None; refuse anything that is neither yes nor no."""
    words = texts(cells)
    known = {word: None if word is None else FLAGS.get(word.strip().lower()) for word in set(words.tolist())}
    flagged = np.array(list(map(known.__getitem__, words)), object)
    cells.refuse((flagged == None) & (words != None), "{} is neither true nor false")  # noqa: E711 - of each
    return flagged


def coded(cells: Cells, name: str) -> npt.NDArray[np.object_]:
    """Return vocabulary codes, several sorted and joined by ';'; refuse any other code."""
    words = texts(cells)
    known = CODES[name]
    distinct = {word: _codes_of(word) for word in set(words.tolist()) if word is not None}
    unknown = [word for word, codes in distinct.items() if not set(codes) <= known]
    cells.refuse(
        np.isin(words, unknown) if unknown else np.zeros(len(words), np.bool_),
        f"{{}} is no {name} code; rename it, map it or declare the column under attributes",
    )
    joined = {word: ";".join(codes) for word, codes in distinct.items()}
    return np.array(list(map(joined.get, words)), object)


def _codes_of(word: str) -> list[str]:
    return sorted(code for code in (part.strip() for part in word.replace(",", ";").split(";")) if code)


def typed(cells: Cells, name: str, kind: str) -> npt.NDArray[Any]:
    """Return one column in the form that `features.table.Table` promises for its kind."""
    if name in CODES:
        return coded(cells, name)
    readers: dict[str, Callable[[Cells], npt.NDArray[Any]]] = {
        "number": numbers,
        "time": times,
        "flag": flags,
    }
    return readers.get(kind, texts)(cells)
