import re

import pytest

from benchmarks.running import ROOT
from policy.authority import APPROVERS
from serving.access import RIGHTS, Action, allowed
from serving.contract.rights import BEGIN, END, rights_table
from serving.settings import Settings

# What each action opens, as a client would call it; refusals come before anything is read.
DOORS = {
    Action.RECOMMEND: ("POST", "/v1/recommendations"),
    Action.READ_RETURNS: ("GET", "/v1/recommendations?return_line_id=x"),
    Action.OUTCOME: ("POST", "/v1/recommendations/rec_x/outcome"),
    Action.REFERENCE_WRITE: ("PUT", "/v1/reference/sites/DAL1"),
    Action.REFERENCE_READ: ("GET", "/v1/reference/sites/DAL1"),
    Action.EVENTS: ("POST", "/v1/events"),
    Action.DOCUMENTS_WRITE: ("POST", "/v1/documents"),
    Action.DOCUMENTS_READ: ("GET", "/v1/documents/doc_x"),
    Action.DOCUMENTS_CORRECT: ("POST", "/v1/documents/doc_x/corrections"),
    Action.INBOX: ("GET", "/v1/approvals"),
    Action.VOTE: ("POST", "/v1/approvals/apr_x/votes"),
    Action.RECALL: ("POST", "/v1/approvals/apr_x/recall"),
    Action.FORECAST_READ: ("GET", "/v1/forecasts"),
    Action.FORECAST_OVERRIDE: ("POST", "/v1/forecasts/overrides"),
    Action.LABOR: ("GET", "/v1/labor-plan?site=DAL1"),
    Action.POLICY_READ: ("GET", "/v1/policies"),
    Action.POLICY_BACKTEST: ("POST", "/v1/policies/backtest"),
    Action.AUDIT: ("GET", "/v1/audit"),
    Action.METRICS: ("GET", "/v1/metrics/operations"),
    Action.WEBHOOKS: ("GET", "/v1/webhook-endpoints"),
    Action.KEYS: ("GET", "/v1/keys"),
    Action.QUALITY: ("GET", "/v1/quality-reviews"),
}


@pytest.mark.parametrize("action", Action)
def test_every_role_passes_exactly_the_doors_of_the_table(make_service, action):
    service = make_service()
    method, path = DOORS[action]
    for role in RIGHTS:
        status = service.call(method, path, role=role, json={}).status_code
        assert (status != 403) == allowed(role, action), (role, path, status)


@pytest.mark.parametrize("action", Action)
def test_no_door_opens_without_a_key(make_service, action):
    method, path = DOORS[action]
    answer = make_service().client.request(method, path, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "Bearer rk_unknown", "rk_bare"])
def test_a_wrong_credential_is_401(make_service, header):
    answer = make_service().client.get("/v1/approvals", headers={"Authorization": header})
    assert answer.status_code == 401


def test_a_key_in_the_query_opens_nothing(make_service):
    service = make_service()
    key = service.key_of("auditor", "emp:1")
    assert service.client.get(f"/v1/audit?key={key}&access_token={key}").status_code == 401


def test_an_expired_key_opens_nothing(make_service):
    service = make_service()
    key = service.key_of("auditor", "emp:2", days=1)
    headers = {"Authorization": f"Bearer {key}"}
    assert service.client.get("/v1/audit", headers=headers).status_code == 200
    service.clock.forward(days=2)
    assert service.client.get("/v1/audit", headers=headers).status_code == 401


def test_administrators_and_programs_vote_on_nothing():
    assert {role for role in RIGHTS if allowed(role, Action.VOTE)} == set(APPROVERS)


def test_auditors_read_everything_and_write_nothing():
    writes = {action for action in Action if not action.value.endswith(":read")}
    assert not RIGHTS["auditor"] & writes


def test_every_path_of_the_contract_is_documented(make_service):
    paths = make_service().client.get("/openapi.json").json()["paths"]
    documented = {re.sub(r"{[^}]+}", "{}", path) for path in paths}
    for path in (
        "/v1/recommendations",
        "/v1/recommendations/{}",
        "/v1/recommendations/batch",
        "/v1/recommendations/{}/outcome",
        "/v1/recommendations/{}/replay",
        "/v1/approvals",
        "/v1/approvals/{}",
        "/v1/approvals/{}/votes",
        "/v1/approvals/{}/delegate",
        "/v1/approvals/{}/recall",
        "/v1/reference/{}/{}",
        "/v1/events",
        "/v1/documents",
        "/v1/documents/{}",
        "/v1/documents/{}/corrections",
        "/v1/forecasts",
        "/v1/forecasts/issues",
        "/v1/forecasts/overrides",
        "/v1/forecasts/accuracy",
        "/v1/labor-plan",
        "/v1/policies",
        "/v1/policies/{}",
        "/v1/policies/backtest",
        "/v1/audit",
        "/v1/audit/verify",
        "/v1/metrics/operations",
        "/v1/webhook-endpoints",
    ):
        assert path in documented


def test_an_unknown_path_and_an_unknown_method_are_problems_too(make_service):
    client = make_service().client
    unknown, method = client.get("/v1/nothing"), client.delete("/v1/recommendations")
    assert (unknown.status_code, unknown.headers["content-type"]) == (404, "application/problem+json")
    assert (method.status_code, method.headers["content-type"]) == (405, "application/problem+json")
    assert "POST" in method.headers["Allow"]


def test_ids_of_the_caller_come_back(make_service):
    client = make_service().client
    trace = "0af7651916cd43dd8448eb211c80319c"
    sent = {"X-Request-ID": "order-17", "traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    answer = client.get("/v1/audit", headers=sent)
    assert answer.headers["X-Request-ID"] == "order-17"
    assert answer.headers["traceparent"].split("-")[1] == trace
    assert answer.json()["trace_id"] == trace


def test_every_setting_says_what_it_is_for():
    assert all(field.description for field in Settings.model_fields.values())


def test_the_table_in_the_docs_is_that_of_the_service(make_service):
    table = rights_table(make_service().client.get("/openapi.json").json())
    page = (ROOT / "docs" / "security.md").read_text()
    assert f"{BEGIN}\n{table}\n{END}" in page, table
