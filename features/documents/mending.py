"""PDFs as they come -> PDFs that can be read, and what else than pages is in a file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Final

import pikepdf

from features.documents.intake import (
    DocumentError,
    DocumentTooLargeError,
    EncryptedDocumentError,
    Limits,
)

MOST_OBJECTS: Final = 100_000  # a page of a form has a hundred
TRAILING: Final = 1024  # bytes after the end that careless writers leave
BROKEN: Final = "the PDF is broken beyond repair; export or scan it again."


def mended(data: bytes, *, limits: Limits) -> bytes:
    """Return the PDF without encryption or broken structure, its form values drawn onto the pages.

    Raises
    ------
    EncryptedDocumentError
        If it opens only with a password.
    DocumentTooLargeError
        If it has more objects than any paper needs.
    DocumentError
        If it cannot be repaired.
    """
    try:
        with pikepdf.open(io.BytesIO(data)) as pdf:
            if len(pdf.objects) > MOST_OBJECTS:
                raise DocumentTooLargeError(
                    f"the PDF has {len(pdf.objects):,} parts and at most {MOST_OBJECTS:,} are read; "
                    "print it to a new PDF."
                )
            if "/AcroForm" in pdf.Root and len(pdf.pages) <= limits.max_pages:
                pdf.generate_appearance_streams()
                pdf.flatten_annotations("screen")
            whole = io.BytesIO()
            pdf.save(whole, encryption=False)
    except pikepdf.PasswordError as problem:
        raise EncryptedDocumentError("the PDF is locked with a password; send it without one.") from problem
    except (pikepdf.PdfError, RuntimeError, ValueError, TypeError, KeyError, AttributeError) as problem:
        raise DocumentError(BROKEN) from problem
    return whole.getvalue()


def suspicions(data: bytes, *, kind: str) -> Iterator[str]:
    """Yield a sentence for everything in a file that no paper has; none of it is run or opened."""
    if kind == "PDF":
        yield from _in_pdf(data)
    ending = ENDINGS.get(kind)
    last = data.rfind(ending) if ending else -1
    if last >= 0 and len(data) - last - len(ending or b"") > TRAILING:
        yield "More data follows the end of the file."


ENDINGS: Final = {"PDF": b"%%EOF", "PNG": b"IEND", "JPEG": b"\xff\xd9"}


def _in_pdf(data: bytes) -> Iterator[str]:
    try:
        with pikepdf.open(io.BytesIO(data)) as pdf:
            names = pdf.Root.get("/Names", pikepdf.Dictionary())
            if "/JavaScript" in names or _runs_script(pdf):
                yield "The PDF holds JavaScript."
            if "/EmbeddedFiles" in names:
                yield "The PDF holds other files."
            if _needs_repair(pdf):
                yield "The PDF is damaged; it was read as far as it could be repaired."
    except (pikepdf.PdfError, RuntimeError, ValueError, TypeError, KeyError, AttributeError):
        yield "The PDF is damaged."


def _needs_repair(pdf: pikepdf.Pdf) -> bool:
    """Tell whether a reader must guess at a file's structure or at what its pages draw."""
    for page in pdf.pages:
        contents = page.obj.get("/Contents")
        for stream in contents if isinstance(contents, pikepdf.Array) else (contents,):
            if isinstance(stream, pikepdf.Stream):
                stream.read_bytes()
    return bool(pdf.get_warnings())


def _runs_script(pdf: pikepdf.Pdf) -> bool:
    action = pdf.Root.get("/OpenAction")
    scripted = isinstance(action, pikepdf.Dictionary) and action.get("/S") == "/JavaScript"
    return scripted or "/AA" in pdf.Root or any("/AA" in page.obj for page in pdf.pages)
