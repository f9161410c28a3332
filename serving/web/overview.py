"""The first page: operations metrics with queue ageing for those who may see them; for all, how fit it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from serving.access import Action
from serving.api.dependencies import Doors
from serving.api.operations import metrics as api
from serving.auth import Caller
from serving.operations.metrics import BUCKETS, DURATIONS
from serving.runtime import Runtime
from serving.web.charts import Chart, chart, picture
from serving.web.problems import PageRoute
from serving.web.rendering import page
from serving.web.visitors import Anyone, Visitor, signed_in

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Caller, signed_in(Action.METRICS)]
Window = Annotated[int, Query(ge=1, le=366)]
Place = Annotated[str, Query(max_length=200)]
NAMES: Final = {
    "rma_approval_cycle_time": "RMA approval cycle time",
    "receiving_to_inspection_time": "Receiving to inspection",
    "disposition_turnaround": "Disposition turnaround",
    "inspection_to_decision_time": "Inspection to decision",
    "credit_memo_latency": "Credit memo latency",
    "receipt_to_credit_time": "Receipt to credit",
    "dock_to_stock": "Dock to stock",
}
assert NAMES.keys() == DURATIONS.keys()


@router.get("/")
def overview(
    request: Request, doors: Doors, visitor: Anyone, days: Window = 30, site: Place = ""
) -> Response:
    """How the day runs; without sign-in only whether the service is fit, and nothing about any return."""
    champions = doors.champions
    shown: dict[str, Any] = {
        "degraded": champions.degraded,
        "models": champions.wire,
        "policy": doors.policies.digest,
        "rules": doors.policies.rules,
        "found": None,
    }
    if visitor.caller is not None and visitor.may(Action.METRICS):
        shown |= _metrics(doors, visitor, visitor.caller, days=days, site=site)
    return page(request, "overview.html", shown)


@router.get("/overview/chart/{width}.svg")
def ageing_picture(
    doors: Doors, caller: Reader, visitor: Anyone, width: str, days: Window = 30, site: Place = ""
) -> Response:
    """Queue ageing as a picture, for browsers without scripts."""
    found = _found(doors, caller, days=days, site=site)
    return picture(_ageing(found["metrics"]["queue_ageing"], visitor, "").spec, width=width)


def _metrics(doors: Runtime, visitor: Visitor, caller: Caller, *, days: int, site: str) -> dict[str, Any]:
    with doors.ledger.read() as tx:
        known = sorted(one.id for one in tx.references("sites"))
    sites = sorted(caller.sites) or known
    # Who reaches some sites alone sees one of them at a time.
    site = site or (sites[0] if len(caller.sites) > 1 else "")
    told = _found(doors, caller, days=days, site=site)
    found = told["metrics"]
    return {
        "found": found,
        "since": told["from"],
        "until": told["to"],
        "days": days,
        "site": told["site"] or "",
        "sites": sites,
        "every": not caller.sites,
        "durations": [(NAMES[name], found[name]) for name in DURATIONS],
        "chart": _ageing(found["queue_ageing"], visitor, f"days={days}&site={site}"),
        "buckets": BUCKETS,
        "open": sum(queue["open"] for queue in found["queue_ageing"].values()),
    }


def _found(doors: Runtime, caller: Caller, *, days: int, site: str) -> dict[str, Any]:
    start = doors.now() - timedelta(days=days)
    return api.operations(doors, caller, start=start, to=None, site=site or None)


def _ageing(queues: Mapping[str, Any], visitor: Visitor, query: str) -> Chart:
    rows = [
        {"queue": name.capitalize(), "bucket": bucket, "count": count, "place": place}
        for name, queue in queues.items()
        for place, (bucket, count) in enumerate(queue["buckets"].items())
    ]
    told = "; ".join(f"{name} {queue['open']}" for name, queue in queues.items())
    says = f"Open cases by queue and business days waited: {told}."
    picture = f"/overview/chart/{{}}.svg?{query}"
    return chart("ageing", rows, says=says, locale=visitor.locale, picture=picture)
