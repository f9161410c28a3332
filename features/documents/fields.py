"""Readings -> one value a field, checked, with its alternatives and what a person should look at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from features.documents.document import (
    Alternative,
    Check,
    Document,
    Extraction,
    Field,
    Item,
    Kind,
    Proposal,
)
from features.documents.values.parsers import DAY_FIRST, MONTH_FIRST, date, is_ambiguous

Ranker = Callable[[Sequence[Proposal]], Sequence[float]]

SURE: Final = 0.6  # confidence below which a person looks at a required field
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
    ranker : callable, optional
        Gives each reading its probability of being right; the rules alone do without.
    """
    beliefs = (ranker or by_rules)(extraction.proposals)
    readings: dict[str, list[tuple[float, Proposal]]] = defaultdict(list)
    for belief, proposal in zip(beliefs, extraction.proposals, strict=True):
        readings[proposal.name].append((float(belief), proposal))
    fields = [
        _field(read, extraction) for read in readings.values() if max(belief for belief, _ in read) >= LEAST
    ]
    fields = _with_arithmetic(
        sorted(fields, key=lambda field: (field.page, field.polygon[0][1], field.polygon[0][0]))
    )
    reasons = tuple(_reasons(extraction, fields))
    return Document(
        name=name,
        kind=extraction.kind,
        kind_confidence=extraction.kind_confidence,
        pages=extraction.pages,
        words=extraction.words,
        barcodes=extraction.barcodes,
        candidates=extraction.candidates,
        fields=tuple(fields),
        items=tuple(
            Item(
                tuple(
                    _field([(belief, reading)], extraction)
                    for reading, belief in zip(row, by_rules(row), strict=True)
                )
            )
            for row in extraction.items
        ),
        needs_review=bool(reasons),
        reasons=reasons,
    )


def _field(readings: list[tuple[float, Proposal]], extraction: Extraction) -> Field:
    ordered = sorted(readings, key=lambda reading: -reading[0])
    belief, best = ordered[0]
    others = {
        p.value: Alternative(p.raw, p.value, round(b, 3))
        for b, p in reversed(ordered[1:])
        if p.value != best.value
    }
    checks = (_type_check(best), *_date_checks(best, extraction), *_barcode_checks(best, extraction))
    twin = tuple(_other_order(best, extraction))
    return Field(
        name=best.name,
        raw=best.raw,
        value=best.value,
        type=best.type,
        confidence=round(min(belief, 1.0) * (0.6 if twin else 1.0), 3),
        page=best.page,
        polygon=best.polygon,
        label=best.label,
        method=best.method,
        currency=best.currency,
        alternatives=(*twin, *reversed(list(others.values())))[:MOST_ALTERNATIVES],
        checks=checks,
    )


def _type_check(proposal: Proposal) -> Check:
    sentence = "reads as it should" if proposal.parsed else "does not read as one"
    return Check(
        "type", proposal.parsed, f"'{proposal.label}' asks for a {proposal.type}; the value {sentence}."
    )


def _date_checks(proposal: Proposal, extraction: Extraction) -> Iterable[Check]:
    if proposal.type == "date" and proposal.parsed and is_ambiguous(proposal.raw):
        known = extraction.date_order_known
        source = "another date on the paper shows it" if known else "nothing on the paper shows it"
        yield Check(
            "date_order", known, f"day and month are read in the order {extraction.date_order}; {source}."
        )


def _other_order(proposal: Proposal, extraction: Extraction) -> Iterable[Alternative]:
    if proposal.type == "date" and is_ambiguous(proposal.raw) and not extraction.date_order_known:
        other = MONTH_FIRST if extraction.date_order == DAY_FIRST else DAY_FIRST
        twin = date(proposal.raw, order=other)
        if twin and twin.value != proposal.value:
            yield Alternative(proposal.raw, twin.value, 0.4)


def _barcode_checks(proposal: Proposal, extraction: Extraction) -> Iterable[Check]:
    if proposal.type == "identifier" and any(
        code.text.upper() == proposal.value for code in extraction.barcodes
    ):
        yield Check("barcode", passed=True, sentence="a barcode on the paper says the same.")


def _with_arithmetic(fields: list[Field]) -> list[Field]:
    """Return the fields with quantity x unit price set against the line total, where all three are there."""
    amounts = {field.name: field for field in fields}
    parts = [amounts.get(name) for name in ("quantity", "unit_price", "line_total")]
    if any(part is None or not part.checks[0].passed for part in parts):
        return fields
    quantity, price, total = (Decimal(part.value) for part in parts if part)
    holds = quantity * price == total
    check = Check("arithmetic", holds, f"{quantity} x {price} {'is' if holds else 'is not'} {total}.")
    return [
        replace(field, checks=(*field.checks, check)) if field.name == "line_total" else field
        for field in fields
    ]


def _reasons(extraction: Extraction, fields: Sequence[Field]) -> Iterable[str]:
    names = {field.name for field in fields}
    if not extraction.words:
        yield "No text was found; the page is blank or unreadable."
    if extraction.kind_confidence < SURE_OF_KIND:
        yield "The kind of document is uncertain."
    for wanted in REQUIRED[extraction.kind]:
        if not names & set(wanted):
            yield f"None of {', '.join(wanted)} was found."
    for field in fields:
        failed = [check.sentence for check in field.checks if not check.passed]
        if failed:
            yield f"{field.name}: {failed[0]}"
        elif field.confidence < SURE and any(field.name in wanted for wanted in REQUIRED[extraction.kind]):
            yield f"{field.name}: read with confidence {field.confidence:.2f} only."
