"""What attached documents say, as facts that policy may name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import combinations
from typing import Any, Final

from features.returns import BadInputError, Money, ReturnLine
from policy.language import FactValue
from serving.documents import between, contradictions

PIECES: Final = ("pieces",)
AMOUNTS: Final = ("credit_amount", "claim_amount")
DELIVERED: Final = ("delivery_date", "date_received")


def from_documents(documents: Sequence[Mapping[str, Any]], line: ReturnLine) -> dict[str, FactValue]:
    """The facts that documents hold, corrected by people where they were; one that none states is left out.

    Where several state one, it is the value that tells most against the request.
    """
    read = [_as_read(document) for document in documents]
    asked = _asked(line)
    contrary = [sentence for said in read for sentence in contradictions(said, asked)]
    contrary += [sentence for one, other in combinations(read, 2) for sentence in between(one, other)]
    currency = line.credit_requested.currency
    found: dict[str, list[int]] = {
        "documents.pieces": [int(n) for n in _numbers(documents, PIECES)],
        "documents.amount": list(_minor(documents, currency)),
        "documents.delivered_on": list(_days(documents)),
    }
    worst = {"documents.pieces": min}
    facts: dict[str, FactValue] = {
        name: worst.get(name, max)(values) for name, values in found.items() if values
    }
    return {"documents.contradict": bool(contrary), **facts}


def _as_read(document: Mapping[str, Any]) -> dict[str, Any]:
    fields = [{"name": name, "value": value} for name, value in document["fields"].items() if value]
    return {"name": document["document"], "fields": fields, "items": document["items"]}


def _asked(line: ReturnLine) -> dict[str, Any]:
    sale, item = line.sale, line.item
    return {
        "rma_number": line.rma_number,
        "quantity": line.quantity,
        "item": {"sku": item.sku, "serial_shipped": item.serial_shipped},
        "sale": {"order_number": sale.order_number, "invoice_number": sale.invoice_number} if sale else {},
    }


def _values(documents: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Iterator[str]:
    for document in documents:
        yield from (str(document["fields"][name]) for name in names if document["fields"].get(name))


def _numbers(documents: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Iterator[Decimal]:
    for value in _values(documents, names):
        try:
            number = Decimal(value)
        except InvalidOperation:
            continue
        if number.is_finite() and abs(number) < 10**9:
            yield number


def _minor(documents: Sequence[Mapping[str, Any]], currency: str) -> Iterator[int]:
    """Yield amounts in minor units; without a currency of its own a paper means the request's."""
    for number in _numbers(documents, AMOUNTS):
        try:
            yield Money.parse(f"{number:f}", currency).minor
        except BadInputError:
            continue


def _days(documents: Sequence[Mapping[str, Any]]) -> Iterator[int]:
    for value in _values(documents, DELIVERED):
        digits = value.replace("-", "")
        if len(digits) == 8 and digits.isdigit():  # noqa: PLR2004 - year, month and day
            yield int(digits)
