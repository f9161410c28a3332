"""History as a partitioned as-of join: what rows tell is cut by entity, joined there, and brought back.

Three steps, each of one batch or one bucket of entities at a time: `spread` writes the traces of a batch by
bucket; `join` reads one bucket of all batches, in which all rows of an entity lie, and works out their
figures; `gather` puts those of a batch beside its rows. The figures are those of `features.history.offline`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.history import ASKED, CUSTOMERS, ENTITIES, Aggregate, Traces, figures, named
from features.table import Table, objects, rows, time
from training.scale.parts import whole

LINE: Final = "line"  # return lines are spread as well, to find those that occur twice
ROWS_OF_A_BUCKET: Final = 1_000_000
NOBODY: Final = 0  # in place of a hash


@dataclass(frozen=True, slots=True)
class Lines:
    """How many return lines there are, and the places of those of the same hash: the later, the first."""

    count: int
    again: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A folder through which batches exchange what they know of the past.

    Parameters
    ----------
    names : tuple of str
        The wanted aggregates.
    batches, buckets : int
        How many there are.
    """

    folder: Path
    names: tuple[str, ...]
    batches: int
    buckets: int

    @property
    def entities(self) -> tuple[str, ...]:
        """Those whose past is wanted."""
        return tuple(dict.fromkeys(aggregate.entity for aggregate in named(self.names)))

    def spread(self, batch: int, table: Table, places: npt.NDArray[np.int64]) -> None:
        """Write the traces of a batch, bucket by bucket.

        Parameters
        ----------
        places : ndarray of shape (n,), int64
            The rows' places in the whole table.
        """
        for entity in self.entities:
            self._write(entity, batch, _traces(table, entity, self._of(entity)))
        lines = {"code": _hashes(objects(table, "return_line_id")), "row": places}
        self._write(LINE, batch, lines)  # last: where it lies, the batch is spread

    def is_spread(self, batch: int) -> bool:
        """Whether nothing is left to do for a batch."""
        return self._traces(LINE, batch).exists()

    def join(self, entity: str, bucket: int) -> None:
        """Work out the figures of all rows of a bucket."""
        path = self._joined(entity, bucket)
        if path.exists():
            return
        found, sizes = self._read(entity, bucket)
        aggregates = self._of(entity)
        codes = {name: _codes(found[name]) for name in ("customer", entity)}
        times = {
            known: found[known].view("datetime64[us]")
            for known in dict.fromkeys((ASKED, *(one.known for one in aggregates)))
        }
        own = figures(aggregates, codes, Traces(times, found))
        columns = pa.table({"row": found["row"], **own})
        with whole(path) as written:
            for first, size in zip(np.cumsum([0, *sizes]), sizes, strict=False):
                written.add(columns.slice(first, size))

    def gather(self, batch: int, table: Table) -> Table:
        """Return the table of a batch with the wanted figures beside it."""
        past = {name: np.full(rows(table), np.nan) for name in self.names}
        for entity in self.entities:
            for bucket in range(self.buckets):
                with pq.ParquetFile(self._joined(entity, bucket)) as file:
                    found = file.read_row_group(batch)
                row = found["row"].to_numpy()
                for aggregate in self._of(entity):
                    past[aggregate.name][row] = found[aggregate.name].to_numpy()
        return {**table, **past}

    def lines(self, bucket: int) -> Lines:
        """Count the return lines of a bucket, and find those that may occur twice."""
        found, sizes = self._read(LINE, bucket)
        lines = pd.DataFrame({"code": found["code"], "row": found["row"]})
        earliest = lines.groupby("code")["row"].transform("min")
        again = lines["row"] != earliest
        pairs = zip(lines["row"][again].tolist(), earliest[again].tolist(), strict=True)
        return Lines(sum(sizes), tuple(pairs))

    def _of(self, entity: str) -> tuple[Aggregate, ...]:
        return tuple(aggregate for aggregate in named(self.names) if aggregate.entity == entity)

    def _write(self, entity: str, batch: int, columns: Mapping[str, npt.NDArray[Any]]) -> None:
        found = pa.table(dict(columns))
        bucket = columns["code"].view(np.uint64) % np.uint64(self.buckets)
        with whole(self._traces(entity, batch)) as written:
            for place in range(self.buckets):
                written.add(found.take(np.flatnonzero(bucket == place)))

    def _read(self, entity: str, bucket: int) -> tuple[dict[str, npt.NDArray[Any]], list[int]]:
        """Read a bucket of all batches: its columns, and how many rows come from each batch."""
        pieces = []
        for batch in range(self.batches):
            with pq.ParquetFile(self._traces(entity, batch)) as file:
                pieces.append(file.read_row_group(bucket))
        table = pa.concat_tables(pieces)
        columns: dict[str, npt.NDArray[Any]] = {name: table[name].to_numpy() for name in table.column_names}
        return {**columns, entity: columns["code"]}, [piece.num_rows for piece in pieces]

    def _traces(self, entity: str, batch: int) -> Path:
        return self.folder / "traces" / entity / f"{batch:05d}.parquet"

    def _joined(self, entity: str, bucket: int) -> Path:
        return self.folder / "joined" / entity / f"{bucket:05d}.parquet"


def _traces(table: Table, entity: str, aggregates: Sequence[Aggregate]) -> dict[str, npt.NDArray[Any]]:
    """Return what the rows with an entity tell of it; the others neither know nor add to its past."""
    code = _hashes(objects(table, ENTITIES[entity]))
    there = (code != NOBODY) & ~np.isnat(time(table, "requested_at"))
    traces = Traces.of(table, aggregates)
    new = any(aggregate.value == CUSTOMERS for aggregate in aggregates)
    customer = _hashes(objects(table, ENTITIES["customer"])) if new else np.zeros(len(code), np.int64)
    columns: dict[str, npt.NDArray[Any]] = {
        "code": code,
        "row": np.arange(len(code), dtype=np.int32),
        "customer": code if entity == "customer" else customer,
        **{known: moments.astype("datetime64[us]").view(np.int64) for known, moments in traces.known.items()},
        **traces.marks,
    }
    return {name: values[there] for name, values in columns.items()}


def _hashes(values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return 64 bits that stand for each value: two of 10 million share theirs once in 400,000 tables."""
    found = pd.util.hash_array(values).view(np.int64)
    return np.where(pd.isna(values), np.int64(NOBODY), found)


def _codes(hashes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    codes = pd.factorize(hashes)[0].astype(np.int64)
    return np.where(hashes == NOBODY, np.int64(-1), codes)
