"""The pages with figures: what they show is what the API says, to whom their role allows it."""

import csv
import io
import json
from dataclasses import replace

import openpyxl
import pytest

from serving.case.shadow import Shadow
from serving.web.charts import drawing
from serving.web.formats import DEFAULT, written_percent
from tests.serving.test_shadow import _stricter
from tests.serving.web.boards.world import a_card, fill, keep_card, watched
from tests.serving.web.conftest import NARROW, WIDE, fits, serious

PAGES = ("/", "/forecast", "/labor?site=DAL1", "/models", "/policies")
SEEN_BY = {
    "planner": {"/", "/forecast", "/labor?site=DAL1"},
    "data_scientist": {"/", "/forecast", "/models", "/policies"},
    "auditor": set(PAGES),
    "manager": {"/", "/models", "/policies"},
    "admin": {"/", "/models", "/policies"},
    "orchestrator": {"/"},
}


@pytest.fixture
def filled(make_service, tmp_path):
    service = make_service()
    fill(service, tmp_path, lines=6, history=1)
    return service


@pytest.mark.parametrize("role", SEEN_BY)
def test_a_role_sees_its_pages_and_their_names_and_no_others(make_service, signed_in, role):
    service = make_service()
    service.call("PUT", "/v1/reference/sites/DAL1", json={"region": "US-SOUTH"})
    person = signed_in(service, role)
    assert {path for path in PAGES if person.get(path).status_code == 200} == SEEN_BY[role]
    assert all(person.get(path).status_code == 403 for path in set(PAGES) - SEEN_BY[role])
    menu = person.get("/").text
    assert {path for path in PAGES if f'<a href="{path.partition("?")[0]}"' in menu} == SEEN_BY[role]


def test_nobody_sees_metrics_before_sign_in(filled):
    text = filled.client.get("/").text
    assert "Queue ageing" not in text
    assert 'href="/sign-in"' in text


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/", "None. Train and promote"),
        ("/forecast", "No forecast has been issued yet"),
        ("/labor", "No site is known yet"),
        ("/models", "No model of this task is here"),
        ("/policies", "Nothing was recommended yet"),
    ],
)
def test_a_page_without_anything_says_so_and_what_to_do(make_service, signed_in, path, words):
    answer = signed_in(make_service(), "auditor").get(path)
    assert answer.status_code == 200
    assert words in answer.text


def test_the_charts_are_those_that_altair_draws():
    for name in drawing.CHARTS:
        file = drawing.FOLDER / f"{name}.json"
        assert file.read_text() == drawing.written(name), "run python -m serving.web.charts.drawing"


def test_the_forecast_page_tells_the_figures_of_the_api(filled, signed_in):
    person = signed_in(filled, "planner")
    text = person.get("/forecast?region=US-SOUTH&family=apparel").text
    rows = filled.call("GET", "/v1/forecasts?region=US-SOUTH&family=apparel", role="planner").json()["rows"]
    assert text.count('scope="row" class="day"') == len(rows) == 28
    told = "region=US-SOUTH&family=apparel"
    accuracy = filled.call("GET", f"/v1/forecasts/accuracy?{told}", role="planner").json()
    assert accuracy["cells"] == 4
    assert written_percent(accuracy["wape"], DEFAULT, 1) in text
    assert "Thanksgiving" in text
    assert "DAL1 is closed" in text


def test_accuracy_is_of_all_cells_or_of_the_series_that_is_named(filled):
    ask = lambda query="": filled.call("GET", f"/v1/forecasts/accuracy{query}", role="planner").json()  # noqa: E731
    assert ask()["cells"] == 16 * 4
    assert ask("?region=*&family=*")["cells"] == 4
    assert ask("?region=US-SOUTH")["cells"] == 4 * 4


def test_two_issues_are_compared_in_chart_and_table(filled, signed_in):
    issues = filled.call("GET", "/v1/forecasts/issues", role="planner").json()["items"]
    text = signed_in(filled, "planner").get(f"/forecast?versus={issues[1]['id']}").text
    assert "Other P50" in text
    spec = spec_in(text)
    both = [row for row in spec["datasets"]["rows"] if row["versus"] is not None and row["q50"] is not None]
    assert len(both) == 21


