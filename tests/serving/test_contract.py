"""The contract in HTTP's own terms: the document, bodies, media types, refusals."""

import json
import re

import pytest
from openapi_spec_validator import validate

from serving.access import RIGHTS
from serving.contract.body import DEPTH
from serving.operations.tables import KINDS, chosen
from tests.factories import LINE, a_line

RECOMMEND = "/v1/recommendations"


def post(service, body, *, path=RECOMMEND, **headers):
    """Post bytes as the orchestrator."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return service.call("POST", path, content=body, headers={"Content-Type": "application/json"} | names)


@pytest.fixture
def document(make_service):
    return make_service().client.get("/openapi.json").json()


def test_the_openapi_document_is_valid(document):
    """A linter accepts it, and every link leads to an operation that there is."""
    validate(document)
    operations = [one for path in document["paths"].values() for one in path.values()]
    ids = [one.get("operationId") for one in operations]
    linked = {
        link["operationId"]
        for one in operations
        for answer in one["responses"].values()
        for link in answer.get("links", {}).values()
    }
    assert linked <= set(ids)
    assert len(set(filter(None, ids))) == len(list(filter(None, ids)))


def test_every_call_names_its_roles_and_refusals(document):
    """Whoever may call stands beside the call; no status is left to a default."""
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if not path.startswith("/v1/"):
                continue
            assert operation["security"] == [{"key": []}]
            assert set(operation["x-roles"]) <= set(RIGHTS)
            assert {"401", "403", "503"} <= set(operation["responses"])
            assert "default" not in operation["responses"]


def test_the_example_of_the_document_is_recommended_as_it_stands(service, document):
    """And it is the example that the contract gives."""
    example = document["paths"][RECOMMEND]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert example == LINE
    assert service.recommend(example).json()["status"] == "cleared"


MALFORMED = {
    "cut off": b'{"a":',
    "NaN": b'{"quantity": NaN}',
    "infinite": b'{"quantity": 1e999}',
    "a name twice": b'{"quantity": 1, "quantity": 2}',
    "thousands of digits": b'{"quantity": ' + b"9" * 5000 + b"}",
    "nested without end": b"[" * 100_000,
    "nested too deep": b'{"a":' * (DEPTH + 2) + b"1" + b"}" * (DEPTH + 2),
    "not UTF-8": '{"a": "é"}'.encode("latin-1"),
    "UTF-16": "{}".encode("utf-16"),
    "no object": b"[1]",
    "nothing": b"",
}


@pytest.mark.parametrize("case", MALFORMED)
@pytest.mark.parametrize("path", [RECOMMEND, "/v1/events"])
def test_json_that_two_readers_may_read_differently_is_malformed(make_service, case, path):
    """400, and not a word of the body comes back."""
    answer = post(make_service(), MALFORMED[case], path=path)
    if path == "/v1/events" and case == "no object":
        assert answer.status_code == 422  # a list is a batch, its first entry no event
        return
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("text", [r"\u0000", r"\ud800"])
def test_text_that_no_store_keeps_is_named(make_service, text):
    answer = post(make_service(), b'{"attributes": {"a/b": "x%s"}}' % text.encode())
    assert (answer.status_code, answer.json()["code"]) == (422, "beyond_limits")
    assert answer.json()["errors"][0]["pointer"] == "/attributes/a~1b"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/json; charset=latin-1"},
        {"Content_Type": "multipart/form-data; boundary=x"},
        {"Content_Encoding": "gzip"},
    ],
)
@pytest.mark.parametrize("path", [RECOMMEND, "/v1/events"])
def test_another_media_type_charset_or_coding_is_unsupported(make_service, headers, path):
    answer = post(make_service(), b"{}", path=path, **headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_what_is_wrong_with_a_body_is_said_only_to_those_who_may_call(make_service):
    """First 401, then 403, then the body."""
    service = make_service()
    assert service.client.post(RECOMMEND, content=b"{").status_code == 401
    assert service.call("POST", RECOMMEND, role="planner", content=b"{").status_code == 403
    assert service.call("POST", "/v1/documents", role="planner", content=b"{").status_code == 403


def test_every_pointer_leads_into_the_body(service):
    """Places of a union or of a rule over several fields are places of what was sent."""
    line = a_line(attributes={"a": {"b": 1}, "c": True}, sale__sold_at="2026-12-01T00:00:00Z")
    found = service.recommend(line).json()
    assert {error["pointer"] for error in found["errors"]} == {"/attributes/a", "/attributes/c"}
    found = service.recommend(a_line(sale__sold_at="2026-12-01T00:00:00Z")).json()
    assert (found["code"], found["errors"][0]["pointer"]) == ("inconsistent", "/sale/sold_at")


def test_two_is_a_whole_number_however_it_is_written(service):
    """JSON has one kind of number."""
    body = re.sub(rb'"quantity": 1\b', b'"quantity": 1.0', json.dumps(a_line()).encode(), count=1)
    assert post(service, body).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("HEAD", "/nothing", 404, None),
        ("TRACE", "/nothing", 404, None),
        ("GET", "/v1/recommendations/", 404, None),
        ("HEAD", "/v1/approvals", 405, "GET"),
        ("OPTIONS", "/v1/recommendations/batch", 405, "POST"),
        ("DELETE", "/openapi.json", 405, "GET"),
    ],
)
def test_what_is_not_there_says_what_is(make_service, method, path, status, allow):
    answer = make_service().client.request(method, path)
    assert (answer.status_code, answer.headers.get("Allow")) == (status, allow)
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_unknown_id_is_not_echoed(make_service):
    answer = make_service().call("GET", f"{RECOMMEND}/x-marks-the-spot")
    assert answer.status_code == 404
    assert "x-marks-the-spot" not in answer.text


def test_filters_left_empty_narrow_nothing(make_service):
    service = make_service()
    assert service.call("GET", "/v1/approvals?role=&site=&after=", role="auditor").status_code == 200
    assert service.call("GET", "/v1/forecasts?region=&family=&issue=", role="planner").status_code == 200


@pytest.mark.parametrize("cursor", ["%00", "garbage", "%F0%9F%98%80", "x" * 300])
def test_a_cursor_that_is_none_gives_no_failure(make_service, cursor):
    for path in ("/v1/approvals?", "/v1/recommendations?return_line_id=x&"):
        answer = make_service().call("GET", f"{path}after={cursor}", role="auditor")
        assert answer.status_code in {200, 400}


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", KINDS[0]),
        ("*/*", KINDS[0]),
        ("text/html,application/xhtml+xml,*/*;q=0.8", KINDS[0]),
        ("text/*", "text/csv"),
        ("application/json;q=0.5, text/csv", "text/csv"),
        ("text/csv;q=0, */*", KINDS[0]),
        (KINDS[2], KINDS[2]),
    ],
)
def test_the_form_is_the_one_that_accept_likes_best(accept, kind):
    assert chosen(accept) == kind


def test_a_form_that_cannot_be_given_is_not_acceptable(make_service):
    answer = make_service().call("GET", "/v1/forecasts", role="planner", headers={"Accept": "image/png"})
    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")


def test_the_reference_page_needs_nothing_from_elsewhere(make_service):
    """No script, no other host, and every call is on it."""
    service = make_service()
    page = service.client.get("/docs")
    assert page.status_code == 200
    assert "<script" not in page.text
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page.text)
    for path in service.client.get("/openapi.json").json()["paths"]:
        assert path in page.text
