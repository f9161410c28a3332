"""Return lines and sales of a table become a panel of volumes, and the panel a forecast."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from features.mapping import Loaded, load
from features.returns import BadInputError
from models import volume
from training.forecasting.daysoff import with_days_off


def panel_of(
    data: Path | None, mapping: Path | None, *, freq: str, levels: Sequence[str] | None
) -> volume.Panel:
    """Read a table of returns, and the sales it names, as a panel.

    Parameters
    ----------
    levels : sequence of str, optional
        Level columns; the mapping's own by default.

    Raises
    ------
    BadInputError
        If the table has no time or lacks a level; it names file and column.
    """
    return panel_in(load(data, mapping, purpose="volume"), freq=freq, levels=levels)


def panel_in(loaded: Loaded, *, freq: str, levels: Sequence[str] | None = None) -> volume.Panel:
    """Count the lines of a loaded table, beside the sales that come with it."""
    names = tuple(levels if levels is not None else loaded.mapping.levels)
    for name in ("requested_at", *names):
        if name not in loaded.frame:
            raise BadInputError(
                f"{loaded.source}: there is no column '{name}'; rename or derive it in the mapping file, "
                "or name other --levels."
            )
    lines = loaded.frame.assign(counts=loaded.counts)
    counted = volume.tally(lines, levels=names, time="requested_at", quantity="counts", freq=freq)
    sold = _sold(loaded, names, freq)
    found = with_days_off(volume.panel(counted, levels=names, freq=freq, sales=sold))
    if sold is None or loaded.sales is None:
        return found
    channels: list[str] = []
    if _same_channels(lines, loaded.sales):
        found, channels = volume.with_channels(found, loaded.sales, time="sold_at", quantity="quantity")
    known = _with_sale(lines, loaded.sales)
    return volume.with_lags(found, known, time="requested_at", sold="sold_at", channels=channels)


def forecast_of(panel: volume.Panel, *, horizon: int, seed: int) -> volume.Forecast:
    """Fit on all that is known and draw what follows; the same panel and seed give the same paths."""
    rng = np.random.default_rng(seed)
    return volume.fit(panel, horizon=horizon, rng=rng).predict(panel, horizon=horizon, rng=rng)


def _sold(loaded: Loaded, levels: tuple[str, ...], freq: str) -> pd.DataFrame | None:
    if loaded.sales is None or loaded.sales.empty:
        return None
    shared = [name for name in levels if name in loaded.sales]
    return volume.tally(loaded.sales, levels=shared, time="sold_at", quantity="quantity", freq=freq)


def _same_channels(lines: pd.DataFrame, sales: pd.DataFrame) -> bool:
    """Whether every return names a channel by which things are sold; else channels are left out."""
    if volume.CHANNEL not in lines or volume.CHANNEL not in sales:
        return False
    return bool(lines[volume.CHANNEL].isin(sales[volume.CHANNEL].dropna().unique()).all())


def _with_sale(lines: pd.DataFrame, sales: pd.DataFrame) -> pd.DataFrame:
    """Find the sale of a return that names none: the customer's last purchase of the product before it."""
    keys = ["customer_id", "sku"]
    if "sold_at" in lines or not all(name in table for table in (lines, sales) for name in keys):
        return lines if "sold_at" in lines else lines.assign(sold_at=pd.Series(pd.NaT, index=lines.index))
    known = lines.dropna(subset=[*keys, "requested_at"]).sort_values("requested_at")
    # A join by time wants one clock on both sides.
    clock = (
        pd.to_datetime(sales["sold_at"], utc=True).dt.tz_localize(None).astype(lines["requested_at"].dtype)
    )
    sold = sales.assign(sold_at=clock).dropna(subset=[*keys, "sold_at"]).sort_values("sold_at")
    return pd.merge_asof(
        known,
        sold[[*keys, "sold_at"]],
        left_on="requested_at",
        right_on="sold_at",
        by=keys,
        direction="backward",
    )
