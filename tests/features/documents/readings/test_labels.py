"""Labels are told from sentences, and papers from each other."""

from __future__ import annotations

import pytest

from features.documents.document import Box, Kind, Word
from features.documents.layout import Phrase
from features.documents.readings.labels import classify, find_labels, normal


def phrase(text: str, *, row: int = 0) -> Phrase:
    words, left = [], 0.0
    for part in text.split():
        box = Box(left, row * 20.0, left + 8 * len(part), row * 20.0 + 10)
        words.append(Word(part, 0.95, 1, box, ((box.left, box.top),) * 4))
        left = box.right + 4
    return Phrase(tuple(words), row)


@pytest.mark.parametrize("text", ["RMA #", "RMA No.", "RMA Number:", "rma#"])
def test_ways_of_writing_number_are_one(text: str):
    assert normal(text) == "rma no"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Return Authorization Number", "rma_number"),
        ("Original Order Number: SO-1", "order_number"),
        ("P.O. # 4711", "po_number"),
        ("2. Registration No.", "registration_number"),
        ("Reason for Retum", "reason"),  # one letter misread
        ("Total (RM) : 112.45", "total"),
    ],
)
def test_a_label_is_known_under_its_names_on_real_forms(text: str, name: str):
    assert [label.name for label in find_labels(phrase(text), kind=Kind.OTHER)] == [name]


@pytest.mark.parametrize(
    "text",
    [
        "Contract Agreement Between the parties named above and below",
        "Please keep the original receipt for your own records at all times",
        "Registrant is retained to provide the foreign principal with advice and assistance",
    ],
)
def test_the_words_of_a_label_inside_a_sentence_name_nothing(text: str):
    assert find_labels(phrase(text), kind=Kind.OTHER) == []


def test_a_label_of_its_own_is_kept_under_its_own_name():
    (label,) = find_labels(phrase("Station Manager: Jane Roe"), kind=Kind.OTHER)
    assert (label.name, label.text) == ("station_manager", "Station Manager")


def test_a_bare_date_means_what_the_paper_is_about():
    names = {kind: find_labels(phrase("Date: 1/2/2026"), kind=kind)[0].name for kind in Kind}
    assert names == {
        Kind.RETURN_FORM: "request_date",
        Kind.PROOF_OF_DELIVERY: "delivery_date",
        Kind.SUPPLIER_CLAIM: "claim_date",
        Kind.OTHER: "date",
    }


def test_two_labels_on_one_row_are_both_found():
    found = find_labels(phrase("Order #: SO-1 Invoice #: INV-2"), kind=Kind.RETURN_FORM)
    assert [label.name for label in found] == ["order_number", "invoice_number"]


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        (["PRODUCT RETURN FORM", "RMA #"], Kind.RETURN_FORM),
        (["PROOF OF DELIVERY", "Received by"], Kind.PROOF_OF_DELIVERY),
        (["Claim form", "Amount claimed"], Kind.SUPPLIER_CLAIM),
        (["TAX INVOICE", "Total"], Kind.OTHER),
        (["Residential Mortgage Application", "RMA"], Kind.OTHER),  # RMA is also a mortgage form
    ],
)
def test_a_paper_is_of_the_kind_that_its_title_says(lines: list[str], kind: Kind):
    assert classify([phrase(line, row=row) for row, line in enumerate(lines)])[0] is kind
