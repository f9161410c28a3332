"""Bytes -> pages -> words -> fields, read in a process of their own; what they say is data only."""

from __future__ import annotations

from features.documents.apart.isolation import extract_apart, picture_apart
from features.documents.document import Document, Kind, to_plain
from features.documents.fields import Ranker, assemble
from features.documents.intake import (
    DocumentError,
    DocumentTooLargeError,
    EncryptedDocumentError,
    Limits,
    UnsupportedDocumentError,
    recognise,
)

__all__ = [
    "Document",
    "DocumentError",
    "DocumentTooLargeError",
    "EncryptedDocumentError",
    "Kind",
    "Limits",
    "Ranker",
    "UnsupportedDocumentError",
    "picture",
    "read",
    "to_plain",
]

DEFAULT_LIMITS = Limits()


def read(
    data: bytes,
    *,
    name: str = "document",
    kind: Kind | None = None,
    ranker: Ranker | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Document:
    """Return what a scan or PDF says.

    Parameters
    ----------
    data : bytes
        A PDF, PNG, JPEG, TIFF, BMP or WebP file.
    name : str
        The file's name, for display only.
    kind : Kind, optional
        What the sender says it is; otherwise it is told from the page.
    ranker : callable, optional
        Weighs the readings of each field (``models.fields``); without one, rules do.
    limits : Limits
        What the document may cost.

    Raises
    ------
    DocumentError
        If the file is empty, too large, locked, broken or of no type that is read.
    """
    recognise(data, limits=limits)
    return assemble(extract_apart(data, kind=kind, limits=limits), name=name, ranker=ranker)


def picture(data: bytes, *, page: int, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Return a page as people see it, as JPEG; the places of words and fields lie on it in proportion.

    Raises
    ------
    DocumentError
        If the file cannot be read or has no such page.
    """
    recognise(data, limits=limits)
    return picture_apart(data, page=page, limits=limits)
