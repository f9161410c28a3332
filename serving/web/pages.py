"""Server-rendered pages; what they show, the API shows as well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from serving.api.dependencies import Doors

router = APIRouter(include_in_schema=False)
CSP = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"
templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)
_STYLE = (Path(__file__).parent / "static" / "style.css").read_bytes()


@router.get("/", response_class=HTMLResponse)
def overview(doors: Doors) -> HTMLResponse:
    """What this service is and whether it is fit; nothing about any return."""
    champions = doors.champions
    page: dict[str, Any] = {
        "degraded": champions.degraded,
        "models": champions.wire,
        "policy": doors.policies.digest,
        "rules": doors.policies.rules,
    }
    html = templates.get_template("overview.html").render(page)
    return HTMLResponse(html, headers={"Content-Security-Policy": CSP})


@router.get("/static/style.css")
def style() -> Response:
    """The one style sheet."""
    return Response(_STYLE, media_type="text/css", headers={"Cache-Control": "max-age=3600"})
