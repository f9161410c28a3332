"""A specification and its rows become a chart, in words, numbers and days of the reader's locale."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

from babel import Locale

FOLDER: Final = Path(__file__).parent / "specs"
DAY: Final = "%-d %b"
MONTH_FIRST: Final = "%b %-d"

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart of a page.

    Attributes
    ----------
    spec : dict
        Vega-Lite, its rows included.
    says : str
        What it shows, for those who do not see it; its figures stand in a table beside it.
    picture : str
        Address of the same chart as a picture, for browsers that run no scripts.
    """

    spec: dict[str, Any]
    says: str
    picture: str = ""


def chart(name: str, rows: Rows, *, says: str, locale: Locale, marks: Rows = (), picture: str = "") -> Chart:
    """Fill the specification `name` with rows."""
    spec = deepcopy(_spec(name, _month_first(str(locale))))
    spec["datasets"] = {"rows": list(rows), "marks": list(marks)}
    spec["description"] = says
    spec["config"]["locale"] = _locale(str(locale))
    return Chart(spec, says, picture)


@cache
def _spec(name: str, month_first: bool) -> dict[str, Any]:  # noqa: FBT001  # a key of the cache
    text = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text.replace(DAY, MONTH_FIRST) if month_first else text)
    return found


@lru_cache(maxsize=64)
def _month_first(locale: str) -> bool:
    pattern = Locale.parse(locale).date_formats["medium"].pattern
    return pattern.index("M") < pattern.index("d") and not pattern.startswith("y")


@lru_cache(maxsize=64)
def _locale(name: str) -> dict[str, Any]:
    """Vega's description of a locale, by the Unicode consortium's data."""
    locale = Locale.parse(name)
    months, days = locale.months["format"], locale.days["format"]
    signs = locale.number_symbols["latn"]
    return {
        "number": {
            "decimal": signs["decimal"],
            "thousands": signs["group"],
            "grouping": [3],
            "currency": ["", ""],
        },
        "time": {
            "dateTime": "%x %X",
            "date": "%Y-%m-%d",
            "time": "%H:%M:%S",
            "periods": ["AM", "PM"],
            # Babel counts from Monday, Vega from Sunday.
            "days": [days["wide"][(place + 6) % 7] for place in range(7)],
            "shortDays": [days["abbreviated"][(place + 6) % 7] for place in range(7)],
            "months": [months["wide"][place] for place in range(1, 13)],
            "shortMonths": [months["abbreviated"][place].rstrip(".") for place in range(1, 13)],
        },
    }
