"""From an issued forecast to a site's labour plan, and to how well the forecast has done so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import yaml

from features.events import Event, EventType
from features.returns import BadInputError, RecoupError
from ledger.forecasts import ForecastRow
from models import staffing
from serving.operations.issuing import Paths
from serving.runtime import Champions

LEVELS: Final = (0.10, 0.50, 0.80, 0.90, 0.95)
MINUTES_UNKNOWN: Final = 10.0  # minutes a unit; planning default where no workload model is there
ALL: Final = "*"
EVENLY: Final = 1000  # futures that stand for the quantiles where there are no sample paths
HAD: Final = ("dock_doors", "storage_positions")  # what a site's master data may say that there is
PARAMETERS: Final = tuple(one.name for one in fields(staffing.Site))
RECEIVED: Final = EventType.RECEIPT_CONFIRMED
DONE: Final = frozenset({EventType.INSPECTION_COMPLETED, EventType.DISPOSITION_EXECUTED})
Shares = Mapping[str, float]


class SiteUnknownError(RecoupError):
    """No master data about the site."""

    status = 404
    code = "site_unknown"
    hint = 'Tell its region first: PUT /v1/reference/sites/{id} {"region": "US-SOUTH"}.'


@dataclass(frozen=True, slots=True)
class SitePlan:
    """What planning knows of a site.

    Parameters
    ----------
    share : float
        Share of the region's returns that comes here.
    shifts, arrivals : mapping of str to float
        Shares of the day's work by shift, and of its units by the hour.
    capacity : mapping of str to int
        Dock doors and storage positions that there are, where the master data say so.
    """

    name: str
    region: str
    share: float
    site: staffing.Site
    shifts: Shares
    arrivals: Shares
    capacity: Mapping[str, int] = field(default_factory=dict)

    def changed(self, changes: Mapping[str, float]) -> SitePlan:
        """Answer what if: the same site with other parameters."""
        return replace(self, site=replace(self.site, **changes))


@dataclass(frozen=True, slots=True)
class Demand:
    """What may come to a site, and what lies there.

    Parameters
    ----------
    days : tuple of str
        ISO days.
    paths : ndarray of shape (paths, families, days), int64, units
    work : staffing.Work
    backlog : int
        Units received and not inspected when the plan was made.
    """

    days: tuple[str, ...]
    paths: npt.NDArray[np.int64]
    work: staffing.Work
    backlog: int = 0

    @property
    def backlog_minutes(self) -> float:
        """Minutes of inspection that lie there: units of the forecast's mean mix."""
        volume = self.paths.mean((0, 2))
        mean = np.average(self.work.mean, weights=volume) if volume.sum() else self.work.mean.mean()
        return self.backlog * float(mean)


def site_plan(body: Mapping[str, Any], name: str, *, file: Path) -> SitePlan:
    """Read a site's planning parameters: the file's defaults, the file's site, then its master data.

    Raises
    ------
    SiteUnknownError
        If the region is not known.
    BadInputError
        If a parameter is no positive number.
    """
    told = yaml.safe_load(file.read_text())
    known = {**told["default"], **(told.get("sites") or {}).get(name, {}), **body}
    region = known.get("region")
    if not isinstance(region, str):
        raise SiteUnknownError("the region of this site is not known.")
    numbers = {each: known[each] for each in (*PARAMETERS, "share") if each in known}
    for parameter, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadInputError(
                f"{parameter} of site {name} is no number; correct it in /v1/reference/sites."
            )
    share = float(numbers.pop("share", 1.0))
    if not 0 <= share <= 1:
        raise BadInputError(f"share of site {name} is {share}; it must lie between 0 and 1.")
    there = {what: known[what] for what in HAD if isinstance(known.get(what), int)}
    return SitePlan(name, region, share, staffing.Site(**numbers), known["shifts"], known["arrivals"], there)


def work_of(families: Sequence[str], champions: Champions) -> staffing.Work:
    """Inspection minutes of a unit of each family, as the workload model tells their distribution."""
    if champions.workload is None or not families:
        return staffing.Work(np.full(len(families), MINUTES_UNKNOWN), np.zeros(len(families)))
    said = champions.workload.predict({"family": np.array(families, object)})
    return staffing.Work.of_quantiles(said.p50, said.p90)


