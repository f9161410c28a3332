"""Issued forecasts, planners' overrides, accuracy so far, and the labour plan."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BeforeValidator, Field

from ledger.chain import NotInLedgerError
from ledger.forecasts import ForecastRow, Override
from ledger.schema.registers import QUANTITIES
from ledger.store import Transaction
from serving.access import Action
from serving.api.dependencies import Answer, Doors, IdempotencyKey, digest, once, permit
from serving.api.wire import Filter, Note, Text, Wire
from serving.auth import Caller
from serving.contract import records
from serving.contract.body import StrictRoute
from serving.operations import planning, tables
from serving.operations.issuing import paths_of
from serving.runtime import Runtime
from serving.stamps import iso, new_id

router = APIRouter(prefix="/v1", tags=["forecasts"], route_class=StrictRoute)
LONGEST_OPEN: Final = timedelta(days=90)  # what was received longer ago is no backlog but lost
Reader = Annotated[Caller, permit(Action.FORECAST_READ)]
Planner = Annotated[Caller, permit(Action.FORECAST_OVERRIDE)]
LaborReader = Annotated[Caller, permit(Action.LABOR)]


def _calendar_day(value: object) -> object:
    if isinstance(value, str) and len(value) == len("2026-11-20"):
        return value
    raise ValueError("must be a day such as 2026-11-20")


CalendarDay = Annotated[date, BeforeValidator(_calendar_day)]
Cell = Annotated[Filter, Query()]
From = Annotated[CalendarDay | None, Query(alias="from")]
To = Annotated[CalendarDay | None, Query()]
Accept = Annotated[str, Header(include_in_schema=False)]


class OverrideRequest(Wire):
    """A planner's own figure for one cell, and why."""

    issue: Text
    region: Text
    family: Text
    ds: CalendarDay
    value: Annotated[float, Field(strict=True, ge=0, le=1e9, allow_inf_nan=False)]
    reason: Annotated[Note, Field(min_length=1)]


Change = Annotated[float | None, Field(gt=0, le=1e9, allow_inf_nan=False)]


class LaborQuestion(Wire):
    """Which plan, and what if: a site parameter given here replaces the site's own for this answer."""

    site: Text
    start: Annotated[CalendarDay | None, Field(alias="from")] = None
    to: CalendarDay | None = None
    issue: Annotated[str | None, Field(max_length=200)] = None
    service_level: Annotated[float | None, Field(ge=0.5, le=0.95)] = None
    by: Literal["day", "shift", "hour"] = "day"
    backlog: Annotated[int | None, Field(ge=0, le=10_000_000)] = None
    allowance: Annotated[float | None, Field(ge=0, le=10)] = None
    utilisation: Annotated[float | None, Field(gt=0, le=1)] = None
    shift_hours: Annotated[float | None, Field(gt=0, le=24)] = None
    units_per_truck: Change = None
    peak: Change = None
    open_minutes: Annotated[float | None, Field(gt=0, le=1440)] = None
    turn_minutes: Change = None
    door_utilisation: Annotated[float | None, Field(gt=0, le=1)] = None
    redundancy: Annotated[float | None, Field(ge=0, le=10)] = None
    dwell_days: Annotated[float | None, Field(ge=0, le=365)] = None
    units_per_pallet: Change = None
    fill: Annotated[float | None, Field(gt=0, le=1)] = None
    short_cost: Change = None
    idle_cost: Change = None

    @property
    def changes(self) -> dict[str, float]:
        """The site parameters that this question changes."""
        given = self.model_dump(include=set(planning.PARAMETERS), exclude_none=True)
        return {name: float(value) for name, value in given.items()}


@router.get("/forecasts", summary="One issue's rows", response_model=records.Forecast)
def forecasts(
    doors: Doors,
    caller: Reader,
    region: Cell = None,
    family: Cell = None,
    start: From = None,
    to: To = None,
    issue: Cell = None,
    versus: Cell = None,
    accept: Accept = "application/json",
) -> Response:
    """The latest issue unless one is named, with the planners' overrides beside it.

    With `versus`, every row also tells what that other issue says of its cell, as `versus_mean`, `versus_q10`
    and so on; null where it says nothing.
    """
    with doors.ledger.read() as tx:
        heading = tx.forecast_issue(issue)
        rows = tx.forecast(issue=issue, region=region, family=family, from_=start, to=to)
        changed = tx.overrides(region=region, family=family, from_=start, to=to)
        other = tx.forecast(issue=versus, region=region, family=family, from_=start, to=to) if versus else ()
    name = heading.id if heading else None
    own = [wire_override(one) for one in changed if one.issue == name]
    body = [{**asdict(row), "ds": row.ds.isoformat(), "issue": name} for row in rows]
    told: dict[str, Any] = {"issue": name, "overrides": own}
    if versus:
        said = {(row.region, row.family, row.ds): row for row in other}
        for cell, row in zip(body, rows, strict=True):
            beside = said.get((row.region, row.family, row.ds))
            cell |= {f"versus_{figure}": getattr(beside, figure, None) for figure in QUANTITIES}
        told["versus"] = versus
    return tables.answer(body, accept=accept, name="forecast", extra=told)


@router.get("/forecasts/issues", summary="What was issued when", response_model=records.Issues)
def issues(doors: Doors, caller: Reader) -> dict[str, Any]:
    """Headings of all issues, newest first."""
    with doors.ledger.read() as tx:
        found = tx.forecast_issues()
    items = [
        {**asdict(one), "as_of": iso(one.as_of), "at": iso(one.at), "meta": dict(one.meta)} for one in found
    ]
    return {"items": items}