def test_a_series_that_was_not_issued_is_an_empty_page_and_an_unknown_issue_is_not_found(filled, signed_in):
    person = signed_in(filled, "planner")
    assert "no such series" in person.get("/forecast?region=MARS").text
    assert person.get("/forecast?issue=fc_none").status_code == 404
    assert person.get("/forecast?versus=fc_none").status_code == 404


def test_what_is_downloaded_is_what_the_api_answers(filled, signed_in):
    person = signed_in(filled, "planner")
    api = filled.call("GET", "/v1/forecasts?region=US-SOUTH&family=*", role="planner").json()["rows"]
    path = "/forecast/download?region=US-SOUTH&family=*"
    book = openpyxl.load_workbook(io.BytesIO(person.get(f"{path}&format=xlsx").content)).active
    sheet = [[cell.value for cell in row] for row in book.iter_rows(min_row=2)]
    assert_same(sheet, api)
    assert [row["ds"] for row in csv.DictReader(io.StringIO(person.get(f"{path}&format=csv").text))] == [
        row["ds"] for row in api
    ]
    plan = filled.call("GET", "/v1/labor-plan?site=DAL1&dwell_days=9", role="planner").json()["rows"]
    told = person.get("/labor/download?site=DAL1&dwell_days=9&service_level=&format=csv").text
    assert [row["storage_positions"] for row in csv.DictReader(io.StringIO(told))] == [
        str(row["storage_positions"]) for row in plan
    ]


def test_dates_and_figures_are_of_the_readers_locale(filled, signed_in):
    german = signed_in(filled, "planner", **{"Accept-Language": "de-DE"}).get("/forecast").text
    assert "16.11.2026" in german
    assert spec_in(german)["config"]["locale"]["time"]["shortMonths"][2] == "März"
    assert spec_in(german)["config"]["locale"]["number"]["decimal"] == ","
    american = (
        signed_in(filled, "planner", subject="emp:2", **{"Accept-Language": "en-US"}).get("/forecast").text
    )
    assert "Nov 16, 2026" in american
    assert "%b %-d" in json.dumps(spec_in(american))


def test_a_plan_can_be_asked_what_if_and_says_what_changes(filled, signed_in):
    person = signed_in(filled, "planner")
    usual, changed = person.get("/labor?site=DAL1").text, person.get("/labor?site=DAL1&shift_hours=3.5").text
    assert "against the usual plan" not in usual
    assert "against the usual plan" in changed
    assert "short on" in usual
    refused = person.get("/labor?site=DAL1&shift_hours=much")
    assert refused.status_code == 422
    assert "Shift hours" in refused.text
    assert person.get("/labor?site=NOWHERE").status_code == 404


def test_a_planner_of_one_site_sees_no_other(filled, signed_in):
    person = signed_in(filled, "planner", sites=("RNO1",))
    text = person.get("/labor").text
    assert "Labour plan · RNO1" in text
    assert "DAL1" not in text
    for path in ("/labor?site=DAL1", "/labor/download?site=DAL1&format=csv", "/?site=DAL1"):
        assert person.get(path).status_code == 403


def test_the_overview_tells_the_operations_metrics(filled, signed_in):
    text = signed_in(filled, "planner").get("/").text
    told = filled.call("GET", "/v1/metrics/operations", role="planner").json()["metrics"]
    ageing = told["queue_ageing"]
    rows = spec_in(text)["datasets"]["rows"]
    assert {row["queue"].lower() for row in rows} == ageing.keys()
    assert sum(row["count"] for row in rows) == sum(queue["open"] for queue in ageing.values())
    assert "Dock to stock" in text


def test_rules_stand_by_owner_with_their_hits(filled, signed_in):
    told = filled.call("GET", "/v1/policies", role="auditor").json()
    assert told["fired"]["considered"] == 6
    assert told["fired"]["rules"]
    text = signed_in(filled, "auditor").get("/policies").text
    assert {f'id="owner-{rule["owner"]}"' in text for rule in told["rules"]} == {True}
    rows = spec_in(text)["datasets"]["rows"]
    assert {row["rule"]: row["count"] for row in rows}.items() <= told["fired"]["rules"].items()


