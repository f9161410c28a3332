"""`recoup-lab forecast`: how many returns will arrive, for every node of the hierarchy, as one long file."""

from __future__ import annotations

from typing import Annotated

import typer

from models.volume.paths import paths_beside
from training.forecasting.history import forecast_of, panel_of
from training.options import (
    Data,
    Freq,
    Horizon,
    Levels,
    MappingFile,
    Out,
    Seed,
    names_of,
    writable,
    write_table,
)


def forecast(  # noqa: PLR0913 - a command line reads its options from the signature
    *,
    data: Data = None,
    mapping: MappingFile = None,
    horizon: Horizon = 28,
    freq: Freq = "D",
    levels: Levels = None,
    out: Out,
    paths: Annotated[bool, typer.Option(help="Write the sample paths beside it, as parquet.")] = True,
    seed: Seed = 0,
) -> None:
    """Forecast the periods after the last known one and write every node of the hierarchy.

    The sample paths lie beside it, for labour plans are read off them once the forecast is issued.
    """
    writable(out)
    panel = panel_of(data, mapping, freq=freq, levels=names_of(levels))
    found = forecast_of(panel, horizon=horizon, seed=seed)
    if paths:
        write_table(found.path_rows(), paths_beside(out))
    write_table(found.rows(), out)
    typer.echo(f"{len(found.keys)} series, {found.ds[0].date()} to {found.ds[-1].date()}: {out}")
