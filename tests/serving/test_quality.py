"""A few cleared returns are decided again by someone who does not see what was recommended."""

from dataclasses import replace

import pytest

from ledger.reviews.quality import Draw
from serving.case.quality import error_rate, is_drawn, secret_of, wilson
from tests.factories import a_line
from tests.serving.conftest import NOON

ALWAYS, NEVER = 1000, 0
WHOLE_DAY = {"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"}
REVIEWER = {"role": "quality_assurance", "subject": "emp:qa"}


def _drawing(service, permille):
    """The service with a policy that draws so many of a thousand."""
    app = service.client.app
    policies = app.state.runtime.policies
    limit = replace(policies.base.limits["quality_sample_permille"], values={"": permille})
    base = replace(policies.base, limits={**policies.base.limits, limit.name: limit})
    app.state.runtime = replace(app.state.runtime, policies=replace(policies, base=base, sites={}))
    return service


def _listed(service, **query):
    return service.call("GET", "/v1/quality-reviews", params=query, **REVIEWER).json()


def _answer(service, recommendation, **changes):
    body = {"disposition": "DESTROY", "credit": {"amount": "1.00", "currency": "USD"}, **changes}
    options = {**REVIEWER, "json": body}
    return service.call("POST", f"/v1/quality-reviews/{recommendation}", **options)


def test_the_draw_is_the_same_every_time_and_of_the_size_that_the_policy_says():
    drawn = [is_drawn(f"rec_{number}", key=b"secret", permille=15) for number in range(20_000)]
    assert drawn == [is_drawn(f"rec_{number}", key=b"secret", permille=15) for number in range(20_000)]
    assert sum(drawn) == pytest.approx(300, abs=70)  # four standard deviations
    other = [is_drawn(f"rec_{number}", key=b"another", permille=15) for number in range(20_000)]
    assert drawn != other


def test_nothing_is_drawn_at_nought_and_everything_at_a_thousand():
    names = [f"rec_{number}" for number in range(200)]
    assert not any(is_drawn(name, key=b"k", permille=NEVER) for name in names)
    assert all(is_drawn(name, key=b"k", permille=ALWAYS) for name in names)


def test_the_key_is_made_once_and_is_for_its_owner_alone(tmp_path):
    first = secret_of(tmp_path / "home")
    assert len(first) == 32
    assert secret_of(tmp_path / "home") == first
    kept = list((tmp_path / "home").iterdir())
    assert [(path.name, path.stat().st_mode & 0o077) for path in kept] == [("quality.key", 0)]


def test_a_drawn_return_is_listed_without_the_answer_and_the_requester_learns_nothing(service):
    body = _drawing(service, ALWAYS).recommend(a_line()).json()
    with service.ledger.read() as tx:
        assert tx.recommendation(body["id"]).facts["quality"] == {"permille": ALWAYS, "drawn": True}
    assert "quality" not in body
    listed = _listed(service)
    assert (len(listed["items"]), listed["next"]) == (1, None)
    item = listed["items"][0]
    assert (item["recommendation_id"], item["propensity"]) == (body["id"], 1.0)
    assert item["request"]["credit_requested"] == {"amount": "119.00", "currency": "USD"}
    assert not {"disposition", "fraud", "credit", "guardrails"} & set(item)


def test_what_is_not_cleared_or_not_drawn_is_not_listed(service):
    _drawing(service, ALWAYS).recommend(a_line(item__regulatory_classes=["UNCLASSIFIED"]))
    _drawing(service, NEVER).recommend(a_line(return_line_id="RMA-2/1", sale__order_number="SO-8"))
    assert _listed(service)["items"] == []


def test_the_reviewer_sees_the_answer_only_after_having_given_one(service):
    body = _drawing(service, ALWAYS).recommend(a_line()).json()
    path = f"/v1/recommendations/{body['id']}"
    line = f"/v1/recommendations?return_line_id={body['return_line_id']}"
    for method, where in (("GET", path), ("GET", line), ("POST", f"{path}/replay")):
        assert service.call(method, where, **REVIEWER).json()["code"] == "blind_review"
    assert _answer(service, body["id"]).status_code == 201
    assert service.call("GET", path, **REVIEWER).status_code == 200


