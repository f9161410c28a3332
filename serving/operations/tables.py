"""Rows as JSON, CSV or XLSX, whichever the caller accepts; text can never become a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import Response
from fastapi.responses import JSONResponse
from openpyxl import Workbook

from serving.errors import ProblemError

CSV: Final = "text/csv"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
KINDS: Final = ("application/json", CSV, XLSX)
NONE: Final = (0, 0.0)
_WEIGHT: Final = re.compile(r"[01](\.[0-9]{0,3})?")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")

Row = Mapping[str, Any]


def answer(
    rows: Sequence[Row], *, accept: str, name: str, extra: Mapping[str, Any] | None = None
) -> Response:
    """`rows` in the form that the Accept header asks for; JSON unless it says otherwise."""
    kind = chosen(accept)
    if kind == CSV:
        return _download(_csv(rows).encode(), CSV + "; charset=utf-8", f"{name}.csv")
    if kind == XLSX:
        return _download(_xlsx(rows), XLSX, f"{name}.xlsx")
    return JSONResponse({"rows": list(rows), **(extra or {})})


def chosen(accept: str) -> str:
    """The form that an Accept header likes best; JSON where it has no preference.

    Raises
    ------
    ProblemError
        406 where it likes none of the three.
    """
    liked = {
        kind: max((_liking(part, kind) for part in (accept or "*/*").split(",")), default=NONE)
        for kind in KINDS
    }
    best = max(KINDS, key=lambda kind: liked[kind][1])
    if liked[best][1] <= 0:
        raise ProblemError(406, "not_acceptable", f"This call can answer as {', '.join(KINDS)}.")
    return best


def _liking(part: str, kind: str) -> tuple[int, float]:
    """How closely a part of an Accept header names `kind`, and its weight from 0 to 1."""
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    main = kind.partition("/")[0]
    closeness = {"*/*": 1, f"{main}/*": 2, kind: 3}.get(name)
    if closeness is None:
        return NONE
    weight = next((said[2:] for said in parameters if said.startswith("q=")), "1")
    return closeness, float(weight) if _WEIGHT.fullmatch(weight) else 0.0


def _download(data: bytes, media_type: str, name: str) -> Response:
    return Response(
        data, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _safe(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _csv(rows: Sequence[Row]) -> str:
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _safe(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def _xlsx(rows: Sequence[Row]) -> bytes:
    book = Workbook(write_only=True)
    sheet = book.create_sheet("recoup")
    if rows:
        sheet.append(list(rows[0]))
        for row in rows:
            sheet.append([_safe(value) for value in row.values()])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
