"""What must hold of what a document says: of each value by itself, and of values beside each other.

A check that fails names both values; it never corrects one by the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from stdnum import ean

from features.documents.document import Check, Extraction, Field, Item, Proposal
from features.documents.values import tracking
from features.documents.values.parsers import is_ambiguous

# Amounts that the rows of a form add up to, under their names on the three kinds of paper.
TOTALS: Final = ("total", "credit_amount", "claim_amount")
# Pairs of dates of which the first is never the later one.
IN_ORDER: Final = (
    ("order_date", "invoice_date"),
    ("order_date", "request_date"),
    ("invoice_date", "request_date"),
    ("request_date", "authorized_date"),
    ("order_date", "delivery_date"),
    ("date_installed", "date_failed"),
    ("warranty_start", "date_failed"),
    ("date_failed", "claim_date"),
    ("flight_from", "flight_to"),
)
GTIN_DIGITS: Final = (8, 12, 13, 14)
TAX: Final = ("tax", "gst", "vat", "sales_tax")
SUBTOTAL: Final = ("subtotal", "sub_total", "net_amount")

# What scanners take for each other, as one of each group.
LOOK_ALIKES: Final = str.maketrans("OQDILSBZG", "000115826")

Named = Mapping[str, Field]


def own_checks(proposal: Proposal, extraction: Extraction) -> Iterator[Check]:
    """Yield what a value itself must hold to: its type, its digits, a barcode that repeats it."""
    verdict = "reads as it should" if proposal.parsed else "does not read as one"
    wanted = f"'{proposal.label}' asks for a {proposal.type}; the value {verdict}."
    yield Check("type", proposal.parsed, wanted)
    if proposal.type == "date" and proposal.parsed and is_ambiguous(proposal.raw):
        known = extraction.date_order_known
        source = "the paper shows it" if known else "nothing on the paper shows it"
        order = extraction.date_order
        yield Check("date_order", known, f"day and month are read in the order {order}; {source}.")
    if proposal.type == "identifier":
        yield from _barcode(proposal, extraction)
        yield from _digits(proposal)


def by_barcode(proposal: Proposal, extraction: Extraction) -> Proposal:
    """Return the reading as a barcode on the paper has it, where only look-alike characters differ."""
    if proposal.type != "identifier":
        return proposal
    seen = proposal.value.translate(LOOK_ALIKES)
    for code in extraction.barcodes:
        text = code.text.strip().upper()
        if text != proposal.value and text.translate(LOOK_ALIKES) == seen:
            return replace(proposal, value=text, method="barcode")
    return proposal


def _barcode(proposal: Proposal, extraction: Extraction) -> Iterator[Check]:
    if any(code.text.strip().upper() == proposal.value for code in extraction.barcodes):
        yield Check("barcode", passed=True, sentence="a barcode on the paper says the same.")


def _digits(proposal: Proposal) -> Iterator[Check]:
    """Yield whether check digits are right, for numbers of a form that has them."""
    if proposal.name == "tracking":
        found = tracking.read(proposal.value)
        if found.possible:
            yield Check("check_digit", passed=True, sentence=f"a number of {' or '.join(found.carriers)}.")
        else:
            formed = " or ".join(dict.fromkeys(rule.carrier for rule in found.failed))
            said = f"the check digit is wrong for {formed}" if formed else "no carrier numbers parcels so"
            yield Check("check_digit", passed=False, sentence=f"'{proposal.value}': {said}.")
    elif proposal.name in {"gtin", "ean", "upc"}:
        right = len(proposal.value) in GTIN_DIGITS and ean.is_valid(proposal.value)
        verdict = "is right" if right else "is wrong"
        yield Check("check_digit", bool(right), f"'{proposal.value}': the check digit of the GTIN {verdict}.")


def cross_checked(
    fields: Sequence[Field], items: Sequence[Item]
) -> tuple[tuple[Field, ...], tuple[Item, ...]]:
    """Return fields and rows with what was found by setting them beside each other.

    A field against which something speaks is no longer accepted without a person.
    """
    named = {field.name: field for field in fields}
    rows = tuple(_with(item.fields, _arithmetic(_of(item.fields))) for item in items)
    checks = [*_sums(named, items), *_tax(named), *_dates(named), *_pieces(named, items)]
    if not items:
        checks += _arithmetic(named)
    return _with(fields, checks), tuple(Item(row) for row in rows)


def _of(fields: Iterable[Field]) -> Named:
    return {field.name: field for field in fields}


def _with(fields: Sequence[Field], checks: Iterable[tuple[str, Check]]) -> tuple[Field, ...]:
    found: dict[str, list[Check]] = {}
    for name, check in checks:
        found.setdefault(name, []).append(check)
    return tuple(_checked(field, found.get(field.name, [])) for field in fields)


def _checked(field: Field, more: Sequence[Check]) -> Field:
    sound = field.accepted and all(check.passed for check in more)
    return replace(field, checks=(*field.checks, *more), accepted=sound)


def _number(field: Field | None) -> Decimal | None:
    """Return what a field counts, if it reads as a number or an amount at all."""
    if field is None or field.type not in {"money", "number"} or not field.checks[0].passed:
        return None
    return Decimal(field.value)


def _arithmetic(named: Named) -> Iterator[tuple[str, Check]]:
    """Yield whether quantity x unit price is the line's total."""
    quantity, price, total = (_number(named.get(name)) for name in ("quantity", "unit_price", "line_total"))
    if quantity is not None and price is not None and total is not None:
        holds = quantity * price == total
        sentence = f"{quantity} x {price} {'is' if holds else 'is not'} {total}."
        yield "line_total", Check("arithmetic", holds, sentence)