def test_agreement_is_counted(service):
    _drawing(service, ALWAYS)
    for number in range(2):
        line = a_line(return_line_id=f"A/{number}", sale__order_number=f"SO-{number}")
        body = service.recommend(line).json()
        same = {"disposition": body["disposition"]["recommended"], "credit": body["credit"]["recommended"]}
        said = _answer(service, body["id"], **(same if number else {})).json()
        assert said["agrees"] is bool(number)
    assert _listed(service)["items"] == []
    found = service.call("GET", "/v1/metrics/operations", params=WHOLE_DAY, role="auditor").json()
    rate = found["metrics"]["quality_review"]
    assert (rate["drawn"], rate["answered"], rate["disagreed"], rate["error_rate"]) == (2, 2, 1, 0.5)


def test_a_page_ends_where_the_next_begins(service, monkeypatch):
    monkeypatch.setattr("serving.case.quality.PAGE", 2)
    _drawing(service, ALWAYS)
    drawn = [
        service.recommend(a_line(return_line_id=f"A/{n}", sale__order_number=f"SO-{n}")).json()["id"]
        for n in range(5)
    ]
    _answer(service, drawn[1])
    first = _listed(service)
    second = _listed(service, after=first["next"])
    ids = [[item["recommendation_id"] for item in page["items"]] for page in (first, second)]
    assert ids == [[drawn[0], drawn[2]], [drawn[3], drawn[4]]]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("wrong", "answers", "interval"),
    [(0, 10, (0.0, 0.2775)), (1, 10, (0.0179, 0.4042)), (50, 100, (0.4038, 0.5962))],  # published tables
)
def test_the_interval_is_wilsons(wrong, answers, interval):
    assert wilson(wrong / answers, answers) == pytest.approx(interval, abs=5e-5)


def test_a_review_counts_for_the_returns_that_it_stands_for():
    """Nine of ten agree among those drawn always, none of two among those drawn one time in a hundred."""
    often = [Draw(f"a{n}", "DAL1", NOON, 1000, agrees=n > 0) for n in range(10)]
    seldom = [Draw(f"b{n}", "DAL1", NOON, 10, agrees=False) for n in range(2)]
    found = error_rate([*often, *seldom, Draw("c", "DAL1", NOON, 500, agrees=None)])
    assert found["error_rate"] == pytest.approx((1 + 200) / (10 + 200))
    assert (found["drawn"], found["answered"], found["cleared_estimate"]) == (13, 12, 212.0)
    assert found["lo"] < 0.5 < found["error_rate"] < found["hi"] <= 1  # two answers carry nearly all of it


def test_without_an_answer_there_is_no_rate():
    assert error_rate([])["error_rate"] is None


def test_a_review_is_answered_once(service):
    body = _drawing(service, ALWAYS).recommend(a_line()).json()
    assert _answer(service, body["id"]).status_code == 201
    assert _answer(service, body["id"]).status_code == 409


def test_what_was_not_drawn_is_not_there_to_review(service):
    body = _drawing(service, NEVER).recommend(a_line()).json()
    assert _answer(service, body["id"]).status_code == 404


@pytest.mark.parametrize("requester", ["emp:qa", "emp:QA"])
def test_nobody_reviews_their_own_case_however_they_are_spelt(service, requester):
    body = _drawing(service, ALWAYS).recommend(a_line(requested_by=requester)).json()
    assert _answer(service, body["id"]).json()["code"] == "own_case"


def test_whoever_received_a_return_does_not_review_it(service):
    body = _drawing(service, ALWAYS).recommend(a_line()).json()
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "wms",
        "type": "returns.receipt.confirmed.v1",
        "subject": body["return_line_id"],
        "time": "2026-11-20T11:00:00Z",
        "data": {"actor": "emp:qa"},
    }
    assert service.call("POST", "/v1/events", json=event).status_code == 202
    assert _answer(service, body["id"]).json()["code"] == "own_case"


def test_another_sites_reviews_stay_out_of_sight(service):
    body = _drawing(service, ALWAYS).recommend(a_line()).json()
    elsewhere = {"role": "quality_assurance", "subject": "emp:qb", "sites": ("RNO1",)}
    assert service.call("GET", "/v1/quality-reviews", **elsewhere).json()["items"] == []
    decided = {"disposition": "DESTROY", "credit": {"amount": "1.00", "currency": "USD"}}
    path = f"/v1/quality-reviews/{body['id']}"
    assert service.call("POST", path, json=decided, **elsewhere).json()["code"] == "other_site"