def test_what_a_shadow_would_change_is_told_by_status_and_by_rule(
    make_service, champions, signed_in, tmp_path
):
    service = make_service(champions)
    app = service.client.app
    app.state.runtime = replace(app.state.runtime, shadow=Shadow(_stricter(), patience=5))
    fill(service, tmp_path, lines=2, history=0)
    told = service.call("GET", "/v1/policies", role="auditor").json()
    assert told["fired"]["judged"] == 2
    text = signed_in(service, "auditor").get("/policies").text
    assert "Would come out otherwise" in text
    assert "Rules that fire more or less often" in text


def test_cards_of_champion_and_challenger_stand_side_by_side_without_mlflow(
    make_service, signed_in, tmp_path
):
    service = make_service()
    for version in ("1", "2"):
        keep_card(tmp_path, a_card(version))
    keep_card(tmp_path, a_card("3", loss=0.7), suffix="-challenger")
    watched(tmp_path)
    person = signed_in(service, "data_scientist")
    text = person.get("/models").text
    assert "0.7800 to 0.8200" in text
    assert '<span class="pill good">better</span>' in text
    assert "models:/recoup-disposition/2" in text
    assert "Features that carry 34 % of the gain have moved." in text
    assert "Earlier champions" in text
    assert person.get("/models/card").json()["version"] == "2"
    assert person.get("/models/card?task=fraud").status_code == 404
    assert person.get("/models?task=nonsense").status_code == 400


def test_a_challenger_that_was_promoted_is_none_and_a_broken_card_is_no_card(
    make_service, signed_in, tmp_path
):
    service = make_service()
    keep_card(tmp_path, a_card("3"))
    keep_card(tmp_path, a_card("3"), suffix="-challenger")
    person = signed_in(service, "auditor")
    assert "the version trained last is the champion" in person.get("/models").text
    broken = tmp_path / "bentoml/models/recoup-disposition/3/card.json"
    (tmp_path / "monitoring").mkdir()
    (tmp_path / "monitoring/report.json").write_text("[]")
    for text in ("{", "[]", '{"task": "disposition"}'):
        broken.write_text(text)
        answer = person.get("/models")
        assert answer.status_code == 200
        assert "No model of this task is here" not in answer.text  # the challenger's card is whole


def test_without_scripts_a_chart_is_a_picture(filled, signed_in):
    person = signed_in(filled, "planner")
    answer = person.get("/forecast/chart/narrow.svg?region=US-SOUTH&family=*")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.content.startswith(b"<svg")
    assert person.get("/labor/chart/dock_doors/wide.svg?site=DAL1").content.startswith(b"<svg")
    assert person.get("/forecast/chart/huge.svg").status_code == 404


def assert_same(sheet, rows):
    """A sheet holds what the API answers, to the sixteen digits that spreadsheets keep."""
    assert len(sheet) == len(rows) > 0
    for found, row in zip(sheet, rows, strict=True):
        assert found == [
            pytest.approx(one, rel=1e-14) if isinstance(one, float) else one for one in row.values()
        ]


def spec_in(html: str) -> dict:
    """The first chart's specification on a page."""
    from html import unescape  # noqa: PLC0415

    return json.loads(unescape(html.partition('data-spec="')[2].partition('"')[0]))


@pytest.mark.journey
def test_a_planner_reads_the_chart_downloads_the_plan_and_finds_the_apis_figures_in_it(filled, open_site):
    """The Chromium journey: forecast, other series, export; the file says what the API says."""
    site = open_site(filled)
    page = site.visit("/forecast", role="planner")
    page.get_by_label("Region", exact=True).select_option("US-SOUTH")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**/forecast?region=US-SOUTH*")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download XLSX").click()
    book = openpyxl.load_workbook(io.BytesIO(download.value.path().read_bytes())).active
    api = filled.call("GET", "/v1/forecasts?region=US-SOUTH&family=*", role="planner").json()["rows"]
    assert_same([[cell.value for cell in row] for row in book.iter_rows(min_row=2)], api)


@pytest.mark.journey
@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_nobody_is_kept_out_of_a_page_with_figures_at_any_width(filled, open_site, tmp_path, width):
    keep_card(tmp_path, a_card("2"))
    keep_card(tmp_path, a_card("3", loss=0.7), suffix="-challenger")
    watched(tmp_path)
    site = open_site(filled)
    page = site.visit("/", role="auditor", width=width)
    for path in PAGES:
        page.goto(path)
        assert not serious(page), path
        assert fits(page), path
