"""Bodies read strictly: JSON that every reader reads alike, or a problem that says why not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine, Iterable
from email.message import Message
from typing import Any, Final

from fastapi import Request, Response
from fastapi.params import Form
from fastapi.routing import APIRoute

from serving.errors import FieldError, ProblemError, pointer

DEPTH: Final = 32  # nesting beyond it is no return
LARGEST: Final = 2**53 - 1  # the last integer that every JSON reader reads exactly
_FORM: Final = "multipart/form-data"
# A body without any of these holds nothing that `check` refuses but deep nesting.
_DOUBTFUL: Final = re.compile(rb"[^\x00-\x7f]|\\u|[0-9]{16}")
_UNREADABLE: Final = object()  # what no call takes


class StrictRoute(APIRoute):
    """A route whose body has to be of the media type that it takes, and unambiguous.

    FastAPI reads the body before it asks who is calling. What is wrong with a body is therefore kept, and
    said only to those who may call: by `errors`, where FastAPI then refuses the body.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Read the body strictly, then as FastAPI does."""
        handle = super().get_route_handler()
        field = self.body_field
        form = field is not None and isinstance(field.field_info, Form)

        async def strict(request: Request) -> Response:
            if field is not None:
                try:
                    check_media_type(request, form=form)
                except ProblemError as error:
                    request.state.body_problem = error
            return await handle(StrictRequest(request.scope, request.receive))

        return strict


class StrictRequest(Request):
    """A request whose JSON is read by `read`."""

    async def json(self) -> Any:
        """The body as JSON that leaves no doubt, or what no call takes."""
        try:
            return read(await self.body())
        except ProblemError as error:
            self.state.body_problem = error
            return _UNREADABLE


def check_media_type(request: Request, *, form: bool = False) -> None:
    """Refuse a body of another media type, charset or coding than this call takes.

    Raises
    ------
    ProblemError
        415 with what it takes.
    """
    said = request.headers.get("content-type")
    if said is None:
        length = request.headers.get(
            "content-length", "0" if "transfer-encoding" not in request.headers else ""
        )
        if length == "0":
            return  # no body: whether it may be missing is for the call to say
        raise _unsupported(form=form)
    message = Message()
    message["content-type"] = said
    kind = message.get_content_type()
    fits = kind == _FORM if form else kind == "application/json" or kind.endswith("+json")
    charset = str(message.get_param("charset", "utf-8")).lower()
    coding = request.headers.get("content-encoding", "identity").lower()
    if not fits or charset not in {"utf-8", "utf8"} or coding != "identity":
        raise _unsupported(form=form)


def _unsupported(*, form: bool) -> ProblemError:
    takes = f"{_FORM}" if form else "application/json in UTF-8"
    return ProblemError(
        415,
        "unsupported_media_type",
        f"This call takes {takes}, not compressed.",
        headers={"Accept": _FORM if form else "application/json"},
    )


def read(body: bytes) -> Any:
    """The JSON of a body.

    Raises
    ------
    ProblemError
        400 where it is no JSON in UTF-8, or JSON that two readers may read differently: names said twice,
        NaN, nesting without end. 422 for what the ledger cannot keep.
    """
    try:
        value = json.loads(
            body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_number, parse_float=_float
        )
    except ProblemError:
        raise
    except (ValueError, RecursionError) as error:
        raise malformed("The body is not JSON in UTF-8.") from error
    if _DOUBTFUL.search(body) or body.count(b"{") + body.count(b"[") > DEPTH:
        check(value)
    return value


def malformed(detail: str) -> ProblemError:
    """The 400 for a body that cannot be read."""
    return ProblemError(400, "malformed", detail)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise malformed("An object of the body says one name twice.")
    return value


def _no_number(_: str) -> float:
    raise malformed("NaN and Infinity are no JSON.")


def _float(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise malformed("A number of the body is larger than any that can be kept.")
    return number


def check(value: Any) -> None:
    """Refuse what no store keeps: text that is no Unicode or holds NUL, integers beyond 2^53, deep nesting.

    Raises
    ------
    ProblemError
        400 or 422.
    """
    waiting: list[tuple[Any, tuple[str | int, ...]]] = [(value, ())]
    while waiting:
        one, place = waiting.pop()
        if isinstance(one, str):
            _check_text(one, place)
        elif isinstance(one, int) and not -LARGEST <= one <= LARGEST:
            raise _invalid(place, "is an integer beyond 2^53; send it as text")
        elif isinstance(one, dict | list):
            if len(place) >= DEPTH:
                raise malformed(f"The body is nested more than {DEPTH} levels deep.")
            waiting.extend(_inside(one, place))


def _inside(
    value: dict[str, Any] | list[Any], place: tuple[str | int, ...]
) -> Iterable[tuple[Any, tuple[str | int, ...]]]:
    if isinstance(value, dict):
        for name in value:
            _check_text(name, place)
        return ((inner, (*place, name)) for name, inner in value.items())
    return ((inner, (*place, number)) for number, inner in enumerate(value))


def _check_text(text: str, place: tuple[str | int, ...]) -> None:
    if "\x00" in text:
        raise _invalid(place, "holds the character NUL, which no text of a return has")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise _invalid(place, "is no Unicode: it holds half a surrogate pair") from error


def _invalid(place: tuple[str | int, ...], what: str) -> ProblemError:
    found = FieldError(pointer=pointer(place), detail=what)
    return ProblemError(422, "beyond_limits", "A value is none that can be kept; see errors.", errors=[found])
