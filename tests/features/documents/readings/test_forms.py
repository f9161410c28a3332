"""Tables, ticks and signatures are read from forms as they were printed."""

from __future__ import annotations

import io

import numpy as np
import pikepdf
import pytest
from PIL import Image

from features.documents import Document, Limits, read
from training.simulator.forms import Form, draw, layouts
from training.simulator.readings import plainly

LIMITS = Limits(seconds=120)


def a_form(layout: str, seed: int = 2) -> Form:
    return draw(layouts()[layout], rng=np.random.default_rng(seed))


def rows_of(document: Document) -> list[dict[str, str]]:
    return [{field.name: plainly(field.value) for field in item.fields} for item in document.items]


def written_rows(form: Form) -> list[dict[str, str]]:
    numbers = sorted({truth.line for truth in form.truths if truth.line is not None})
    return [
        {truth.field: plainly(truth.value) for truth in form.truths if truth.line == number}
        for number in numbers
    ]


@pytest.mark.parametrize(
    "layout", [name for name, layout in layouts().items() if layout.table and layout.style != "receipt"]
)
def test_the_rows_of_a_table_are_read_cell_by_cell(layout: str):
    form = a_form(layout)
    assert rows_of(read(form.digital(), limits=LIMITS)) == written_rows(form)


@pytest.mark.parametrize("layout", [name for name, layout in layouts().items() if layout.language == "de"])
def test_german_forms_are_read_as_english_ones_are(layout: str):
    form = a_form(layout)
    document = read(form.digital(), limits=LIMITS)
    assert document.kind == form.kind
    found = {field.name: plainly(field.value) for field in document.fields}
    for truth in form.truths:
        if truth.line is None:
            assert found[truth.field] == plainly(truth.value)


@pytest.mark.parametrize("seed", range(6))
def test_the_ticked_option_is_the_value_and_a_signature_is_there_or_not(seed: int):
    form = a_form("rma_colon", seed)
    document = read(form.digital(), limits=LIMITS)
    for truth in form.truths:
        if truth.field in {"resolution", "signature"}:
            field = document.field(truth.field)
            assert field is not None
            assert (field.value, field.type) == (truth.value, "mark")


def test_a_scan_shows_its_ticks_and_signature_too():
    form = a_form("vendor_return", 5)
    document = read(form.png(), limits=LIMITS)
    said = {truth.field: truth.value for truth in form.truths}
    for name in ("condition", "signature"):
        field = document.field(name)
        assert field is not None
        assert field.value == said[name]


def layered(form: Form, text: str) -> bytes:
    """The scan of a form under a text layer that nobody sees."""
    scan, target = io.BytesIO(form.pdf()), io.BytesIO()
    with pikepdf.open(scan) as pdf:
        page = pdf.pages[0]
        font = pikepdf.Dictionary(
            Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica
        )
        page.Resources.Font = pikepdf.Dictionary(F9=pdf.make_indirect(font))
        page.contents_add(f"q BT 3 Tr /F9 10 Tf 60 700 Td ({text}) Tj ET Q".encode())
        pdf.save(target)
    return target.getvalue()


def test_a_text_layer_that_says_other_than_the_page_shows_is_not_believed():
    form = a_form("rma_over")
    document = read(
        layered(form, "RETURN FORM RMA Number: RMA-000000 Customer: Somebody Else"), limits=LIMITS
    )
    truth = next(truth for truth in form.truths if truth.field == "request_date")
    field = document.field("request_date")
    assert document.pages[0].source == "ocr"
    assert field is not None
    assert field.value == truth.value
    assert all(word.text != "Somebody" for word in document.words)


def test_a_picture_without_text_says_nothing():
    blank = io.BytesIO()
    Image.new("L", (400, 300), 255).save(blank, "PNG")
    document = read(blank.getvalue(), limits=LIMITS)
    assert (document.fields, document.items) == ((), ())
    assert document.needs_review
