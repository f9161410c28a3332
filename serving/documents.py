"""From a file to fields: read apart, checked against the case, kept with its original."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from features import documents as reading
from features.documents import Kind, Limits, Ranker
from ledger.evidence import Document
from ledger.store import Transaction
from serving.settings import Settings

# Fields of a form, and where the request says the same thing.
COMPARED: Final[Mapping[str, tuple[str, ...]]] = {
    "rma_number": ("rma_number",),
    "order_number": ("sale", "order_number"),
    "invoice_number": ("sale", "invoice_number"),
    "item": ("item", "sku"),
    "serial": ("item", "serial_shipped"),
    "quantity": ("quantity",),
    "pieces": ("quantity",),
}
# What all papers of one return line must agree on: a proof of delivery with its bill of lading, for one.
SHARED: Final = ("rma_number", "order_number", "bol_number", "pro_number", "tracking", "pieces")
SUFFIXES: Final = {b"%PDF": ".pdf", b"\x89PNG": ".png", b"\xff\xd8": ".jpg"}


def read(
    data: bytes, *, name: str, kind: Kind | None, settings: Settings, ranker: Ranker | None = None
) -> dict[str, Any]:
    """What the document says, as plain JSON.

    Raises
    ------
    DocumentError
        Where it is empty, broken, locked, too large or of no kind that is read.
    """
    found = reading.read(data, name=name, kind=kind, ranker=ranker, limits=limits_of(settings))
    return reading.to_plain(found)


def limits_of(settings: Settings) -> Limits:
    """What one document may cost, and what it is read with, as the operator has set it."""
    return Limits(
        max_bytes=settings.document_limit,
        seconds=settings.document_seconds,
        tesseract=str(settings.tesseract.resolve()) if settings.tesseract else None,
    )


def page_picture(document: Document, number: int, *, settings: Settings) -> Path:
    """The file with a page of a document as people see it, drawn when it is first looked at.

    Raises
    ------
    DocumentError
        Where the original is gone, cannot be read, or has no such page.
    """
    folder = settings.home / "documents"
    kept = folder / "pages" / f"{Path(document.path).stem}-{number}.jpg"
    if not kept.exists():
        original = folder / Path(document.path).name
        if not document.path or not original.exists():
            raise reading.DocumentError("the original of this document is not here any more.")
        drawn = reading.picture(original.read_bytes(), page=number, limits=limits_of(settings))
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(f".{secrets.token_hex(4)}.part")
        partial.write_bytes(drawn)
        partial.replace(kept)
    return kept


def keep(data: bytes, folder: Path) -> tuple[str, Path]:
    """Store the original under its own digest; the sender's file name never becomes a path."""
    digest = hashlib.sha256(data).hexdigest()
    suffix = next((ending for magic, ending in SUFFIXES.items() if data.startswith(magic)), ".bin")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{digest}{suffix}"
    if not path.exists():
        partial = path.with_suffix(".part")
        partial.write_bytes(data)
        partial.replace(path)
    return f"sha256:{digest}", path


def beside_the_case(said: Mapping[str, Any], tx: Transaction, return_line_id: str | None) -> dict[str, Any]:
    """Return what was read with every contradiction to the case named; each is for a person.

    Where nothing in the ledger goes by the number of the return, that is said as well.
    """
    found = list(_unknown_return(said, tx))
    if return_line_id is not None:
        for recommendation in tx.answering(return_line_id)[-1:]:
            found += contradictions(said, recommendation.request)
        for other in tx.documents_about(return_line_id):
            found += between(said, other.body)
    reasons = [*said["reasons"], *dict.fromkeys(found)]
    return {**said, "reasons": reasons, "needs_review": bool(reasons), "contradictions": found}


def _unknown_return(said: Mapping[str, Any], tx: Transaction) -> Iterator[str]:
    rma = _values(said, "rma_number")
    for number in rma:
        lines = (number, f"{number}/1")
        if not any(tx.answering(line) or tx.events(line) for line in lines):
            yield f"rma_number: nothing in the ledger goes by '{number}'."


def contradictions(said: Mapping[str, Any], request: Mapping[str, Any]) -> list[str]:
    """Where a document and the request say different things, both values shown."""
    sentences = []
    for name, place in COMPARED.items():
        asked: Any = request
        for part in place:
            asked = asked.get(part) if isinstance(asked, Mapping) else None
        written = _values(said, name)
        if written and asked and _bare(str(asked)) not in {_bare(value) for value in written}:
            shown = "', '".join(written)
            sentences.append(f"{name}: the document says '{shown}', the request '{asked}'.")
    return sentences


def between(said: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Where two documents of one return line say different things, both values shown."""
    sentences = []
    for name in SHARED:
        here, there = _values(said, name), _values(other, name)
        if here and there and not {_bare(value) for value in here} & {_bare(value) for value in there}:
            title = other.get("name", "an earlier document")
            sentences.append(f"{name}: this document says '{here[0]}', {title} '{there[0]}'.")
    return sentences


def _values(said: Mapping[str, Any], name: str) -> list[str]:
    """Return every value of that name, the table's rows before the plain field."""
    rows = [field for item in said.get("items", ()) for field in item["fields"]]
    found = [field["value"] for field in (*rows, *said["fields"]) if field["name"] == name]
    return [str(value) for value in dict.fromkeys(found) if value]


def _bare(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def corrected(document: Document, tx: Transaction) -> dict[str, Any]:
    """Return what people make of a document, the last word on each field: a row of training data.

    Fields that nobody touched in a document that somebody went through stand as they were read.
    """
    fields = {field["name"]: field["value"] for field in document.body.get("fields", ())}
    for correction in tx.corrections(document.id):
        fields |= {changed["name"]: changed["value"] for changed in correction.body["fields"]}
    return {"document": document.id, "file": document.path, "kind": document.kind, "fields": fields}


def summary(said: Mapping[str, Any]) -> str:
    """What a person wants to see of a document first: kind, fields, doubts."""
    pages = f"{len(said['pages'])} page{'s' if len(said['pages']) != 1 else ''}"
    lines = [f"{printable(said['name'])}: {said['kind']}, {pages}, {len(said['words'])} words"]
    lines += [_shown(field) for field in said["fields"]]
    lines += [_row(number, item) for number, item in enumerate(said["items"], start=1)]
    counts: dict[str, int] = {}
    for candidate in said["candidates"]:
        counts[candidate["type"]] = counts.get(candidate["type"], 0) + 1
    lines.append(
        "  candidates: " + (", ".join(f"{n} {kind}" for kind, n in sorted(counts.items())) or "none")
    )
    lines += [f"  needs a person: {printable(reason)}" for reason in said["reasons"]]
    return "\n".join(lines)


def _shown(field: Mapping[str, Any]) -> str:
    """Return one field on one line of eighty columns; what was accepted needs no second look."""
    mark = "" if field["accepted"] else " ?"
    value = printable(str(field["value"]))
    return f"  {field['name']:<20.20} {value:<40.40} {field['confidence']:>5.2f} p{field['page']}{mark}"


def _row(number: int, item: Mapping[str, Any]) -> str:
    cells = " | ".join(printable(str(field["value"])) for field in item["fields"])
    return f"  row {number:<16} {cells:.57}"


def printable(text: str) -> str:
    """Return text of a document without what would steer a terminal."""
    return "".join(character if character.isprintable() else " " for character in text)
