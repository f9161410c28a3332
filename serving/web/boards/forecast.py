"""The forecast: what was issued for a region and family, what came of it, and what was said before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from ledger.forecasts import ForecastIssue, ForecastRow, Override
from ledger.store import Transaction
from serving.access import Action
from serving.api import forecasts
from serving.api.dependencies import Doors
from serving.auth import Caller
from serving.operations import tables
from serving.operations.planning import ALL
from serving.runtime import Runtime
from serving.web.boards.calendar import Mark, marks_of
from serving.web.charts import Chart, chart, picture
from serving.web.formats import written_day
from serving.web.problems import PageRoute
from serving.web.rendering import page
from serving.web.visitors import Anyone, Visitor, signed_in

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Caller, signed_in(Action.FORECAST_READ)]
Place = Annotated[str, Query(max_length=200)]
BEFORE: Final = 28  # days of history left of the forecast
COMPARED: Final = 5  # issues whose accuracy is told
KINDS: Final = {"csv": tables.CSV, "xlsx": tables.XLSX}
QUANTILES: Final = ("q10", "q50", "q80", "q95")


@dataclass(frozen=True, slots=True)
class Outlook:
    """One series of an issue, as the page shows it.

    Attributes
    ----------
    cells : sequence of ForecastRow
        The issue's first day, which tells its regions and families.
    came : counter of day
        Lines asked back on each day that is over.
    """

    heading: ForecastIssue
    rows: Sequence[ForecastRow]
    cells: Sequence[ForecastRow]
    earlier: Mapping[date, float]
    came: Counter[date]
    marks: Sequence[Mark]
    overrides: Mapping[date, Override]
    today: date

    @property
    def days(self) -> list[date]:
        """The days shown, history before the forecast first."""
        first, last = self.rows[0].ds - timedelta(days=BEFORE), self.rows[-1].ds
        return [first + timedelta(days=place) for place in range((last - first).days + 1)]


@router.get("/forecast")
def forecast(  # the series and the issues to show
    request: Request,
    doors: Doors,
    caller: Reader,
    visitor: Anyone,
    region: Place = ALL,
    family: Place = ALL,
    issue: Place = "",
    versus: Place = "",
) -> Response:
    """The fan of one series with what came, the accuracy so far, other issues, and the table under it."""
    with doors.ledger.read() as tx:
        issues = tx.forecast_issues()
        found = _outlook(tx, issues, doors, (region, family, issue, versus)) if issues else None
    asked = {"region": region, "family": family, "issue": issue, "versus": versus}
    if found is None or not found.rows:
        return page(request, "forecast.html", {"issues": issues, "found": None, "asked": asked})
    shown = {
        "issues": issues,
        "found": found,
        "asked": asked,
        "regions": sorted({one.region for one in found.cells}),
        "families": sorted({one.family for one in found.cells}),
        "chart": _fan(found, visitor, asked),
        "table": list(_table(found)),
        "marks": found.marks,
        "compared": _compared(doors, caller, issues, asked),
        "query": urlencode({"region": region, "family": family, "issue": found.heading.id}),
    }
    return page(request, "forecast.html", shown)


@router.get("/forecast/chart/{width}.svg")
def forecast_picture(
    doors: Doors,
    caller: Reader,
    visitor: Anyone,
    width: str,
    region: Place = ALL,
    family: Place = ALL,
    issue: Place = "",
    versus: Place = "",
) -> Response:
    """The fan as a picture, for browsers without scripts."""
    with doors.ledger.read() as tx:
        found = _outlook(tx, tx.forecast_issues(), doors, (region, family, issue, versus))
    return picture(_fan(found, visitor, {}).spec, width=width)


@router.get("/forecast/download")
def download(
    doors: Doors,
    caller: Reader,
    kind: Annotated[str, Query(alias="format", pattern="^(csv|xlsx)$")],
    region: Place = "",
    family: Place = "",
    issue: Place = "",
) -> Response:
    """The rows as the API answers them, of the series shown or of the whole issue."""
    return forecasts.forecasts(
        doors,
        caller,
        region=region or None,
        family=family or None,
        issue=issue or None,
        accept=KINDS[kind],
    )


def _outlook(
    tx: Transaction, issues: Sequence[ForecastIssue], doors: Runtime, asked: tuple[str, str, str, str]
) -> Outlook:
    region, family, issue, versus = asked
    heading = tx.forecast_issue(issue or None)
    assert heading is not None
    rows = tx.forecast(issue=heading.id, region=region, family=family)
    if not rows:
        return Outlook(heading, (), (), {}, Counter(), (), {}, doors.now().date())
    first, last = rows[0].ds, rows[-1].ds
    other = tx.forecast(issue=versus, region=region, family=family) if versus else ()
    start, today = first - timedelta(days=BEFORE), doors.now().date()
    came = Counter[date]()
    for (place, kind, day), lines in forecasts.actuals(tx, start, min(today, last + timedelta(1))).items():
        if (place, kind) == (region, family):
            came[day] = lines
    own = tx.overrides(region=region, family=family, from_=first, to=last)
    return Outlook(
        heading,
        rows,
        tx.forecast(issue=heading.id, from_=first, to=first),
        {row.ds: row.q50 for row in other},
        came,
        marks_of(tx, region, start, last),
        {one.ds: one for one in own if one.issue == heading.id},
        today,
    )


def _fan(found: Outlook, visitor: Visitor, asked: Mapping[str, str]) -> Chart:
    said = {row.ds: row for row in found.rows}
    days = found.days
    rows = [
        {
            "ds": day.isoformat(),
            "next": (day + timedelta(days=1)).isoformat(),
            "day": written_day(day, visitor.locale),
            **{name: getattr(said[day], name) if day in said else None for name in QUANTILES},
            "versus": found.earlier.get(day),
            "actual": _came(found, day),
        }
        for day in days
    ]
    names = [{"ds": mark.day.isoformat(), "name": mark.name} for mark in found.marks if mark.is_drawn]
    picture = f"/forecast/chart/{{}}.svg?{urlencode({key: value for key, value in asked.items() if value})}"
    return chart("fan", rows, says=_says(found), locale=visitor.locale, marks=names, picture=picture)


def _came(found: Outlook, day: date) -> int | None:
    """Lines of a day that is over; a day without any had none, once lines have been seen at all."""
    if day >= found.today or not found.came or day < min(found.came):
        return None
    return found.came[day]


def _says(found: Outlook) -> str:
    total = sum(row.q50 for row in found.rows)
    return (
        f"Fan chart of issue {found.heading.id}: returns a day from {found.rows[0].ds} to "
        f"{found.rows[-1].ds}, medians adding up to about {total:,.0f}, with the range from P10 to P95"
        + (" and what came so far." if found.came else ".")
    )


def _table(found: Outlook) -> Iterator[dict[str, Any]]:
    names: dict[date, list[str]] = {}
    for mark in found.marks:
        names.setdefault(mark.day, []).append(mark.name)
    for row in found.rows:
        yield {
            "row": row,
            "actual": _came(found, row.ds),
            "versus": found.earlier.get(row.ds),
            "override": found.overrides.get(row.ds),
            "marks": names.get(row.ds, []),
        }


def _compared(
    doors: Runtime, caller: Caller, issues: Iterable[ForecastIssue], asked: Mapping[str, str]
) -> list[dict[str, Any]]:
    """How the newest issues, and those chosen, have done so far on the series shown."""
    chosen = {asked["issue"], asked["versus"]}
    shown = [one for place, one in enumerate(issues) if place < COMPARED or one.id in chosen]
    return [
        {
            "heading": one,
            **forecasts.accuracy(doors, caller, issue=one.id, region=asked["region"], family=asked["family"]),
        }
        for one in shown
    ]
