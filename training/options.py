"""What the commands of `recoup-lab` share: their options, and tables written whole or not at all."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import pandas as pd
import typer

from features.returns import BadInputError

WRITABLE: Final = (".csv", ".parquet")

Model = Annotated[str, typer.Argument(help="A task, a registered name@alias or name/version, or a folder.")]
Data = Annotated[
    Path | None, typer.Option(help="A csv, csv.gz or parquet table, or a folder of simulated history.")
]
MappingFile = Annotated[Path | None, typer.Option(help="What the table's columns mean (YAML).")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same result.")]
Date = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="UTC date or time.")
]
Out = Annotated[Path, typer.Option(help="The .csv or .parquet file to write.")]
Scheduler = Annotated[
    str | None, typer.Option(help="A Dask scheduler, such as tcp://10.0.0.7:8786; this machine by default.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on the last line.")]
Horizon = Annotated[int, typer.Option(help="Periods ahead, 1 to 90.")]
Freq = Annotated[str, typer.Option(help="D, W (from Monday), M or Q.")]
Levels = Annotated[
    str | None, typer.Option(help="Level columns, such as region,family; the mapping's by default.")
]


def names_of(levels: str | None) -> tuple[str, ...] | None:
    """Split `region,family`; nothing given leaves the choice to the mapping."""
    return None if levels is None else tuple(name.strip() for name in levels.split(",") if name.strip())


def writable(out: Path) -> Path:
    """Hand back a file that can be written; asked before the work, so that none is lost.

    Raises
    ------
    BadInputError
        If the file is of another kind, is a folder, or its folder does not exist.
    """
    if out.suffix not in WRITABLE:
        raise BadInputError(
            f"{out}: cannot write this kind of file; name a {' or '.join(WRITABLE)} file as --out."
        )
    if out.is_dir():
        raise BadInputError(f"{out}: this is a folder; name a file in it as --out.")
    if not out.parent.is_dir():
        raise BadInputError(f"{out}: there is no folder {out.parent}; make it first, or name another --out.")
    return out


def write_table(rows: pd.DataFrame, out: Path) -> None:
    """Write a csv or parquet file whole or not at all."""
    partial = out.with_name(f".{out.name}.partial")
    try:
        if out.suffix == ".csv":
            rows.to_csv(partial, index=False, date_format="%Y-%m-%d")
        else:
            rows.to_parquet(partial, index=False)
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
