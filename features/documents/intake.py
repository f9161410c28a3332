"""What may come in: recognised by its first bytes, and refused with a sentence before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from features.returns import BadInputError

MEBIBYTE: Final = 1024 * 1024


class DocumentError(BadInputError):
    """The file cannot be read as a document."""

    code = "document_unreadable"


class DocumentTooLargeError(DocumentError):
    """The file, its pages or its pixels exceed what is accepted."""

    status = 413
    code = "document_too_large"


class UnsupportedDocumentError(DocumentError):
    """The file is of a type that is not read."""

    status = 415
    code = "document_type_unsupported"


class EncryptedDocumentError(DocumentError):
    """The file opens only with a password."""

    code = "document_encrypted"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one document may cost, and what its pixels are read with.

    Parameters
    ----------
    max_bytes, max_pages, max_pixels : int
        Size of the file; pages (or image frames); pixels of one page, decoded or rendered.
    seconds : float
        Wall-clock time, and CPU time of each process, for the whole document.
    memory_bytes : int
        Address space of the child process.
    tesseract : str, optional
        Path of the Tesseract to read with; without one, that which comes with the environment.
    """

    max_bytes: int = 25 * MEBIBYTE
    max_pages: int = 30
    max_pixels: int = 60_000_000
    seconds: float = 120.0
    memory_bytes: int = 2048 * MEBIBYTE
    tesseract: str | None = None


# (offset, bytes, type): the signatures of what is read.
SIGNATURES: Final = (
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"II*\x00", "TIFF"),
    (0, b"MM\x00*", "TIFF"),
    (0, b"BM", "BMP"),
    (8, b"WEBP", "WEBP"),
)
PDF_HEADER_WITHIN: Final = 1024  # readers tolerate junk before the header, and so do real scanners


def recognise(data: bytes, *, limits: Limits) -> str:
    """Return the type of file (PDF, PNG, JPEG, …) by its first bytes alone.

    Raises
    ------
    DocumentError
        If it is empty, too large or of no type that is read.
    """
    if not data:
        raise DocumentError("the file is empty; send the scan or PDF itself.")
    if len(data) > limits.max_bytes:
        allowed = limits.max_bytes / MEBIBYTE
        raise DocumentTooLargeError(
            f"the file has {len(data) / MEBIBYTE:.1f} MiB and at most {allowed:g} are read; "
            "scan it at 300 dpi in grey."
        )
    for offset, signature, kind in SIGNATURES:
        if data[offset : offset + len(signature)] == signature:
            return kind
    if b"%PDF-" in data[:PDF_HEADER_WITHIN]:
        return "PDF"
    raise UnsupportedDocumentError(
        "the file is no PDF, PNG, JPEG, TIFF, BMP or WebP; export it as one of these."
    )


def check_pages(count: int, *, limits: Limits) -> None:
    """Refuse a document without pages or with more than are read."""
    if count < 1:
        raise DocumentError("the file has no pages; send the scan or PDF again.")
    if count > limits.max_pages:
        raise DocumentTooLargeError(
            f"the file has {count} pages and at most {limits.max_pages} are read; send those with the form."
        )


def check_pixels(width: float, height: float, *, page: int, limits: Limits) -> None:
    """Refuse a page that would fill more memory than one page may."""
    if width * height > limits.max_pixels:
        raise DocumentTooLargeError(
            f"page {page} has {width:.0f} x {height:.0f} pixels and at most {limits.max_pixels:,} are read; "
            "scan it at 300 dpi."
        )
