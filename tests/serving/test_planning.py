"""A labour plan is read off the sample paths of an issue, carries the backlog over and answers what if."""

import csv
import io
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from typer.testing import CliRunner

from features.returns import BadInputError
from ledger.store import Ledger
from models import volume
from models.volume.paths import Forecast, paths_beside
from serving.__main__ import app
from serving.operations import planning
from serving.operations.issuing import issue
from serving.settings import Settings
from tests.factories import a_line
from tests.serving.conftest import NOON

FIGURES = ("mean", *volume.QUANTILE_NAMES)
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def a_forecast_file(folder: Path, *, family: str = "hvac") -> Path:
    """Two families that never peak together: 40 units of the one or of the other."""
    keys = (("US-SOUTH", "food"), ("US-SOUTH", family))
    paths = np.zeros((100, 2, 3), dtype=np.int64)
    paths[::2, 0], paths[1::2, 1] = 40, 40
    ds = pd.date_range("2026-11-21", periods=3)
    forecast = Forecast(("region", "family"), keys, ds, paths)
    file = folder / "plan.csv"
    forecast.rows().to_csv(file, index=False)
    forecast.path_rows().to_parquet(paths_beside(file))
    return file


@pytest.fixture
def service(make_service, tmp_path):
    service = make_service()
    issue(service.ledger, a_forecast_file(tmp_path), home=tmp_path, actor="service:test", at=NOON)
    service.call("PUT", "/v1/reference/sites/DAL1", json={"region": "US-SOUTH"})
    return service


def asked(service, **what):
    query = "&".join(f"{name}={value}" for name, value in {"site": "DAL1", **what}.items())
    answer = service.call("GET", f"/v1/labor-plan?{query}", role="planner")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_plan_is_a_quantile_of_summed_paths(service):
    """Each family's P90 is 40, yet the two never come together: 40 units and not 80."""
    told = asked(service, service_level=0.9)
    assert told["basis"] == "paths"
    assert [row["units"] for row in told["rows"]] == [40.0, 40.0, 40.0]
    assert told["rows"][0]["hours"] == pytest.approx(40 * 10 / 60 * 1.15 / 0.85, abs=0.01)


def test_what_was_received_and_not_inspected_is_carried_over(service):
    """One unit of ten minutes lies there: the first day needs it on top, and a question may say otherwise."""
    service.recommend(a_line())
    event = {
        "specversion": "1.0", "id": "1", "source": "wms", "type": "returns.receipt.confirmed.v1",
        "subject": "RMA-1001/1", "time": (NOON - timedelta(hours=1)).isoformat(), "data": {},
    }  # fmt: skip
    assert service.call("POST", "/v1/events", json=event).status_code < 300
    told = asked(service, service_level=0.9)
    assert told["backlog"] == 1
    first, second, _ = (row["hours"] for row in told["rows"])
    assert first - second == pytest.approx(10 / 60 * 1.15 / 0.85, abs=0.01)
    none = asked(service, service_level=0.9, backlog=0)["rows"]
    assert none[0]["hours"] == none[1]["hours"]


def test_a_question_may_change_a_site_parameter_for_its_answer_alone(service):
    """Half the utilisation needs twice the hours; the next question knows nothing of it."""
    usual, changed = asked(service), asked(service, utilisation=0.425)
    assert changed["rows"][0]["hours"] == pytest.approx(2 * usual["rows"][0]["hours"], abs=0.02)
    assert changed["changed"] == {"utilisation": 0.425}
    assert asked(service)["rows"] == usual["rows"]


def test_without_a_service_level_the_costs_of_the_site_choose_it(service):
    """Four to one is 80 %; an hour short at nine times an hour idle is 90 %."""
    assert asked(service)["service_level"] == pytest.approx(0.8)
    assert asked(service, short_cost=9)["service_level"] == pytest.approx(0.9)


@pytest.mark.parametrize("query", ["utilisation=2", "weather=1"])
def test_what_cannot_be_planned_with_is_refused(service, query):
    """A share above one, and a parameter that no site has."""
    answer = service.call("GET", f"/v1/labor-plan?site=DAL1&{query}", role="planner")
    assert answer.status_code == 400
    assert query.split("=")[0] in answer.text


def test_hours_are_divided_among_shifts_and_doors_follow_the_hours_of_the_day(service):
    """Early and late make the day; ten opening hours each say how many doors."""
    day = asked(service, service_level=0.9)["rows"][0]
    shifts = asked(service, service_level=0.9, by="shift")["rows"][:2]
    assert sum(row["hours"] for row in shifts) == pytest.approx(day["hours"], abs=0.02)
    hours = [row for row in asked(service, service_level=0.9, by="hour")["rows"] if row["ds"] == "2026-11-21"]
    assert [row["hour"] for row in hours] == [f"{hour:02d}" for hour in range(8, 18)]
    assert all(row["dock_doors"] == 1 for row in hours)


def test_a_site_takes_its_share_of_the_region(make_service, tmp_path):
    """A quarter of 40 units a day, unit by unit: about ten, and not the same on every path."""
    service = make_service()
    issue(service.ledger, a_forecast_file(tmp_path), home=tmp_path, actor="service:test", at=NOON)
    service.call("PUT", "/v1/reference/sites/DAL1", json={"region": "US-SOUTH", "share": 0.25})
    assert 10 <= asked(service, service_level=0.9)["rows"][0]["units"] <= 16


