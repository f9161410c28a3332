"""A document and a return's whole story, read and corrected by people."""

import io

import numpy as np
import pypdfium2
import pytest
from PIL import Image

from features.documents import DocumentError, picture
from tests.serving.web.cases import a_case, a_form, a_story, approval_of
from training.simulator.forms import draw, layouts


@pytest.fixture(scope="module")
def form():
    return draw(layouts()["rma_boxed"], rng=np.random.default_rng(3)).png()


def test_a_page_is_drawn_in_the_proportions_of_the_original(form):
    drawn, original = (Image.open(io.BytesIO(data)) for data in (picture(form, page=1), form))
    assert drawn.format == "JPEG"
    assert drawn.width / drawn.height == pytest.approx(original.width / original.height, rel=0.01)


def test_a_page_of_a_pdf_is_drawn_too():
    pdf = pypdfium2.PdfDocument.new()
    pdf.new_page(300, 600)
    out = io.BytesIO()
    pdf.save(out)
    drawn = Image.open(io.BytesIO(picture(out.getvalue(), page=1)))
    assert drawn.height == pytest.approx(2 * drawn.width, abs=2)


@pytest.mark.parametrize("number", [0, 2, -1])
def test_a_page_that_is_not_there_is_refused(form, number):
    with pytest.raises(DocumentError):
        picture(form, page=number) if number else picture(form, page=99)


def test_fields_are_marked_corrected_and_kept_with_their_author(service, signed_in):
    case = a_case(service)
    document = a_form(service, case["return_line_id"])
    person = signed_in(service, "supervisor", subject="emp:8")
    page = person.get(f"/documents/{document}").text
    assert 'class="mark' in page
    drawn = person.get(f"/documents/{document}/pages/1")
    assert (drawn.status_code, drawn.headers["content-type"]) == (200, "image/jpeg")
    assert "private" in drawn.headers["cache-control"]
    changed = {"name": ["serial", "contact"], "was": ["SN-1", "Anika Rao"], "value": ["SN-9", "Anika Rao"]}
    answer = person.post(
        f"/documents/{document}/correct", page=f"/documents/{document}", form_key="k", **changed
    )
    assert answer.status_code == 303, answer.text
    stored = service.call("GET", f"/v1/documents/{document}", role="auditor").json()["corrections"]
    assert [(one["actor"], one["fields"]) for one in stored] == [
        ("emp:8", [{"name": "serial", "value": "SN-9"}])
    ]
    assert "corrected by emp:8" in person.get(f"/documents/{document}").text
    # Whoever changed what the case is judged on cannot decide it.
    inbox = person.get(f"/approvals?open={approval_of(case)}").text
    assert "You cannot decide this" in inbox


def test_documents_of_other_sites_are_out_of_reach(service, signed_in):
    document = a_form(service, a_case(service)["return_line_id"])
    person = signed_in(service, "supervisor", sites=("RNO1",))
    for path in (f"/documents/{document}", f"/documents/{document}/pages/1"):
        assert person.get(path).status_code == 403
    assert signed_in(service, "planner").get(f"/documents/{document}").status_code == 403


def test_the_story_of_a_return_holds_everything_in_order(service, signed_in):
    case = a_story(service)
    person = signed_in(service, "auditor")
    page = person.get(f"/returns/{case['return_line_id']}?replay={case['id']}").text
    told = page.partition('class="timeline"')[2]
    places = [
        told.find(said)
        for said in (
            "Recommended at authorization",
            "Approved",
            "Receipt confirmed",
            "Inspection completed",
            "Turned out",
        )
    ]
    assert -1 not in places
    assert places == sorted(places)
    assert "Identical: the recorded policy" in page
    assert "recommendation.issued" in page
    assert "Before guardrails" in page


def test_the_audit_trail_is_for_those_who_may_read_it(service, signed_in):
    line = a_case(service)["return_line_id"]
    assert "Audit trail" in signed_in(service, "auditor").get(f"/returns/{line}").text
    assert "Audit trail" not in signed_in(service, "supervisor").get(f"/returns/{line}").text


def test_a_return_that_nobody_knows_is_not_found(make_service, signed_in):
    answer = signed_in(make_service(), "supervisor").get("/returns/RMA-0/1")
    assert (answer.status_code, "There is nothing here" in answer.text) == (404, True)
