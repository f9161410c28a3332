"""Readings -> one value a field, checked, with its alternatives and what a person should look at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from features.documents.checks import by_barcode, cross_checked, own_checks
from features.documents.document import (
    Alternative,
    Document,
    Extraction,
    Field,
    Item,
    Kind,
    Proposal,
)
from features.documents.values.parsers import DAY_FIRST, MONTH_FIRST, date, is_ambiguous

NOTHING_ACCEPTED: Final = 2.0  # no probability reaches it
SURE_OF_KIND: Final = 0.5
MOST_ALTERNATIVES: Final = 3
LEAST: Final = 0.1  # readings believed less than this are not fields
# What each kind of paper is there to say; without one of these a person reads it.
REQUIRED: Final = {
    Kind.RETURN_FORM: (
        ("rma_number", "order_number", "invoice_number", "po_number"),
        ("item", "description", "serial"),
    ),
    Kind.PROOF_OF_DELIVERY: (("delivery_date", "date_received"), ("received_by", "consignee")),
    Kind.SUPPLIER_CLAIM: (
        ("claim_number", "rma_number", "po_number"),
        ("claim_amount", "total", "credit_amount"),
    ),
    Kind.OTHER: (),
}


class Ranker(Protocol):
    """Gives every reading of a document its probability, and says from which one no person is needed."""

    @property
    def accept(self) -> float:
        """The probability from which a field is accepted without a person."""

    def __call__(self, proposals: Sequence[Proposal]) -> Sequence[float]:
        """Return one probability a proposal, in order."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The shipped rules alone; nobody has measured how often they are right, so they accept nothing."""

    accept: float = NOTHING_ACCEPTED

    def __call__(self, proposals: Sequence[Proposal]) -> list[float]:
        """Return how far the rules believe each reading."""
        return by_rules(proposals)


def by_rules(proposals: Sequence[Proposal]) -> list[float]:
    """Return how far the rules believe each reading: the place's worth times how well it was read."""
    return [proposal.score * min(1.0, 0.4 + 0.6 * proposal.confidence) for proposal in proposals]


def assemble(extraction: Extraction, *, name: str, ranker: Ranker | None = None) -> Document:
    """Return the document: the best reading of each field, checked, and whether a person should look.

    Parameters
    ----------
    extraction : Extraction
        What the child process read.
    name : str
        The file's name, for display only.
    ranker : Ranker, optional
        Gives each reading its probability of being right; the rules alone do without.
    """
    ranker = ranker or Rules()
    # What is in a file that no paper has may be meant to deceive: nothing in it goes unseen.
    accept = NOTHING_ACCEPTED if extraction.suspicions else ranker.accept
    beliefs = ranker(extraction.proposals)
    readings: dict[str, list[tuple[float, Proposal]]] = defaultdict(list)
    for belief, proposal in zip(beliefs, extraction.proposals, strict=True):
        readings[proposal.name].append((float(belief), proposal))
    chosen = [
        _field(read, extraction, accept=accept)
        for read in readings.values()
        if max(belief for belief, _ in read) >= LEAST
    ]
    rows = [_item(row, extraction, ranker, accept=accept) for row in extraction.items]
    fields, items = cross_checked(
        sorted(chosen, key=lambda field: (field.page, field.polygon[0][1], field.polygon[0][0])), rows
    )
    reasons = tuple(_reasons(extraction, fields, items))
    return Document(
        name=name,
        kind=extraction.kind,
        kind_confidence=extraction.kind_confidence,
        pages=extraction.pages,
        words=extraction.words,
        barcodes=extraction.barcodes,
        candidates=extraction.candidates,
        fields=tuple(fields),
        items=items,
        needs_review=bool(reasons),
        reasons=reasons,
    )


def _item(row: Sequence[Proposal], extraction: Extraction, ranker: Ranker, *, accept: float) -> Item:
    pairs = zip(ranker(row), row, strict=True)
    return Item(tuple(_field([(belief, cell)], extraction, accept=accept) for belief, cell in pairs))


def _field(readings: list[tuple[float, Proposal]], extraction: Extraction, *, accept: float) -> Field:
    ordered = sorted(readings, key=lambda reading: -reading[0])
    belief, best = ordered[0]
    best = by_barcode(best, extraction)
    others = {
        p.value: Alternative(p.raw, p.value, round(b, 3))
        for b, p in reversed(ordered[1:])
        if p.value != best.value
    }
    checks = tuple(own_checks(best, extraction))
    if extraction.kind is Kind.OTHER and best.type == "text" and best.confidence < 1:
        accept = NOTHING_ACCEPTED  # names on an unknown paper have no form that a misreading would break
    if _is_at_edge(best, extraction):
        accept = NOTHING_ACCEPTED  # what is cut off goes on where nobody sees it
    twin = tuple(_other_order(best, extraction))
    confidence = round(min(belief, 1.0) * (0.6 if twin else 1.0), 3)
    return Field(
        name=best.name,
        raw=best.raw,
        value=best.value,
        type=best.type,
        confidence=confidence,
        accepted=confidence >= accept and all(check.passed for check in checks),
        page=best.page,
        polygon=best.polygon,
        label=best.label,
        method=best.method,
        currency=best.currency,
        alternatives=(*twin, *reversed(list(others.values())))[:MOST_ALTERNATIVES],
        checks=checks,
    )


def _is_at_edge(proposal: Proposal, extraction: Extraction) -> bool:
    """Tell whether a value runs up to the left or right edge of its page."""
    across = [x for x, _ in proposal.polygon]
    return any(
        min(across) <= 1 or max(across) >= page.width - 1
        for page in extraction.pages
        if page.number == proposal.page
    )


def _other_order(proposal: Proposal, extraction: Extraction) -> Iterable[Alternative]:
    if proposal.type == "date" and is_ambiguous(proposal.raw) and not extraction.date_order_known:
        other = MONTH_FIRST if extraction.date_order == DAY_FIRST else DAY_FIRST
        twin = date(proposal.raw, order=other)
        if twin and twin.value != proposal.value:
            yield Alternative(proposal.raw, twin.value, 0.4)


def _reasons(extraction: Extraction, fields: Sequence[Field], items: Sequence[Item]) -> Iterator[str]:
    yield from extraction.suspicions
    if not extraction.words:
        yield "No text was found; the page is blank or unreadable."
    if extraction.kind_confidence < SURE_OF_KIND:
        yield "The kind of document is uncertain."
    needed = REQUIRED[extraction.kind]
    names = {field.name for field in fields}
    yield from (f"None of {', '.join(wanted)} was found." for wanted in needed if not names & set(wanted))
    for field in fields:
        yield from _doubts(field, needed=any(field.name in wanted for wanted in needed))
    for number, item in enumerate(items, start=1):
        for field in item.fields:
            yield from (f"row {number}, {doubt}" for doubt in _doubts(field, needed=False))


def _doubts(field: Field, *, needed: bool) -> Iterator[str]:
    """Yield why a person should look at a field: the first check that fails, else an unsure reading."""
    failed = next((check.sentence for check in field.checks if not check.passed), None)
    if failed:
        yield f"{field.name}: {failed}"
    elif needed and not field.accepted:
        yield f"{field.name}: read with confidence {field.confidence:.2f} only."
