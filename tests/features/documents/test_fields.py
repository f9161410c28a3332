"""The best reading is chosen, the others are kept, and doubts are named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from features.documents.document import Document, Extraction, Kind, Proposal
from features.documents.fields import assemble

SQUARE = ((0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0))


def a_reading(
    name: str, value: str, *, score: float = 0.9, kind: str = "identifier", parsed: bool = True
) -> Proposal:
    return Proposal(
        name=name,
        label=name,
        raw=value,
        value=value,
        type=kind,
        currency=None,
        parsed=parsed,
        page=1,
        polygon=SQUARE,
        method="same",
        confidence=1.0,
        score=score,
        features=(0.0,) * 15,
    )


def an_extraction(*readings: Proposal, kind: Kind = Kind.OTHER) -> Extraction:
    return Extraction(
        kind,
        1.0,
        "MDY",
        date_order_known=False,
        pages=(),
        words=(),
        barcodes=(),
        candidates=(),
        proposals=readings,
    )


@dataclass(frozen=True)
class Believing:
    """A ranker that believes what it is told to."""

    beliefs: tuple[float, ...]
    accept: float = 0.95

    def __call__(self, proposals: Sequence[Proposal]) -> Sequence[float]:
        return self.beliefs[: len(proposals)]


def reasons(document: Document) -> str:
    return " ".join(document.reasons)


def test_the_likeliest_reading_wins_and_the_next_is_kept():
    found = assemble(an_extraction(a_reading("item", "A1"), a_reading("item", "B2", score=0.5)), name="x")
    field = found.field("item")
    assert field is not None
    assert (field.value, [other.value for other in field.alternatives]) == ("A1", ["B2"])


def test_a_ranker_overrules_the_rules():
    readings = an_extraction(a_reading("item", "A1"), a_reading("item", "B2", score=0.5))
    field = assemble(readings, name="x", ranker=Believing((0.2, 0.8))).field("item")
    assert field is not None
    assert (field.value, field.confidence) == ("B2", 0.8)


def test_a_date_that_could_be_two_days_offers_both_and_goes_to_a_person():
    reading = replace(a_reading("date", "2026-03-04", kind="date"), raw="03/04/2026")
    found = assemble(an_extraction(reading), name="x")
    field = found.field("date")
    assert field is not None
    assert [other.value for other in field.alternatives] == ["2026-04-03"]
    assert found.needs_review
    assert "order MDY" in reasons(found)


def test_a_line_total_that_is_not_quantity_times_price_goes_to_a_person():
    def claim(total: str) -> Document:
        amounts = {"quantity": "3", "unit_price": "10.00", "line_total": total}
        return assemble(an_extraction(*(a_reading(n, v, kind="money") for n, v in amounts.items())), name="x")

    assert "3 x 10.00 is not 31.00" in reasons(claim("31.00"))
    assert "is not" not in reasons(claim("30.00"))


def test_a_form_without_what_it_is_for_goes_to_a_person():
    found = assemble(an_extraction(a_reading("item", "A1"), kind=Kind.RETURN_FORM), name="x")
    assert "None of rma_number, order_number" in reasons(found)


def test_a_value_of_the_wrong_type_is_named():
    found = assemble(an_extraction(a_reading("total", "n/a", kind="money", parsed=False)), name="x")
    assert "does not read as one" in reasons(found)


def test_the_rules_alone_accept_nothing_without_a_person():
    field = assemble(an_extraction(a_reading("item", "A1")), name="x").field("item")
    assert field is not None
    assert not field.accepted


def test_what_is_surely_read_is_accepted_until_a_check_speaks_against_it():
    def accepted(total: str) -> bool:
        amounts = {"quantity": "3", "unit_price": "10.00", "line_total": total}
        readings = an_extraction(*(a_reading(n, v, kind="money") for n, v in amounts.items()))
        field = assemble(readings, name="x", ranker=Believing((0.99,) * 3)).field("line_total")
        assert field is not None
        return field.accepted

    assert accepted("30.00")
    assert not accepted("31.00")
