"""`recoup-lab score`: a model's answers for every row of a table, larger than memory or not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from features.mapfile import Mapping, read_mapping
from features.mapping import load as load_table
from features.mapping import locate
from features.returns import BadInputError
from training.answers import answers, card, load
from training.named import folder_of, source_of
from training.options import Data, MappingFile, Model, Scheduler, writable, write_table
from training.scale.cluster import Cluster
from training.scale.parts import rows_of
from training.scale.scoring import in_parts
from training.settings import Settings


def score(
    model: Model,
    *,
    data: Data = None,
    mapping: MappingFile = None,
    out: Annotated[
        Path, typer.Option(help="The .csv or .parquet file to write, or a folder for parquet parts.")
    ],
    scheduler: Scheduler = None,
) -> None:
    """Answer every row of a table, in its order.

    A table of more rows than RECOUP_ROWS_AT_ONCE is scored in parts, on a cluster of local processes or at
    --scheduler; stopped, the same command continues with the parts that are missing.
    """
    if out.suffix:
        writable(out)
    folder = folder_of(model)
    facts = card(folder)
    if facts["task"] == "volume":
        raise BadInputError("volume answers no rows; use `recoup-lab forecast`.")
    source, meaning = source_of(facts, data, mapping)
    spec = read_mapping(meaning) if meaning else Mapping()
    table, settings = locate(source, meaning, spec.table), Settings()
    if scheduler or not out.suffix or rows_of(table) > settings.rows_at_once:
        at = Cluster(scheduler, settings.lab_workers)
        rows = in_parts(
            folder.resolve(),
            table.resolve(),
            meaning and meaning.resolve(),
            out=out.resolve(),
            at=at,
        )
    else:
        loaded = load_table(source, meaning, purpose="score")
        found = answers(facts["task"], load(folder), loaded.table)
        found.insert(0, "return_line_id", loaded.table["return_line_id"])
        write_table(found, out)
        rows = len(found)
    typer.echo(f"{rows} rows: {out}")
