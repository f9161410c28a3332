"""The first page: what this service is and whether it is fit."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from serving.api.dependencies import Doors
from serving.web.problems import PageRoute
from serving.web.rendering import page
from serving.web.visitors import Anyone

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/")
def overview(request: Request, doors: Doors, visitor: Anyone) -> Response:
    """What this service is and whether it is fit; nothing about any return."""
    champions = doors.champions
    shown = {
        "degraded": champions.degraded,
        "models": champions.wire,
        "policy": doors.policies.digest,
        "rules": doors.policies.rules,
    }
    return page(request, "overview.html", shown)
