import csv
import io
import json
from datetime import date, timedelta

import openpyxl
import pytest

from ledger.forecasts import ForecastIssue, ForecastRow
from policy.policies import DEFAULT_RULES, files_of
from tests.factories import a_line
from tests.serving.conftest import NOON


def an_event(**changes):
    return {
        "specversion": "1.0",
        "id": "1",
        "source": "wms",
        "type": "returns.receipt.confirmed.v1",
        "subject": "RMA-1001/1",
        "time": "2026-11-20T11:00:00Z",
        "data": {},
    } | changes


def test_master_data_have_versions(make_service):
    service = make_service()
    path = "/v1/reference/contracts/C-77"
    assert service.call("PUT", path, json={"window_days": 30}).status_code == 201
    service.clock.forward(days=1)
    assert service.call("PUT", path, json={"window_days": 60}).json()["version"] == 2
    assert service.call("GET", path).json()["body"] == {"window_days": 60}
    assert service.call("GET", f"{path}?as_of=2026-11-20T13:00:00Z").json()["body"] == {"window_days": 30}
    assert service.call("GET", "/v1/reference/contracts/C-1").status_code == 404
    assert service.call("PUT", "/v1/reference/secrets/1", json={}).status_code == 400


def test_a_contract_widens_the_window_it_grants(service):
    old = {"reason": "WRONG_ITEM", "sale__sold_at": "2026-10-01T00:00:00Z"}
    before = service.recommend(a_line(**old)).json()
    assert "OPS-02" in {rule["id"] for rule in before["guardrails"]}
    service.call("PUT", "/v1/reference/contracts/C-77", json={"window_days": 90})
    after = service.recommend(a_line(**old, revises=before["id"])).json()
    assert "OPS-02" not in {rule["id"] for rule in after["guardrails"]}


def test_a_recalled_product_is_never_sold_again(service):
    service.call("PUT", "/v1/reference/recalls/R-1", json={"skus": ["DRL-18V"]})
    disposition = service.recommend(a_line()).json()["disposition"]
    assert disposition["recommended"] not in {
        "RESTOCK",
        "REPACKAGE_RESTOCK",
        "OPEN_BOX_RESALE",
        "LIQUIDATE",
        "DONATE",
    }


def test_a_suppliers_share_becomes_a_claim(service):
    service.call("PUT", "/v1/reference/suppliers/S-3", json={"recoverable_percent": 50})
    claim = service.recommend(a_line()).json()["supplier_claim"]
    assert claim["recoverable"] == {"amount": "40.00", "currency": "USD"}


def test_a_share_of_a_cost_that_nobody_told_goes_to_a_person(service):
    service.call("PUT", "/v1/reference/suppliers/S-3", json={"recoverable_percent": 50})
    inspected = {"stage": "SETTLEMENT", "inspection": {"grade": "B", "serial_found": "SN-9"}}
    asked = service.recommend(a_line(**inspected, item__unit_cost=None)).json()
    fired = {rule["id"]: rule["sentence"] for rule in asked["guardrails"]}
    assert "Not known: supplier.recoverable." in fired["FIN-07"]
    assert asked["supplier_claim"] is None


def test_a_site_with_room_in_the_region_is_preferred(service):
    service.call("PUT", "/v1/reference/sites/RNO1", json={"region": "US-WEST", "free_capacity": 100})
    service.call("PUT", "/v1/reference/sites/DAL1", json={"region": "US-SOUTH", "free_capacity": 100})
    assert service.recommend(a_line()).json()["routing"]["site"] == "DAL1"


def test_events_are_taken_once_in_any_order(make_service):
    service = make_service()
    batch = [
        an_event(id="2", time="2026-11-20T12:00:00Z"),
        an_event(id="1"),
        an_event(id="2", time="2026-11-20T12:00:00Z"),
    ]
    assert service.call("POST", "/v1/events", json=batch).json() == {"accepted": 3, "new": 2}
    assert service.call("POST", "/v1/events", json=an_event()).json() == {"accepted": 1, "new": 0}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"type": "returns.nothing.v1"}, "/type"),
        ({"time": "yesterday"}, "/time"),
        ({"specversion": "0.3"}, "/specversion"),
    ],
)
def test_a_wrong_event_is_refused_by_its_place(make_service, change, pointer):
    answer = make_service().call("POST", "/v1/events", json=an_event(**change))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


def test_operations_metrics_count_what_is_still_open(make_service):
    service = make_service()
    times = {"receipt.confirmed": "08:00", "inspection.completed": "11:00"}
    events = [
        an_event(id=kind, type=f"returns.{kind}.v1", time=f"2026-11-20T{at}:00Z")
        for kind, at in times.items()
    ]
    events.append(an_event(id="open", subject="RMA-2/1", time="2026-11-20T02:00:00Z"))
    service.call("POST", "/v1/events", json=events)
    metrics = service.call("GET", "/v1/metrics/operations", role="planner").json()["metrics"]
    waiting = metrics["receiving_to_inspection_time"]
    assert (waiting["median"], waiting["closed"], waiting["open"], waiting["oldest_open"]) == (
        3.0,
        1,
        1,
        10.0,
    )


