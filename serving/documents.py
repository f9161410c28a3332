"""From a file to fields: read apart, checked against the case, kept with its original."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from features import documents as reading
from features.documents import Kind, Limits, Ranker
from serving.settings import Settings

# Fields of a form, and where the request says the same thing.
COMPARED: Final[Mapping[str, tuple[str, ...]]] = {
    "rma_number": ("rma_number",),
    "order_number": ("sale", "order_number"),
    "invoice_number": ("sale", "invoice_number"),
    "item": ("item", "sku"),
    "serial": ("item", "serial"),
}
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
    limits = Limits(max_bytes=settings.document_limit, seconds=settings.document_seconds)
    return reading.to_plain(reading.read(data, name=name, kind=kind, ranker=ranker, limits=limits))


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


def contradictions(fields: list[Mapping[str, Any]], request: Mapping[str, Any]) -> list[str]:
    """Where a document and the request say different things, both values shown."""
    found = {field["name"]: str(field["value"]) for field in fields if field.get("value")}
    sentences = []
    for name, place in COMPARED.items():
        said: Any = request
        for part in place:
            said = said.get(part) if isinstance(said, Mapping) else None
        if name in found and said and _bare(found[name]) != _bare(str(said)):
            sentences.append(f"{name}: the document says '{found[name]}', the request '{said}'.")
    return sentences


def _bare(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def summary(said: Mapping[str, Any]) -> str:
    """What a person wants to see of a document first: kind, fields, doubts."""
    lines = [f"{said['name']}: {said['kind']}, {len(said['pages'])} page(s), {len(said['words'])} words"]
    lines += [_shown(field) for field in said["fields"]]
    counts: dict[str, int] = {}
    for candidate in said["candidates"]:
        counts[candidate["type"]] = counts.get(candidate["type"], 0) + 1
    lines.append(
        "  candidates: " + (", ".join(f"{n} {kind}" for kind, n in sorted(counts.items())) or "none")
    )
    lines += [f"  needs a person: {reason}" for reason in said["reasons"]]
    return "\n".join(lines)


def _shown(field: Mapping[str, Any]) -> str:
    value = str(field["value"])
    return f"  {field['name']:<18} {value:<40.40} {field['confidence']:>5.2f}  page {field['page']}"
