"""A table as parts: what is read at once, and files that are written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.reading import parts as files_of
from features.returns import BadInputError

ROWS: Final = 250_000  # of a batch; a planning default: scored 100,000 at a time, two workers held 1.7 GB


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a table: a file of a folder of parts, or a row group of a single file.

    Parameters
    ----------
    groups : tuple of int
        The file's row groups, and in `sizes` the rows of each.
    first_row, first_batch : int
        How many rows and batches of the table come before it.
    """

    name: str
    path: Path
    groups: tuple[int, ...]
    sizes: tuple[int, ...]
    first_row: int
    first_batch: int

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return sum(self.sizes)

    @property
    def batches(self) -> range:
        """The numbers of its batches in the whole table."""
        count = sum(-(-size // ROWS) for size in self.sizes)
        return range(self.first_batch, self.first_batch + count)

    def read(self) -> Iterator[tuple[int, pd.DataFrame]]:
        """Read batch by batch: its number, and its rows with their places in the table as index."""
        batch, row = self.first_batch, self.first_row
        with pq.ParquetFile(self.path) as file:
            for group in self.groups:
                table = file.read_row_group(group)
                for offset in range(0, table.num_rows, ROWS):
                    frame = table.slice(offset, ROWS).to_pandas()
                    yield batch, frame.set_axis(pd.RangeIndex(row, row + len(frame)))
                    batch, row = batch + 1, row + len(frame)


def parts_of(table: Path) -> list[Part]:
    """Cut a parquet file or a folder of parquet parts, from what the files say of themselves.

    What holds no rows is left out.

    Raises
    ------
    BadInputError
        If it is neither, a file cannot be read, or there are no rows at all.
    """
    files = files_of(table) or [table]
    if any(file.suffix != ".parquet" or not file.is_file() for file in files):
        raise BadInputError(f"{table}: only parquet is read in parts; write it as parquet first.")
    found: list[Part] = []
    for file in files:
        try:
            sizes = _sizes(file)
        except (OSError, pa.ArrowException) as error:
            raise BadInputError(f"{file.name}: cannot be read as a table: {error}") from error
        wanted = [tuple(range(len(sizes)))] if table.is_dir() else [(group,) for group in range(len(sizes))]
        for groups in wanted:
            if not sum(sizes[group] for group in groups):
                continue
            name = file.name if table.is_dir() else f"part-{groups[0]:05d}.parquet"
            row = found[-1].first_row + found[-1].rows if found else 0
            batch = found[-1].batches.stop if found else 0
            found.append(Part(name, file, groups, tuple(sizes[group] for group in groups), row, batch))
    if not found:
        raise BadInputError(f"{table.name}: the table has no rows.")
    return found


def rows_of(table: Path) -> int:
    """Count the rows of parquet, in parts or not, by what the files say; other tables have none to count."""
    files = files_of(table) or [table]
    return sum(
        int(pq.read_metadata(file).num_rows) for file in files if file.suffix == ".parquet" and file.is_file()
    )


def _sizes(file: Path) -> list[int]:
    facts = pq.read_metadata(file)
    return [facts.row_group(group).num_rows for group in range(facts.num_row_groups)]


class Written:
    """Parquet that grows by one row group at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: Any = None

    def add(self, columns: pa.Table) -> None:
        """Write a row group; it may be empty."""
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, columns.schema)
        self._writer.write_table(columns, row_group_size=max(columns.num_rows, 1))

    def close(self) -> None:
        """End the file."""
        if self._writer is not None:
            self._writer.close()


@contextmanager
def whole(path: Path) -> Iterator[Written]:
    """Write a file that has its name only once it is finished, whoever is killed meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own: a worker that was given up for dead may still be writing the same part.
    partial = path.with_name(f".{path.name}.{uuid4().hex}")
    written = Written(partial)
    try:
        yield written
        written.close()
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def begin(record: Path, facts: Mapping[str, Any], *, another: str) -> None:
    """Write down what is begun in a folder, or make sure that it is what was begun there before.

    Parameters
    ----------
    record : Path
        A file in the folder, which is made if need be.
    another : str
        What the folder then holds, if it is not that.

    Raises
    ------
    BadInputError
        If the folder holds something else, or cannot be written.
    """
    folder = record.parent
    if record.exists():
        if json.loads(record.read_text(encoding="utf-8")) != facts:
            raise holds(folder, another)
        return
    if folder.exists() and set(folder.iterdir()) - {_unfinished(record)}:
        raise BadInputError(f"{folder}: this folder holds other files; name another --out.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(record, json.dumps(facts))
    except OSError as error:
        raise BadInputError(f"{folder}: cannot be written ({error.strerror}); name another --out.") from error


def holds(folder: Path, another: str) -> BadInputError:
    """The refusal of a folder that holds the results of other work."""
    return BadInputError(f"{folder}: this folder holds {another}; remove it, or name another --out.")


def write_whole(path: Path, text: str) -> None:
    """Write a text file that has its name only once it is finished."""
    unfinished = _unfinished(path)
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")