@pytest.fixture
def issued(make_service):
    """Two days, two families and their total, issued."""
    service = make_service()
    days = [date(2026, 11, 21) + timedelta(days=n) for n in range(2)]
    rows = [
        ForecastRow("US-SOUTH", family, day, 10.0 * n, 5.0 * n, 10.0 * n, 12.0 * n, 14.0 * n, 15.0 * n)
        for day in days
        for family, n in (("hvac", 1), ("food", 2), ("*", 3))
    ]
    with service.ledger.write() as tx:
        tx.add_forecast_issue(ForecastIssue("fc_1", NOON, "v1", "sha256:0", "service:test", NOON), rows)
    service.call("PUT", "/v1/reference/sites/DAL1", json={"region": "US-SOUTH"})
    return service


def test_a_forecast_reads_the_same_as_json_csv_and_xlsx(issued):
    path = "/v1/forecasts?region=US-SOUTH&family=hvac"
    rows = issued.call("GET", path, role="planner").json()["rows"]
    text = issued.call("GET", path, role="planner", headers={"Accept": "text/csv"}).text
    xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    book = openpyxl.load_workbook(
        io.BytesIO(issued.call("GET", path, role="planner", headers={"Accept": xlsx}).content)
    )
    from_csv = [row["q90"] for row in csv.DictReader(io.StringIO(text))]
    from_xlsx = [row[7] for row in list(book.active.iter_rows(values_only=True))[1:]]
    assert [row["q90"] for row in rows] == [float(value) for value in from_csv] == from_xlsx == [14.0, 14.0]
    assert set(rows[0]) == {"region", "family", "ds", "mean", "q10", "q50", "q80", "q90", "q95", "issue"}


def test_an_override_stands_beside_the_forecast_with_author_and_reason(issued):
    body = {
        "issue": "fc_1",
        "region": "US-SOUTH",
        "family": "hvac",
        "ds": "2026-11-21",
        "value": 20.0,
        "reason": "sale",
    }
    assert issued.call("POST", "/v1/forecasts/overrides", role="planner", json=body).status_code == 201
    answer = issued.call("GET", "/v1/forecasts?family=hvac", role="planner").json()
    assert (answer["rows"][0]["q50"], answer["overrides"][0]["value"], answer["overrides"][0]["actor"]) == (
        10.0,
        20.0,
        "emp:planner",
    )
    nowhere = issued.call("POST", "/v1/forecasts/overrides", role="planner", json=body | {"family": "toys"})
    assert nowhere.status_code == 404


def test_the_labour_plan_follows_the_formulas(issued):
    day = issued.call("GET", "/v1/labor-plan?site=DAL1&service_level=0.9", role="planner").json()["rows"][0]
    hours = 42.0 * 10.0 / 60 * 1.15 / 0.85  # units at P90, minutes a unit, allowance, utilisation
    assert day["units"] == 42.0
    assert day["hours"] == pytest.approx(hours, abs=0.01)
    assert (day["heads"], day["dock_doors"]) == (2, 1)


def test_a_site_without_a_region_has_no_plan(issued):
    answer = issued.call("GET", "/v1/labor-plan?site=MOON", role="planner")
    assert (answer.status_code, answer.json()["code"]) == (404, "site_unknown")


def test_a_candidate_policy_is_tried_on_what_was_recorded(service):
    service.recommend(a_line(reason="UNWANTED"))
    service.key_of("data_scientist", "emp:data_scientist")
    files = files_of(DEFAULT_RULES)
    before = service.ledger.verify().entries
    answer = service.call(
        "POST", "/v1/policies/backtest", role="data_scientist", json={"files": files}
    ).json()
    assert answer["recommendations"] == 1
    assert answer["examples"] == []
    assert service.ledger.verify().entries == before
    broken = service.call(
        "POST", "/v1/policies/backtest", role="data_scientist", json={"files": {"finance.yaml": "x"}}
    )
    assert broken.status_code == 422


def test_the_policy_in_force_is_recorded_under_its_digest(make_service):
    service = make_service()
    digest = service.call("GET", "/v1/policies", role="auditor").json()["digest"]
    files = service.call("GET", f"/v1/policies/{digest}", role="auditor").json()["files"]
    assert {"finance.yaml", "operations.yaml", "compliance.yaml"} <= set(files)


def test_webhooks_to_private_addresses_are_refused(make_service):
    for url in ("http://127.0.0.1/x", "http://10.0.0.1/", "http://[::1]/", "http://169.254.169.254/latest"):
        answer = make_service().call("POST", "/v1/webhook-endpoints", role="admin", json={"url": url})
        assert (answer.status_code, answer.json()["code"]) == (422, "webhook_private")


def test_the_overview_page_holds_no_return(service):
    service.recommend(a_line())
    page = service.client.get("/")
    assert page.status_code == 200
    assert "RMA-1001" not in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_the_openapi_document_is_plain_json_31(make_service):
    document = make_service().client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert json.loads(json.dumps(document)) == document
