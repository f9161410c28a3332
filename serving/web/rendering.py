"""Templates into pages: escaped, with the reader's formats, and nothing inline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from babel import Locale
from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from serving.access import Action
from serving.web import formats
from serving.web.assets import static_url
from serving.web.visitors import Visitor

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class Page:
    """One entry of the navigation, for roles that carry any of the actions; none means everyone."""

    path: str
    label: str
    actions: tuple[Action, ...] = ()


PAGES: Final = (
    Page("/", "Overview"),
    Page("/approvals", "Approvals", (Action.INBOX,)),
    Page("/forecast", "Forecast", (Action.FORECAST_READ,)),
    Page("/labor", "Labour", (Action.LABOR,)),
    Page("/models", "Models", (Action.POLICY_READ,)),
    Page("/policies", "Policies", (Action.POLICY_READ,)),
)


def page(
    request: Request,
    template: str,
    context: Mapping[str, Any] | None = None,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """One template as the answer to a request; `visitor` is there where a dependency found out who looks."""
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    shown = {
        "visitor": visitor,
        "here": request.url.path,
        "navigation": [one for one in PAGES if _sees(visitor, one)],
        "locale": visitor.locale
        if visitor
        else formats.locale_of(request.headers.get("accept-language", "")),
        "now": request.app.state.runtime.now(),
        **(context or {}),
    }
    html = templates.get_template(template).render(shown)
    return HTMLResponse(html, status, {"Content-Security-Policy": CSP, **(headers or {})})


def _sees(visitor: Visitor | None, entry: Page) -> bool:
    if visitor is None or visitor.caller is None:
        return False
    return not entry.actions or any(map(visitor.may, entry.actions))


def _locale(context: Context) -> Locale:
    found = context["locale"]
    assert isinstance(found, Locale)
    return found


@pass_context
def _money(context: Context, value: Any, currency: str = "") -> str:
    return formats.written_money(value, _locale(context), currency)


@pass_context
def _number(context: Context, value: Any, digits: int = 0) -> str:
    return formats.written_number(value, _locale(context), digits)


@pass_context
def _percent(context: Context, value: Any, digits: int = 0) -> str:
    return formats.written_percent(value, _locale(context), digits)


@pass_context
def _moment(context: Context, value: datetime | str) -> str:
    return formats.written_moment(value, _locale(context))


@pass_context
def _day(context: Context, value: Any) -> str:
    return formats.written_day(value, _locale(context))


@pass_context
def _span(context: Context, value: datetime | str) -> str:
    return formats.written_span(value, context["now"], _locale(context))


def _words(code: Any) -> str:
    """A code as words: RETURN_TO_VENDOR becomes 'Return to vendor'."""
    return str(code).replace("_", " ").capitalize()


def _iso(value: datetime | str) -> str:
    return formats.moment_of(value).isoformat()


templates: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
templates.filters |= {
    "money": _money,
    "number": _number,
    "percent": _percent,
    "moment": _moment,
    "day": _day,
    "span": _span,
    "words": _words,
    "iso": _iso,
    "path": lambda value: quote(str(value), safe=""),
    "list_items": lambda value: list(value.items()),
    "line_path": lambda value: quote(str(value), safe="/"),
}
templates.globals |= {"static": static_url, "Action": Action}