def demand_of_paths(plan: SitePlan, paths: Paths, champions: Champions, *, seed: int) -> Demand:
    """Take the site's share of the region's sample paths, unit by unit."""
    drawn = np.random.default_rng(seed).binomial(paths.values, plan.share)
    return Demand(paths.days, drawn, work_of(paths.families, champions))


def demand_of_rows(plan: SitePlan, rows: Sequence[ForecastRow], champions: Champions) -> Demand:
    """Read futures off the quantiles of the region's total, where an issue came without sample paths.

    The day's units are a quantile of the total, never a sum of quantiles; the families' means only weigh the
    minutes.
    """
    totals = sorted((row for row in rows if row.family == ALL), key=lambda row: row.ds)
    parts = [row for row in rows if row.family != ALL]
    families = sorted({row.family for row in parts})
    work = work_of(families, champions)
    volume = np.array([sum(row.mean for row in parts if row.family == family) for family in families])
    mean = float(np.average(work.mean, weights=volume)) if volume.sum() else MINUTES_UNKNOWN
    chances = (np.arange(EVENLY) + 0.5) / EVENLY
    quantiles = [(row.q10, row.q50, row.q80, row.q90, row.q95) for row in totals]
    futures = [np.interp(chances, LEVELS, each) * plan.share for each in quantiles]
    paths = np.round(np.array(futures).reshape(len(totals), EVENLY)).astype(np.int64).T[:, None, :]
    days = tuple(row.ds.isoformat() for row in totals)
    return Demand(days, paths, staffing.Work(np.array([mean]), np.zeros(1)))


def backlog(events: Sequence[Event]) -> int:
    """Count the lines that were received and not inspected since."""
    received = {event.subject for event in events if event.type == RECEIVED}
    return len(received - {event.subject for event in events if event.type in DONE})


def labor_rows(plan: SitePlan, demand: Demand, *, service_level: float, by: str) -> list[dict[str, Any]]:
    """One row a day, a shift or an opening hour: units at the service level, and what they need."""
    if not demand.days:
        return []
    days = staffing.plan(
        demand.paths,
        demand.work,
        site=plan.site,
        service_level=service_level,
        backlog=demand.backlog_minutes,
        rng=np.random.default_rng(0),
    )
    spread = {"day": _day_rows, "shift": _shift_rows, "hour": _hour_rows}[by]
    return [
        {"site": plan.name, "ds": ds, **row}
        for ds, day in zip(demand.days, days, strict=True)
        for row in spread(plan, day)
    ]


def _day_rows(_: SitePlan, day: staffing.Plan) -> list[dict[str, Any]]:
    return [
        {
            "units": float(day.units),
            "hours": round(day.hours, 2),
            "heads": day.heads,
            "dock_doors": day.doors,
            "storage_positions": day.positions,
        }
    ]


def _shift_rows(plan: SitePlan, day: staffing.Plan) -> list[dict[str, Any]]:
    return [
        {"shift": shift, "hours": round(hours, 2), "heads": staffing.heads(hours, site=plan.site)}
        for shift, hours in staffing.divided(day.hours, plan.shifts).items()
    ]


def _hour_rows(plan: SitePlan, day: staffing.Plan) -> list[dict[str, Any]]:
    return [
        {
            "hour": hour,
            "units": round(units, 2),
            "dock_doors": staffing.doors_in_an_hour(units, site=plan.site),
        }
        for hour, units in staffing.divided(float(day.units), plan.arrivals).items()
    ]


def accuracy(scored: Sequence[tuple[ForecastRow, int]]) -> dict[str, Any]:
    """WAPE of the median, bias of the mean and coverage of P10-P90 over cells that have passed."""
    total = sum(came for _, came in scored)
    if not scored:
        return {"cells": 0, "wape": None, "bias": None, "coverage_80": None}
    error = sum(abs(row.q50 - came) for row, came in scored)
    bias = sum(row.mean - came for row, came in scored)
    inside = sum(row.q10 <= came <= row.q90 for row, came in scored)
    return {
        "cells": len(scored),
        "wape": error / total if total else None,
        "bias": bias / total if total else None,
        "coverage_80": inside / len(scored),
    }
