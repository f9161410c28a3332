"""The labour plan: heads and hours by day and shift, doors and storage against what there is, and what if."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from babel.dates import format_skeleton
from fastapi import APIRouter, Query, Request, Response
from pydantic import ValidationError

from features.returns import BadInputError, RecoupError
from serving import auth
from serving.access import Action
from serving.api import forecasts
from serving.api.dependencies import Doors
from serving.api.forecasts import Labor, LaborQuestion
from serving.auth import Caller
from serving.errors import ProblemError
from serving.operations.planning import HAD
from serving.runtime import Runtime
from serving.web.boards.forecast import KINDS
from serving.web.charts import Chart, chart, picture
from serving.web.formats import written_day
from serving.web.problems import PageRoute
from serving.web.rendering import page
from serving.web.visitors import Anyone, Visitor, signed_in

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Caller, signed_in(Action.LABOR)]
MOST_SITES: Final = 8  # planned at once in the table of sites
NAMES: Final = {"dock_doors": "Dock doors", "storage_positions": "Storage positions"}


@dataclass(frozen=True, slots=True)
class Change:
    """A parameter that a planner can change for one look: its name in words, unit, and step."""

    name: str
    label: str
    hint: str
    step: str = "any"


CHANGES: Final = (
    Change("backlog", "Backlog", "units that lie there", "1"),
    Change("allowance", "Allowance", "share of time for rest and delay"),
    Change("utilisation", "Utilisation", "share of paid time spent on returns"),
    Change("shift_hours", "Shift", "productive hours of one person a day"),
    Change("units_per_truck", "Units a truck", "units"),
    Change("turn_minutes", "Truck at a door", "minutes"),
    Change("open_minutes", "Dock is open", "minutes a day"),
    Change("redundancy", "Spare doors", "share held on top"),
    Change("dwell_days", "Dwell", "days from receipt until the unit leaves"),
    Change("units_per_pallet", "Units a pallet", "units"),
    Change("fill", "Fill", "share of positions that can be filled"),
)


@dataclass(frozen=True, slots=True)
class Totals:
    """A plan in a few figures."""

    days: int
    hours: float
    peak_heads: int
    peak: Mapping[str, int]
    short: Mapping[str, int]  # days on which more is needed than there is

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]], capacity: Mapping[str, int]) -> Totals:
        """Sum up the rows of a plan by day."""
        peak = {what: max((row[what] for row in rows), default=0) for what in HAD}
        short = {what: sum(row[what] > limit for row in rows) for what, limit in capacity.items()}
        heads = max((row["heads"] for row in rows), default=0)
        return cls(len(rows), sum(row["hours"] for row in rows), heads, peak, short)


@router.get("/labor")
def labor(request: Request, doors: Doors, caller: Reader, visitor: Anyone) -> Response:
    """The plan of one site, and all sites in a table; every parameter can be changed for this look."""
    sites = _sites(doors, caller)
    given = {name: text for name, text in request.query_params.items() if text.strip()}
    name = given.setdefault("site", sites[0] if sites else "")
    if not name:
        return page(request, "labor.html", {"sites": (), "found": None, "said": "", "given": given})
    auth.check_site(caller, name)
    shown: dict[str, Any] = {"sites": sites, "given": given, "found": None, "changes": CHANGES, "said": ""}
    try:
        asked = _asked(given)
        found, usual = forecasts.labor_of(doors, asked), forecasts.labor_of(doors, _asked({"site": name}))
    except (BadInputError, ProblemError) as error:
        return page(request, "labor.html", shown | {"said": f"{error} {error.hint}"}, status=error.status)
    days, before = found.rows("day"), usual.rows("day")
    shown |= {
        "found": found,
        "asked": asked,
        "usual": usual,
        "days": days,
        "shifts": _by_day(found.rows("shift")),
        "totals": Totals.of(days, found.plan.capacity),
        "before": Totals.of(before, usual.plan.capacity),
        "changed": bool(found.told["changed"]) or found.level != usual.level or asked.backlog is not None,
        "charts_by": _charts(found, visitor, given) if days else {},
        "all_sites": list(_every(doors, sites)) if len(sites) > 1 else [],
        "names": NAMES,
        "query": urlencode({**given, "site": name}),
    }
    return page(request, "labor.html", shown)


@router.get("/labor/chart/{what}/{width}.svg")
def labor_picture(
    request: Request, doors: Doors, caller: Reader, visitor: Anyone, what: str, width: str
) -> Response:
    """One chart of a plan as a picture, for browsers without scripts."""
    given = {name: text for name, text in request.query_params.items() if text.strip()}
    auth.check_site(caller, given.get("site", ""))
    charts = _charts(forecasts.labor_of(doors, _asked(given)), visitor, given)
    if what not in charts:
        raise ProblemError(404, "unknown_chart", f"There are charts of {', '.join(charts)}.")
    return picture(charts[what].spec, width=width)


@router.get("/labor/download")
def download(
    request: Request,
    doors: Doors,
    caller: Reader,
    kind: Annotated[str, Query(alias="format", pattern="^(csv|xlsx)$")],
) -> Response:
    """The plan's rows as the API answers them."""
    given = {name: text for name, text in request.query_params.items() if text.strip() and name != "format"}
    auth.check_site(caller, given.get("site", ""))
    return forecasts.labor_plan(doors, caller, _asked(given), accept=KINDS[kind])


