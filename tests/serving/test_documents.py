import numpy as np
import pytest

from ledger.evidence import Document
from serving.api.wire import RecommendationRequest
from serving.case.papers import from_documents
from serving.documents import between, printable
from tests.factories import a_line
from training.simulator.forms import draw, layouts


@pytest.fixture(scope="module")
def form():
    """A filled return form as a clean scan."""
    return draw(layouts()["rma_boxed"], rng=np.random.default_rng(3))


def post(service, data, **fields):
    return service.call("POST", "/v1/documents", files={"file": ("form.png", data)}, data=fields)


def test_a_scanned_form_becomes_fields_with_place_and_confidence(make_service, form):
    answer = post(make_service(), form.png())
    assert (answer.status_code, answer.json()["kind"]) == (201, "RETURN_FORM")
    truth = {one.field: one.value for one in form.truths}
    fields = {field["name"]: field for field in answer.json()["fields"]}
    assert fields["rma_number"]["value"] == truth["rma_number"]
    keys = {
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
    assert keys <= set(fields["rma_number"])


def test_the_document_and_its_corrections_can_be_read_again(make_service, form):
    service = make_service()
    document = post(service, form.png()).json()["id"]
    body = {"fields": [{"name": "serial", "value": "SN-1"}], "comment": "read by eye"}
    assert service.call("POST", f"/v1/documents/{document}/corrections", json=body).status_code == 201
    again = service.call("GET", f"/v1/documents/{document}").json()
    assert again["corrections"][0]["fields"] == body["fields"]
    assert again["corrections"][0]["actor"] == "emp:orchestrator"


def test_a_document_of_a_return_is_for_the_keys_of_its_site(make_service, form):
    service = make_service()
    line = service.recommend(a_line()).json()["return_line_id"]
    path = f"/v1/documents/{post(service, form.png(), return_line_id=line).json()['id']}"
    statuses = [
        service.call("GET", path, role="supervisor", sites=sites).status_code
        for sites in (("RNO1",), ("DAL1",), ())
    ]
    body = {"fields": [{"name": "serial", "value": "SN-1"}]}
    statuses.append(service.call("POST", f"{path}/corrections", json=body, sites=("RNO1",)).status_code)
    assert statuses == [403, 200, 200, 403]


def test_a_document_that_was_erased_is_not_there_any_more(make_service):
    service = make_service()
    erased = Document("doc_1", "", "OTHER", "", {}, "emp:2", service.clock())
    with service.ledger.write() as tx:
        tx.add_document(erased)
    assert service.call("GET", "/v1/documents/doc_1").json()["code"] == "not_found"


def test_a_document_is_evidence_that_a_policy_can_demand(service, form):
    damaged = {
        "reason": "DAMAGED_IN_TRANSIT",
        "credit_requested__amount": "300.00",
        "sale__price_paid": "300.00",
    }
    before = service.recommend(a_line(**damaged)).json()
    assert before["status"] == "held"
    photo = post(service, form.png(), kind="OTHER", evidence="PHOTO").json()["id"]
    after = service.recommend(a_line(**damaged, document_ids=[photo], revises=before["id"])).json()
    assert "OPS-05" not in {rule["id"] for rule in after["guardrails"]}


def test_evidence_of_one_return_is_none_for_another(service, form):
    line = a_line(return_line_id="RMA-7/1", rma_number="RMA-7")
    photo = post(service, form.png(), return_line_id="RMA-7/2", evidence="PHOTO").json()["id"]
    assert service.recommend(line | {"document_ids": [photo]}).status_code == 201
    other = a_line(return_line_id="RMA-8/1", rma_number="RMA-8", document_ids=[photo])
    answer = service.recommend(other)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_input")
    assert service.recommend(other | {"rma_number": None}).status_code == 422


def test_an_unknown_document_is_refused(service):
    assert service.recommend(a_line(document_ids=["doc_nothing"])).status_code == 404


@pytest.mark.parametrize(
    ("data", "status"), [(b"", 422), (b"%PDF-1.7 broken", 422), (b"GIF89a....", 415), (b"plain words", 415)]
)
def test_what_cannot_be_read_is_refused_and_writes_nothing(make_service, data, status):
    service = make_service()
    service.key_of("orchestrator", "emp:orchestrator")
    before = service.ledger.verify().entries
    answer = post(service, data)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert service.ledger.verify().entries == before


def test_the_senders_file_name_never_becomes_a_path(make_service, form, tmp_path):
    service = make_service()
    answer = service.call("POST", "/v1/documents", files={"file": ("../../etc/passwd", form.png())})
    assert answer.status_code == 201
    kept = [path for path in tmp_path.rglob("*") if path.suffix == ".png"]
    assert [path.parent.name for path in kept] == ["documents"]


def test_a_document_that_contradicts_the_request_shows_both_values(service, form):
    truth = {one.field: one.value for one in form.truths}
    service.recommend(a_line(rma_number="RMA-0000"))
    line = a_line()["return_line_id"]
    said = post(service, form.png(), return_line_id=line).json()
    expected = f"rma_number: the document says '{truth['rma_number']}', the request 'RMA-0000'."
    assert expected in said["reasons"]
    assert said["needs_review"]


def test_a_number_that_no_return_goes_by_is_named(service, form):
    truth = {one.field: one.value for one in form.truths}
    said = post(service, form.png()).json()
    assert f"rma_number: nothing in the ledger goes by '{truth['rma_number']}'." in said["reasons"]


def test_a_proof_of_delivery_is_set_beside_the_bill_of_lading_of_its_line():
    bill = {"name": "bol.pdf", "fields": [{"name": "pieces", "value": "12"}], "items": []}
    proof = {"name": "pod.pdf", "fields": [{"name": "pieces", "value": "11"}], "items": []}
    assert between(proof, bill) == ["pieces: this document says '11', bol.pdf '12'."]
    assert between(bill, bill) == []


def test_what_a_document_says_cannot_steer_a_terminal():
    assert printable("a\x1b[31mb\n") == "a [31mb "


def test_a_document_that_contradicts_the_request_sends_its_credit_to_a_person(make_service, form):
    service = make_service()
    document = post(service, form.png()).json()["id"]
    asked = a_line(return_line_id="RMA-0000/1", rma_number="RMA-0000", document_ids=[document])
    fired = {rule["id"] for rule in service.recommend(asked).json()["guardrails"]}
    assert "OPS-12" in fired


def test_what_people_corrected_in_a_document_is_the_fact():
    paper = {
        "document": "doc_1",
        "items": (),
        "fields": {"pieces": "9", "delivery_date": "2026-03-02", "credit_amount": "1,5"},
    }
    other = {
        "document": "doc_2",
        "items": (),
        "fields": {"pieces": "7", "claim_amount": "120.50", "rma_number": "RMA-1"},
    }
    line = RecommendationRequest.model_validate(a_line(rma_number="RMA-1")).line()
    assert from_documents([], line) == {"documents.contradict": False}
    assert from_documents([paper, other], line) == {
        "documents.contradict": True,
        "documents.pieces": 7,
        "documents.amount": 12050,
        "documents.delivered_on": 20260302,
    }
