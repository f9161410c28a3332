"""`recoup-lab forecast`: how many returns will arrive, for every node of the hierarchy, as one long file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import numpy as np
import pandas as pd
import typer

from features.returns import BadInputError
from models import volume
from training.history import panel_of

WRITABLE: Final = (".csv", ".parquet")

Data = Annotated[
    Path | None, typer.Option(help="A csv, csv.gz or parquet table, or a folder of simulated history.")
]
MappingFile = Annotated[Path | None, typer.Option(help="What the table's columns mean (YAML).")]
Horizon = Annotated[int, typer.Option(help="Periods ahead, 1 to 90.")]
Freq = Annotated[str, typer.Option(help="D, W (from Monday), M or Q.")]
Levels = Annotated[
    str | None, typer.Option(help="Level columns, such as region,family; the mapping's by default.")
]
Seed = Annotated[int, typer.Option(help="The same seed gives the same numbers.")]


def forecast(  # noqa: PLR0913 - a command line reads its options from the signature
    *,
    data: Data = None,
    mapping: MappingFile = None,
    horizon: Horizon = 28,
    freq: Freq = "D",
    levels: Levels = None,
    out: Annotated[Path, typer.Option(help="The .csv or .parquet file to write.")],
    paths: Annotated[
        bool, typer.Option("--paths", help="Write the sample paths beside it, as parquet.")
    ] = False,
    seed: Seed = 0,
) -> None:
    """Forecast the periods after the last known one and write every node of the hierarchy."""
    if out.suffix not in WRITABLE:
        raise BadInputError(f"{out.name}: a forecast is written as {' or '.join(WRITABLE)}.")
    found = forecast_of(
        panel_of(data, mapping, freq=freq, levels=names_of(levels)), horizon=horizon, seed=seed
    )
    write_rows(found.rows(), out)
    if paths:
        write_rows(found.path_rows(), paths_beside(out))
    typer.echo(f"{len(found.keys)} series, {found.ds[0].date()} to {found.ds[-1].date()}: {out}")


def forecast_of(panel: volume.Panel, *, horizon: int, seed: int) -> volume.Forecast:
    """Fit on all that is known and draw what follows; the same panel and seed give the same paths."""
    rng = np.random.default_rng(seed)
    return volume.fit(panel, horizon=horizon, rng=rng).predict(panel, horizon=horizon, rng=rng)


def write_rows(rows: pd.DataFrame, out: Path) -> None:
    """Write a csv or parquet file whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.partial")
    if out.suffix == ".csv":
        rows.to_csv(partial, index=False, date_format="%Y-%m-%d")
    else:
        rows.to_parquet(partial, index=False)
    partial.replace(out)


def paths_beside(out: Path) -> Path:
    """Where the sample paths of a forecast file lie."""
    return out.with_name(f"{out.stem}.paths.parquet")


def names_of(levels: str | None) -> tuple[str, ...] | None:
    """Split `region,family`; nothing given leaves the choice to the mapping."""
    return None if levels is None else tuple(name.strip() for name in levels.split(",") if name.strip())
