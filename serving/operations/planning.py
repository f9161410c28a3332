"""From an issued forecast to a site's labour plan, and to how well the forecast has done so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np

from features.returns import BadInputError, RecoupError
from ledger.forecasts import ForecastRow
from models import staffing
from serving.runtime import Champions

LEVELS: Final = (0.10, 0.50, 0.80, 0.90, 0.95)
MINUTES_UNKNOWN: Final = 10.0  # minutes a unit; planning default where no workload model is there
ALL: Final = "*"


class SiteUnknownError(RecoupError):
    """No master data about the site."""

    status = 404
    code = "site_unknown"
    hint = 'Tell its region first: PUT /v1/reference/sites/{id} {"region": "US-SOUTH"}.'


@dataclass(frozen=True, slots=True)
class SitePlan:
    """What planning knows of a site: its region, its share of the region's returns, its parameters."""

    name: str
    region: str
    share: float
    site: staffing.Site


def site_plan(body: Mapping[str, Any], name: str) -> SitePlan:
    """Read a site's planning parameters from its master data.

    Raises
    ------
    SiteUnknownError
        If the region is not known.
    BadInputError
        If a parameter is no positive number.
    """
    region = body.get("region")
    if not isinstance(region, str):
        raise SiteUnknownError(f"the region of site {name} is not known.")
    given = {field.name: body[field.name] for field in fields(staffing.Site) if field.name in body}
    share = body.get("share", 1.0)
    numbers = {**given, "share": share}
    for parameter, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadInputError(
                f"{parameter} of site {name} is no number; correct it in /v1/reference/sites."
            )
    return SitePlan(name, region, float(share), staffing.Site(**given))


def minutes_by_family(families: Sequence[str], champions: Champions) -> dict[str, float]:
    """Median inspection minutes of a unit of each family, by the workload model."""
    if champions.workload is None or not families:
        return dict.fromkeys(families, MINUTES_UNKNOWN)
    said = champions.workload.predict({"family": np.array(families, object)})
    return {family: float(minutes) for family, minutes in zip(families, said.p50, strict=True)}


def labor_rows(
    plan: SitePlan, rows: Sequence[ForecastRow], *, minutes: Mapping[str, float], service_level: float
) -> list[dict[str, Any]]:
    """One row a day: units at the service level, and what they need.

    The day's units are a quantile of the region's total, never a sum of quantiles; the families' means only
    weigh the minutes.
    """
    totals = sorted((row for row in rows if row.family == ALL), key=lambda row: row.ds)
    return [_day(plan, total, _mix(rows, total, minutes), service_level) for total in totals]


def _mix(rows: Sequence[ForecastRow], total: ForecastRow, minutes: Mapping[str, float]) -> float:
    """Minutes of an average unit of the day."""
    parts = [(row.mean, minutes[row.family]) for row in rows if row.ds == total.ds and row.family != ALL]
    volume = sum(mean for mean, _ in parts)
    return sum(mean * each for mean, each in parts) / volume if volume else MINUTES_UNKNOWN


def _day(plan: SitePlan, total: ForecastRow, minutes: float, service_level: float) -> dict[str, Any]:
    quantiles = (total.q10, total.q50, total.q80, total.q90, total.q95)
    units = float(np.interp(service_level, LEVELS, quantiles)) * plan.share
    site = plan.site
    hours = units * minutes / 60 * (1 + site.allowance) / site.utilisation
    return {
        "site": plan.name,
        "ds": total.ds.isoformat(),
        "units": round(units, 2),
        "hours": round(hours, 2),
        "heads": staffing.heads(hours, site=site),
        "dock_doors": staffing.dock_doors(units, site=site),
        "storage_positions": staffing.storage_positions(units, site=site),
    }


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
