"""Rows as JSON, CSV or XLSX, whichever the caller accepts; text can never become a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import Response
from fastapi.responses import JSONResponse
from openpyxl import Workbook

CSV: Final = "text/csv"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")

Row = Mapping[str, Any]


def answer(
    rows: Sequence[Row], *, accept: str, name: str, extra: Mapping[str, Any] | None = None
) -> Response:
    """`rows` in the form that the Accept header asks for; JSON unless it says otherwise."""
    wanted = [part.split(";")[0].strip().lower() for part in accept.split(",")]
    if CSV in wanted:
        return _download(_csv(rows).encode(), CSV + "; charset=utf-8", f"{name}.csv")
    if XLSX in wanted:
        return _download(_xlsx(rows), XLSX, f"{name}.xlsx")
    return JSONResponse({"rows": list(rows), **(extra or {})})


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