def _sums(named: Named, items: Sequence[Item]) -> Iterator[tuple[str, Check]]:
    """Yield whether the rows add up to the amount at their foot, or to it with tax and handling."""
    lines = [_number(item.field("line_total")) for item in items]
    known = [line for line in lines if line is not None]
    if not known or len(known) < len(lines):
        return
    added = sum(known, Decimal(0))
    extras = [amount for name in (*TAX, "handling") if (amount := _number(named.get(name))) is not None]
    for name in TOTALS:
        total = _number(named.get(name))
        if total is not None:
            holds = total in {added, added + sum(extras, Decimal(0))}
            sentence = f"the rows add up to {added}; it says {total}."
            yield name, Check("sum", holds, sentence)


def _tax(named: Named) -> Iterator[tuple[str, Check]]:
    """Yield whether what stands before tax and the tax make up the total."""
    total = _number(named.get("total"))
    tax = next((value for name in TAX if (value := _number(named.get(name))) is not None), None)
    before = next((value for name in SUBTOTAL if (value := _number(named.get(name))) is not None), None)
    if total is not None and tax is not None and before is not None:
        holds = before + tax == total
        yield "total", Check("tax", holds, f"{before} and tax of {tax} make {before + tax}; it says {total}.")


def _dates(named: Named) -> Iterator[tuple[str, Check]]:
    for first, second in IN_ORDER:
        early, late = named.get(first), named.get(second)
        if early and late and early.type == late.type == "date" and early.value[:1].isdigit():
            holds = early.value <= late.value
            sentence = (
                f"{first} {early.value} and {second} {late.value} are {'' if holds else 'not '}in order."
            )
            yield second, Check("date_sequence", holds, sentence)


def _pieces(named: Named, items: Sequence[Item]) -> Iterator[tuple[str, Check]]:
    """Yield whether the rows hold as many pieces as were received, short and damaged ones told apart."""
    counts = [_number(item.field("quantity")) for item in items]
    known = [count for count in counts if count is not None]
    pieces, short = _number(named.get("pieces")), _number(named.get("short")) or Decimal(0)
    if pieces is None or not known or len(known) < len(counts):
        return
    shipped = sum(known, Decimal(0))
    holds = shipped in {pieces, pieces + short}
    yield "pieces", Check("pieces", holds, f"the rows hold {shipped}; it says {pieces}, and {short} short.")
