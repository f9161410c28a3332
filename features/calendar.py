"""Season, holidays and windows: what a date says about a return. Pure functions over arrays of dates."""

from __future__ import annotations

from calendar import month_abbr
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.datetime64]
Numbers = npt.NDArray[np.float64]

DAY = np.timedelta64(1, "D")
# 1970-01-01 was a Thursday; Monday is 0.
EPOCH_WEEKDAY = 3
DAYS_FROM_CHRISTMAS = 7  # 1969-12-25 to 1970-01-01
DAYS_PER_YEAR = 365.2425
MONTHS: Final = frozenset(name.lower() for name in month_abbr if name)
MOSTLY: Final = 0.9


def days(later: Times, earlier: Times) -> Numbers:
    """Return the days from `earlier` to `later` as fractions; missing where either is missing."""
    return (later - earlier) / DAY


def _days_since_epoch(times: Times) -> Numbers:
    return (times - np.datetime64(0, "us")) / DAY


def weekday(times: Times) -> Numbers:
    """Return the day of the week, Monday 0 to Sunday 6."""
    return (np.floor(_days_since_epoch(times)) + EPOCH_WEEKDAY) % 7


def season(times: Times) -> tuple[Numbers, Numbers]:
    """Return sine and cosine of the time of year, so that December lies beside January."""
    angle = _days_since_epoch(times) * (2 * np.pi / DAYS_PER_YEAR)
    return np.sin(angle), np.cos(angle)


def days_since_christmas(times: Times) -> Numbers:
    """Return the days since the last 25 December: the wave of returned gifts falls in the first forty."""
    return (_days_since_epoch(times) + DAYS_FROM_CHRISTMAS) % DAYS_PER_YEAR


def within(times: Times, *, start: Times | Any, end: Times | Any) -> npt.NDArray[np.bool_]:
    """Tell which times lie in the half-open window [start, end); a missing bound or time is outside."""
    return np.asarray((times >= start) & (times < end))


def names_months(values: npt.NDArray[Any]) -> bool:
    """Tell whether nearly all the distinct values are names of months: a calendar in disguise."""
    distinct = {value for value in values if value is not None}
    months = sum(isinstance(value, str) and value[:3].lower() in MONTHS for value in distinct)
    return bool(distinct) and months >= MOSTLY * len(distinct)
