"""Public holidays of the regions of a panel, known and coming, by the `holidays` package."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from models.volume import Panel
from models.volume.free_days import country_of, public_holidays
from models.volume.model import LONGEST

LEVELS: Final = ("region", "country", "site")  # the first of them that a panel has tells where


def with_days_off(panel: Panel) -> Panel:
    """Add how many public holidays each series' region has in every period, as far as a forecast can reach.

    Days on which the weekend is off anyway do not count. A region that names no country has none.
    """
    at = next((panel.levels.index(level) for level in LEVELS if level in panel.levels), None)
    if at is None:
        return panel
    by_region = {name: _counted(panel, country_of(name)) for name in {key[at] for key in panel.keys}}
    return replace(panel, days_off=np.stack([by_region[key[at]] for key in panel.keys]))


def _counted(panel: Panel, country: str | None) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    periods = panel.periods(0, panel.length + LONGEST)
    if country is None:
        return np.zeros(len(periods))
    first, last = periods[0].start_time, periods[-1].end_time
    known = public_holidays(country, first.year, last.year)
    days = np.array([day for day in known if day.weekday() < 5], dtype="datetime64[D]")  # noqa: PLR2004
    starts = periods.start_time.to_numpy().astype("datetime64[D]")
    place = np.searchsorted(starts, days, side="right") - 1
    inside = (place >= 0) & (days <= np.datetime64(last.date()))
    return np.bincount(place[inside], minlength=len(periods)).astype(np.float64)
