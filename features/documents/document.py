"""What a document says: words, typed candidates and named fields, as frozen values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, NamedTuple


class Kind(StrEnum):
    """What a document is for."""

    RETURN_FORM = "RETURN_FORM"
    PROOF_OF_DELIVERY = "PROOF_OF_DELIVERY"
    SUPPLIER_CLAIM = "SUPPLIER_CLAIM"
    OTHER = "OTHER"


Polygon = tuple[tuple[float, float], ...]


class Box(NamedTuple):
    """An upright rectangle, y pointing down."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def height(self) -> float:
        """Extent downwards."""
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        """Vertical centre."""
        return (self.top + self.bottom) / 2

    def union(self, other: Box) -> Box:
        """Return the smallest box around both."""
        return Box(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )


@dataclass(frozen=True, slots=True)
class Word:
    """One word where it was found.

    `box` lies in the upright frame in which the page is read; `polygon` in the page as it was handed in
    (pixels of an image, points of a PDF, origin top left).
    """

    text: str
    confidence: float
    page: int
    box: Box
    polygon: Polygon


@dataclass(frozen=True, slots=True)
class Page:
    """One page as handed in: its size, the unit of its polygons and how its words were read."""

    number: int
    width: float
    height: float
    unit: str
    source: str  # "text" of a born-digital PDF, or "ocr"


@dataclass(frozen=True, slots=True)
class Barcode:
    """A barcode and what it says; its text is as untrusted as any other."""

    text: str
    format: str
    page: int
    polygon: Polygon


@dataclass(frozen=True, slots=True)
class Candidate:
    """A date, amount, number, … anywhere in the document, named or not."""

    type: str
    raw: str
    value: str
    confidence: float
    page: int
    polygon: Polygon


@dataclass(frozen=True, slots=True)
class Proposal:
    """One reading of one named field, before the best is chosen.

    `features` are the numbers a ranker may weigh (``candidates.FEATURES``); `score` is what the rules think;
    `echoes` is how often the document says the same elsewhere.
    """

    name: str
    label: str
    raw: str
    value: str
    type: str
    currency: str | None
    parsed: bool
    page: int
    polygon: Polygon
    method: str
    confidence: float
    score: float
    features: tuple[float, ...]
    echoes: int = 0


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another reading that was nearly chosen."""

    raw: str
    value: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Check:
    """Something that must hold of a value, whether it does, and the sentence for a person."""

    name: str
    passed: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Field:
    """One named value: dates as ISO text, amounts as decimal text, all else as written.

    `accepted` says that no person need look at it: read surely enough, and no check speaks against it.
    """

    name: str
    raw: str
    value: str
    type: str
    confidence: float
    page: int
    polygon: Polygon
    label: str
    method: str
    accepted: bool = False
    currency: str | None = None
    alternatives: tuple[Alternative, ...] = ()
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """One row of a document's table of items."""

    fields: tuple[Field, ...]

    def field(self, name: str) -> Field | None:
        """Return the field of that name, or nothing."""
        return next((field for field in self.fields if field.name == name), None)


@dataclass(frozen=True, slots=True)
class Extraction:
    """All that the child process read, before fields are chosen."""

    kind: Kind
    kind_confidence: float
    date_order: str
    date_order_known: bool
    pages: tuple[Page, ...]
    words: tuple[Word, ...]
    barcodes: tuple[Barcode, ...]
    candidates: tuple[Candidate, ...]
    proposals: tuple[Proposal, ...]
    items: tuple[tuple[Proposal, ...], ...] = ()
    suspicions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A file read: what kind it is, what it says, and why a person should look at it, if one should."""

    name: str
    kind: Kind
    kind_confidence: float
    pages: tuple[Page, ...]
    words: tuple[Word, ...]
    barcodes: tuple[Barcode, ...]
    candidates: tuple[Candidate, ...]
    fields: tuple[Field, ...]
    items: tuple[Item, ...]
    needs_review: bool
    reasons: tuple[str, ...]

    def field(self, name: str) -> Field | None:
        """Return the field of that name, or nothing."""
        return next((field for field in self.fields if field.name == name), None)


def to_plain(document: Document) -> dict[str, Any]:
    """Return the document as plain dictionaries and lists, ready for JSON; upright boxes stay inside."""
    plain = asdict(document)
    for word in plain["words"]:
        del word["box"]
    return plain
