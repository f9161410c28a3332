"""Scores of a table in parts: one part out for each part in, and a rerun continues where it was stopped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from distributed import Client

from features.history import HISTORY
from features.mapfile import Mapping, read_mapping
from features.mapping import part_of
from features.returns import BadInputError
from features.table import Table
from training.answers import answers, card, load
from training.scale.cluster import Cluster, each
from training.scale.history import ROWS_OF_A_BUCKET, Exchange, Lines
from training.scale.parts import Part, begin, parts_of, whole

Places = npt.NDArray[np.int64]

RECORD: Final = "_work.json"  # what the parts of a folder are scores of; parquet readers pass over it
EXCHANGE: Final = "_exchange"


@dataclass(frozen=True, slots=True)
class Work:
    """What is scored, by which model, to where.

    Parameters
    ----------
    table : str
        The name of the table, for refusals.
    digest : str
        What the model has learned: workers that live on may hold an earlier model of the same folder.
    out : Path
        The folder of the parts.
    """

    table: str
    parts: tuple[Part, ...]
    meaning: Mapping
    model: Path
    digest: str
    out: Path

    @classmethod
    def of(cls, table: Path, *, mapping: Path | None, model: Path, out: Path) -> Work:
        """Look at a table, its mapping file and the folder of a model."""
        meaning = read_mapping(mapping) if mapping else Mapping()
        return cls(table.name, tuple(parts_of(table)), meaning, model, card(model)["digest"], out)

    @property
    def exchange(self) -> Exchange:
        """Where batches tell each other of the past."""
        total = sum(part.rows for part in self.parts)
        names = _history_of(_model(self.model, self.digest))
        return Exchange(
            self.out / EXCHANGE, names, self.parts[-1].batches.stop, max(1, -(-total // ROWS_OF_A_BUCKET))
        )

    def target(self, part: Part) -> Path:
        """Where the scores of a part go."""
        return self.out / part.name

    def tables(self, part: Part) -> Iterator[tuple[int, Table, Places]]:
        """Read the batches of a part: number, canonical columns, and the rows' places in the whole table."""
        for batch, frame in part.read():
            yield batch, *part_of(frame, self.meaning, file=self.table)


def score(work: Work, client: Client) -> int:
    """Score every part that has no scores yet; how many rows there are in all.

    Raises
    ------
    BadInputError
        About the table, before any part is written; or if the folder holds scores of something else.
    """
    _begin(work)
    missing = [part for part in work.parts if not work.target(part).exists()]
    if missing:
        exchange = work.exchange
        try:
            each(client, partial(_spread, work), work.parts, label="reading")
            _refuse(work, each(client, exchange.lines, range(exchange.buckets), label="lines"))
        except BadInputError:
            if len(missing) == len(work.parts):
                shutil.rmtree(work.out)
            raise
        pairs = [(entity, bucket) for entity in exchange.entities for bucket in range(exchange.buckets)]
        each(client, partial(_join, exchange), pairs, label="history")
        each(client, partial(_score, work), missing, label="scoring")
    shutil.rmtree(work.out / EXCHANGE, ignore_errors=True)
    return sum(pq.read_metadata(work.target(part)).num_rows for part in work.parts)


def merged(work: Work, out: Path) -> None:
    """Write all parts as one parquet or csv file, in order, and remove their folder."""
    if out.suffix == ".parquet":
        with whole(out) as written:
            for part in work.parts:
                with pq.ParquetFile(work.target(part)) as file:
                    for group in range(file.num_row_groups):
                        written.add(file.read_row_group(group))
    else:
        unfinished = out.with_name(f".{out.name}.partial")
        for place, part in enumerate(work.parts):
            found = pd.read_parquet(work.target(part))
            found.to_csv(unfinished, index=False, header=place == 0, mode="a" if place else "w")
        unfinished.replace(out)
    shutil.rmtree(work.out)


def _begin(work: Work) -> None:
    facts = {
        "model": work.digest,
        "mapping": repr(work.meaning),
        "parts": [[str(part.path), part.rows, part.path.stat().st_mtime_ns] for part in work.parts],
    }
    begin(work.out / RECORD, facts, another="scores of another table or model")


def _spread(work: Work, part: Part) -> None:
    exchange = work.exchange
    if all(exchange.is_spread(batch) for batch in part.batches):
        return
    for batch, table, places in work.tables(part):
        exchange.spread(batch, table, places)


def _join(exchange: Exchange, pair: tuple[str, int]) -> None:
    exchange.join(*pair)


def _score(work: Work, part: Part) -> None:
    task, model, exchange = card(work.model)["task"], _model(work.model, work.digest), work.exchange
    with whole(work.target(part)) as written:
        for batch, table, _ in work.tables(part):
            found = answers(task, model, exchange.gather(batch, table))
            lines = pa.array(table["return_line_id"], pa.string())
            written.add(
                pa.table({"return_line_id": lines, **{name: found[name].to_numpy() for name in found}})
            )


def _refuse(work: Work, found: list[Lines]) -> None:
    """Refuse a table without rows, and the first line that occurs twice in it."""
    if not sum(lines.count for lines in found):
        raise BadInputError(f"{work.table}: no row is left after `where` of the mapping file.")
    for again, first in sorted(pair for lines in found for pair in lines.again):
        line = _line(work, again)
        if line == _line(work, first):  # and not merely of the same hash
            raise BadInputError(
                f"{work.table}: column 'return_line_id', row {again + 1}: '{line}' occurs twice; "
                "a return line is one row."
            )


def _line(work: Work, place: int) -> str:
    """Read the id of the row at a place in the table."""
    (part,) = (one for one in work.parts if one.first_row <= place < one.first_row + one.rows)
    for _, table, places in work.tables(part):
        if place in places:
            return str(table["return_line_id"][places == place][0])
    raise AssertionError(place)


def _history_of(model: Any) -> tuple[str, ...]:
    """Return the aggregates that a model's features are made from."""
    views = model.bundle.views.values()
    used = {source for view in views for column in view.encoder.columns for source in column.sources}
    return tuple(name for name in HISTORY if name in used)


# Once a process: every part is scored by the same model.
@lru_cache(maxsize=1)
def _model(folder: Path, digest: str) -> Any:
    model = load(folder)
    assert model.digest == digest, "the model changed while a table was scored"
    return model


def in_parts(folder: Path, table: Path, mapping: Path | None, *, out: Path, at: Cluster) -> int:
    """Score a table of any size into a folder of parts, or by way of one into a file; how many rows."""
    parts = out.with_name(f".{out.name}.parts") if out.suffix else out
    work = Work.of(table, mapping=mapping, model=folder, out=parts)
    with at.client() as client:
        rows = score(work, client)
    if out.suffix:
        merged(work, out)
    return rows