def test_a_family_that_looks_like_a_formula_is_text_in_every_download(make_service, tmp_path):
    """A spreadsheet takes no cell of ours for a formula."""
    service = make_service()
    file = a_forecast_file(tmp_path, family="=HYPERLINK(1)")
    issue(service.ledger, file, home=tmp_path, actor="service:test", at=NOON)
    for accept in ("text/csv", XLSX):
        answer = service.call("GET", "/v1/forecasts", role="planner", headers={"Accept": accept})
        if accept == XLSX:
            rows = list(openpyxl.load_workbook(io.BytesIO(answer.content)).active.iter_rows(values_only=True))
        else:
            rows = list(csv.reader(io.StringIO(answer.text)))
        assert "'=HYPERLINK(1)" in {row[1] for row in rows}
        assert "=HYPERLINK(1)" not in {row[1] for row in rows}


def test_two_issues_are_compared_cell_by_cell(service, tmp_path):
    """Each row tells both issues' figures, in a sheet too; a family that the other did not know has none."""
    said = lambda query="", **how: service.call("GET", f"/v1/forecasts{query}", role="planner", **how)  # noqa: E731
    before = said().json()
    later = a_forecast_file(tmp_path, family="tools")
    issue(service.ledger, later, home=tmp_path, actor="service:test", at=NOON + timedelta(days=1))
    told = said(f"?versus={before['issue']}").json()
    assert told["versus"] == before["issue"] != told["issue"]
    earlier = {(row["region"], row["family"], row["ds"]): row for row in before["rows"]}
    for row in told["rows"]:
        other = earlier.get((row["region"], row["family"], row["ds"]), {})
        assert [row[f"versus_{name}"] for name in FIGURES] == [other.get(name) for name in FIGURES]
        assert (row["versus_q50"] is None) == (row["family"] == "tools")
    sheet = said(f"?versus={before['issue']}", headers={"Accept": "text/csv"}).text
    assert "versus_q50" in sheet.splitlines()[0]
    assert said("?versus=fc_none").status_code == 404
    assert "versus_q50" not in said().json()["rows"][0]


def test_paths_of_another_forecast_are_refused(tmp_path):
    """Paths that do not add up to the rows beside them are nobody's basis for a plan."""
    file = a_forecast_file(tmp_path)
    other = pd.read_parquet(paths_beside(file))
    other["p0"] += 1000
    other.to_parquet(paths_beside(file))
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    ledger.migrate()
    with pytest.raises(BadInputError, match="do not add up"):
        issue(ledger, file, home=tmp_path, actor="service:test", at=NOON)


def test_paths_changed_after_the_issue_are_no_basis(service, tmp_path):
    """Their digest stands in the ledger; other bytes under that name are ignored and the answer says so."""
    (kept,) = (tmp_path / "forecasts").iterdir()
    kept.write_bytes(kept.read_bytes() + b"x")
    assert asked(service)["basis"] == "quantiles"


def test_the_command_issues_forecast_and_paths_together(tmp_path, monkeypatch):
    """`recoup issue-forecast FILE` keeps the paths under home and writes their digest to the ledger."""
    monkeypatch.setenv("RECOUP_HOME", str(tmp_path / "home"))
    done = CliRunner().invoke(app, ["issue-forecast", str(a_forecast_file(tmp_path))])
    assert done.exit_code == 0, done.output
    with Ledger(Settings().ledger_url).read() as tx:
        heading = tx.forecast_issue()
    assert heading is not None
    digest = str(heading.meta["paths"]).removeprefix("sha256:")
    assert (tmp_path / "home" / "forecasts" / f"{digest}.parquet").is_file()


def test_the_sites_file_gives_what_master_data_leave_out(tmp_path):
    """Default, then the file's own site, then master data; a number that is none is refused."""
    file = tmp_path / "sites.yaml"
    file.write_text(
        "default: {shift_hours: 7.0, fill: 0.9, shifts: {all: 1}, arrivals: {'08': 1}}\n"
        "sites: {DAL1: {region: US-SOUTH, shift_hours: 6.0, fill: 0.5}}\n"
    )
    found = planning.site_plan({"fill": 0.7}, "DAL1", file=file)
    assert (found.region, found.site.shift_hours, found.site.fill) == ("US-SOUTH", 6.0, 0.7)
    with pytest.raises(BadInputError, match="peak of site DAL1 is no number"):
        planning.site_plan({"peak": True}, "DAL1", file=file)
    assert replace(found, share=0.5).changed({"fill": 0.6}).site.fill == 0.6


def test_sample_paths_and_rows_say_the_same(tmp_path):
    """What `recoup-lab forecast` writes twice is one forecast."""
    file = a_forecast_file(tmp_path)
    rows = volume.read_forecast(file)
    total = next(row for row in rows if (row.region, row.family) == ("*", "*"))
    drawn = pd.read_parquet(paths_beside(file)).filter(regex=r"^p\d+$")
    assert drawn.to_numpy().reshape(2, 3, -1).sum(0)[0].mean() == pytest.approx(total.mean)