def _sites(doors: Runtime, caller: Caller) -> list[str]:
    with doors.ledger.read() as tx:
        known = [one.id for one in tx.references("sites")]
    return sorted(name for name in known if not caller.sites or name in caller.sites)


def _asked(given: Mapping[str, str]) -> LaborQuestion:
    try:
        return LaborQuestion.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        place = str(first["loc"][0]).replace("_", " ") if first["loc"] else "the question"
        raise ProblemError(422, "labor_question", f"{place.capitalize()}: {first['msg'].lower()}.") from error


def _by_day(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["ds"], []).append(row)
    return found


def _charts(found: Labor, visitor: Visitor, given: Mapping[str, str]) -> dict[str, Chart]:
    """Hours by shift, and doors and positions against what there is."""
    locale, days = visitor.locale, found.rows("day")
    labels = {row["ds"]: _label(row["ds"], visitor) for row in days}
    query = urlencode(given)
    shifts = list(found.plan.shifts)
    hours = [
        {**row, **labels[row["ds"]], "shift": row["shift"].capitalize(), "place": shifts.index(row["shift"])}
        for row in found.rows("shift")
    ]
    total, most = sum(row["hours"] for row in days), max((row["heads"] for row in days), default=0)
    drawn = {
        "hours": chart(
            "hours",
            hours,
            says=f"Labour hours by day and shift at {found.plan.name}: {total:,.0f}, at most {most} heads.",
            locale=locale,
            picture=f"/labor/chart/hours/{{}}.svg?{query}",
        )
    }
    for what, name in NAMES.items():
        limit = found.plan.capacity.get(what)
        rows = [{**labels[row["ds"]], "need": row[what], "limit": limit} for row in days]
        marks = [] if limit is None else [{"limit": limit, "name": f"{limit:,} there are"}]
        peak = max((row[what] for row in days), default=0)
        against = "no capacity is known" if limit is None else f"{limit} there are"
        drawn[what] = chart(
            "capacity",
            rows,
            says=f"{name} needed by day at {found.plan.name}: at most {peak}; {against}.",
            locale=locale,
            marks=marks,
            picture=f"/labor/chart/{what}/{{}}.svg?{query}",
        )
    return drawn


def _label(ds: str, visitor: Visitor) -> dict[str, str]:
    """A day in full, and short enough to stand under a bar."""
    return {
        "day": written_day(ds, visitor.locale),
        "label": str(format_skeleton("MMMd", date.fromisoformat(ds), locale=visitor.locale)),
    }


def _every(doors: Runtime, sites: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Every site's plan in one line; a site that cannot be planned says why."""
    for name in sites[:MOST_SITES]:
        try:
            found = forecasts.labor_of(doors, LaborQuestion(site=name))
        except RecoupError as error:
            yield {"name": name, "said": str(error)}
            continue
        yield {"name": name, "found": found, "totals": Totals.of(found.rows("day"), found.plan.capacity)}
