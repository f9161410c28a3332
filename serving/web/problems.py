"""Refusals as pages: to sign-in and back, or a sentence with the next step."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from features.returns import RecoupError
from serving.errors import unexpected
from serving.web.rendering import page
from serving.web.visitors import SignInError

TITLES: Final = {
    400: "This request cannot be read",
    403: "This is not open to you",
    404: "There is nothing here",
    405: "This page takes another method",
    409: "This was decided meanwhile",
    412: "This changed since you opened it",
    413: "This is too large",
    422: "Something is missing",
    503: "Recoup cannot answer just now",
}
NEXT: Final = {
    403: "Another role may see it: ask your administrator, or sign in as someone else.",
    404: "The address may be mistyped, or what it named was removed.",
    409: "Open it again to see what became of it.",
    412: "Open it again, read what changed, and decide on that.",
    500: "Try again; if it happens again, give your administrator the trace id below.",
    503: "Wait a minute and try again. Nothing that you sent was recorded half.",
}


class PageRoute(APIRoute):
    """A route whose refusals are pages for people."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Answer the request, or say in a page why not."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except SignInError as error:
                return to_sign_in(request, ended=error.ended)
            except RecoupError as error:
                detail = f"{error} {error.hint}".strip()
                return problem_page(request, error.status, detail, headers=_retry(error))
            except RequestValidationError:
                return problem_page(
                    request, 400, "A part of the address or form is not what this page takes."
                )
            except HTTPException as error:
                return problem_page(request, error.status_code, str(error.detail), headers=error.headers)
            except Exception as error:  # noqa: BLE001  # people get a page, the log gets the place
                unexpected(request, error)
                return problem_page(request, 500, "Something failed inside.")

        return answer


def problem_page(request: Request, status: int, detail: str, *, headers: Any = None) -> Response:
    """One refusal as a page with its status."""
    shown = {
        "status": status,
        "title": TITLES.get(status, HTTPStatus(status).phrase),
        "detail": detail,
        "next": NEXT.get(status, ""),
        "again": page_of(request) if request.method == "POST" else "",
        "trace_id": getattr(request.state, "trace_id", ""),
    }
    return page(request, "problem.html", shown, status=status, headers=headers)


def to_sign_in(request: Request, *, ended: bool) -> Response:
    """Lead to sign-in, and from there back to the page, or to the page of the form that was sent."""
    path = page_of(request)
    if request.method == "GET" and request.url.query:
        path = f"{path}?{request.url.query}"
    asked = {"return": path} | ({"ended": "1"} if ended else {})
    return RedirectResponse(f"/sign-in?{urlencode(asked)}", 303)


def page_of(request: Request) -> str:
    """The page that was asked for, or on which the form stood: a form is sent to one step below its page."""
    path = request.url.path
    return path if request.method in {"GET", "HEAD"} else path.rpartition("/")[0] or "/"


def wants_page(request: Request) -> bool:
    """Whether a browser asks, rather than a program."""
    kinds = request.headers.get("accept", "")
    return "text/html" in kinds and not request.url.path.startswith("/v1/")


def _retry(error: RecoupError) -> dict[str, str]:
    headers = dict(getattr(error, "headers", {}))
    if retry_after := getattr(error, "retry_after", None):
        headers["Retry-After"] = str(retry_after)
    return {name: value for name, value in headers.items() if name != "WWW-Authenticate"}
