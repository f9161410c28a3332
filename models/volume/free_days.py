"""Public holidays of a region's country, by the `holidays` package."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Final

import holidays
from holidays.registry import COUNTRIES

CODES: Final = {code: codes[1] for codes in COUNTRIES.values() for code in codes[1:3]} | {"UK": "GB"}
NAMES: Final = {name.replace("_", " "): codes[1] for name, codes in COUNTRIES.items()} | {"usa": "US"}


def country_of(region: str) -> str | None:
    """The country's two letters in a region such as US-SOUTH, DE, UK or France; None where it names none."""
    head = region.replace("_", "-").split("-")[0].strip()
    return CODES.get(head) or NAMES.get(region.strip().lower())


@lru_cache(maxsize=64)
def public_holidays(country: str, first: int, last: int) -> dict[date, str]:
    """The public holidays of a country in these years, both included, with their names."""
    return dict(holidays.country_holidays(country, years=range(first, last + 1)))