@router.post(
    "/forecasts/overrides",
    status_code=201,
    summary="Put an own figure beside the forecast",
    response_model=records.OverrideOut,
)
def override(doors: Doors, caller: Planner, key: IdempotencyKey, body: OverrideRequest) -> JSONResponse:
    """Record a figure with its author and reason; the forecast itself never changes."""

    def work(tx: Transaction) -> Answer:
        if not tx.forecast(
            issue=body.issue, region=body.region, family=body.family, from_=body.ds, to=body.ds
        ):
            raise NotInLedgerError("that issue has no such cell; GET /v1/forecasts lists what it has.")
        new = Override(
            new_id("ovr"),
            body.issue,
            body.region,
            body.family,
            body.ds,
            body.value,
            body.reason,
            caller.subject,
            doors.now(),
        )
        tx.add_override(new)
        return Answer(201, wire_override(new))

    return once(doors, caller, key, digest("override", body), work).response()


@router.get("/forecasts/accuracy", summary="Forecast against what came", response_model=records.Accuracy)
def accuracy(
    doors: Doors, caller: Reader, issue: Cell = None, region: Cell = None, family: Cell = None
) -> dict[str, Any]:
    """WAPE and coverage of an issue over the days that have passed.

    Over all cells of the lowest level, unless `region` or `family` chooses: `*` is the total of either.
    """
    today = doors.now().date()
    with doors.ledger.read() as tx:
        heading = tx.forecast_issue(issue)
        found = tx.forecast(issue=issue, region=region, family=family, to=today - timedelta(days=1))
        rows = [row for row in found if _is_asked(row, region, family)]
        came = actuals(tx, min(row.ds for row in rows), today) if rows else {}
    scored = [(row, came.get((row.region, row.family, row.ds), 0)) for row in rows]
    return {"issue": heading.id if heading else None, **planning.accuracy(scored)}


def _is_asked(row: ForecastRow, region: str | None, family: str | None) -> bool:
    """Whether a row is of the lowest level, but for the levels that were named."""
    return (region is not None or row.region != planning.ALL) and (
        family is not None or row.family != planning.ALL
    )


def actuals(tx: Transaction, start: date, before: date) -> Counter[tuple[str, str, date]]:
    """Count the lines that were asked back from `start` up to the day `before`, by region, family and day.

    `*` stands for all regions or families, as in a forecast.
    """
    came: Counter[tuple[str, str, date]] = Counter()
    for one in tx.volumes(datetime.combine(start, time(), UTC), datetime.combine(before, time(), UTC)):
        for region in (one.region, planning.ALL):
            for family in (one.family, planning.ALL):
                came[region, family, one.day] += one.lines
    return came


@dataclass(frozen=True, slots=True)
class Labor:
    """A site's plan as asked for; `told` is what goes with its rows."""

    plan: planning.SitePlan
    demand: planning.Demand
    level: float
    told: dict[str, Any]

    def rows(self, by: str) -> list[dict[str, Any]]:
        """One row a day, a shift or an hour."""
        return planning.labor_rows(self.plan, self.demand, service_level=self.level, by=by)


@router.get("/labor-plan", summary="Hands, doors and positions", response_model=records.LaborPlan)
def labor_plan(
    doors: Doors,
    caller: LaborReader,
    asked: Annotated[LaborQuestion, Query()],
    accept: Accept = "application/json",
) -> Response:
    """What the latest forecast needs at a site, by day, shift or hour, at a service level.

    Sample paths of the issue are the basis where it has them; inspection work that lies there is carried over
    to the first day. Any site parameter can be changed for this answer alone.
    """
    labor = labor_of(doors, asked)
    return tables.answer(labor.rows(asked.by), accept=accept, name="labor-plan", extra=labor.told)


def labor_of(doors: Runtime, asked: LaborQuestion) -> Labor:
    """The labour plan that is asked for."""
    home = doors.settings.home
    with doors.ledger.read() as tx:
        reference = tx.reference("sites", asked.site)
        body = dict(reference.body) if reference else {}
        heading = tx.forecast_issue(asked.issue)
        plan = planning.site_plan(body, asked.site, file=doors.settings.sites_file).changed(asked.changes)
        rows = tx.forecast(issue=asked.issue, region=plan.region, from_=asked.start, to=asked.to)
        waiting = _waiting(tx, asked.site, doors.now()) if asked.backlog is None else asked.backlog
    paths = heading and paths_of(heading, home=home, region=plan.region, start=asked.start, to=asked.to)
    if paths:
        demand = planning.demand_of_paths(plan, paths, doors.champions, seed=0)
    else:
        demand = planning.demand_of_rows(plan, rows, doors.champions)
    level = asked.service_level or plan.site.service_level
    told = {
        "site": asked.site,
        "service_level": level,
        "issue": heading.id if heading else None,
        "basis": "paths" if paths else "quantiles",
        "backlog": waiting,
        "changed": asked.changes,
        "capacity": dict(plan.capacity),
    }
    return Labor(plan, replace(demand, backlog=waiting), level, told)


def _waiting(tx: Transaction, site: str, now: datetime) -> int:
    kinds = (planning.RECEIVED, *planning.DONE)
    return planning.backlog(tx.events_between(now - LONGEST_OPEN, now, types=kinds, site=site))


def wire_override(one: Override) -> dict[str, Any]:
    """An override as it is answered."""
    return {**asdict(one), "ds": one.ds.isoformat(), "at": iso(one.at)}
