"""Documents as people look at them: pages, and the fields that were read, marked where they stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from ledger.evidence import Correction, Document

SURE, DOUBTFUL = 0.9, 0.6  # confidence from which a mark is green, and below which it is red
_MARGIN: Final = 0.003  # of a page's width, around a mark


def sheet(document: Document, corrections: Sequence[Correction] = ()) -> dict[str, Any]:
    """One document for a page: its fields in order, each numbered as on the picture, by page."""
    said = document.body
    changed = {one["name"]: (one["value"], change) for change in corrections for one in change.body["fields"]}
    fields = [_field(number, one, changed) for number, one in enumerate(_all_fields(said), start=1)]
    return {
        "id": document.id,
        "kind": document.kind,
        "name": said.get("name", document.kind),
        "evidence": document.meta.get("evidence"),
        "at": document.at,
        "actor": document.actor,
        "return_line_id": document.return_line_id,
        "needs_review": said.get("needs_review", False),
        "reasons": said.get("reasons", ()),
        "erased": not said,
        "fields": fields,
        "pages": [_page(page, fields) for page in said.get("pages", ())],
    }


def _all_fields(said: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from said.get("fields", ())
    for row, item in enumerate(said.get("items", ()), start=1):
        for field in item["fields"]:
            yield {**field, "row": row}


def _field(
    number: int, field: Mapping[str, Any], changed: Mapping[str, tuple[Any, Correction]]
) -> dict[str, Any]:
    row = field.get("row")
    value, change = (
        changed.get(field["name"], (field["value"], None)) if row is None else (field["value"], None)
    )
    return {
        "number": number,
        "name": field["name"],
        "row": row,
        "read": field["value"],
        "value": value,
        "corrected": change,
        "confidence": field["confidence"],
        "level": level(field["confidence"]) if change is None else "good",
        "page": field["page"],
        "polygon": field["polygon"],
        "alternatives": field.get("alternatives", ()),
        "failed": [one["sentence"] for one in field.get("checks", ()) if not one["passed"]],
    }


def level(confidence: float) -> str:
    """How surely a field was read, as a colour of the pages."""
    return "good" if confidence >= SURE else "bad" if confidence < DOUBTFUL else "warn"


def _page(page: Mapping[str, Any], fields: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    width, height = float(page["width"]), float(page["height"])
    here = [field for field in fields if field["page"] == page["number"] and field["polygon"]]
    # What stands in a table's row was often read as a plain field as well: one mark is enough.
    here = list({str(field["polygon"]): field for field in reversed(here)}.values())[::-1]
    marks = [{**_box(field["polygon"], width * _MARGIN), "field": field} for field in here]
    return {"number": page["number"], "width": width, "height": height, "marks": marks, "font": width / 70}


def _box(polygon: Sequence[Sequence[float]], margin: float) -> dict[str, float]:
    across, down = [point[0] for point in polygon], [point[1] for point in polygon]
    left, top = min(across) - margin, min(down) - margin
    return {
        "left": round(left, 1),
        "top": round(top, 1),
        "width": round(max(across) - left + margin, 1),
        "height": round(max(down) - top + margin, 1),
    }
