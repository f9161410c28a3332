"""A few cleared returns are decided again by someone who does not see what was recommended."""

from dataclasses import replace

import pytest

from serving.case.quality import is_drawn, secret_of
from tests.factories import a_line

ALWAYS, NEVER = 1000, 0
REVIEWER = {"role": "quality_assurance", "subject": "emp:qa"}


def _drawing(service, permille):
    """The service with a policy that draws so many of a thousand."""
    app = service.client.app
    policies = app.state.runtime.policies
    limit = replace(policies.base.limits["quality_sample_permille"], values={"": permille})
    base = replace(policies.base, limits={**policies.base.limits, limit.name: limit})
    app.state.runtime = replace(app.state.runtime, policies=replace(policies, base=base, sites={}))
    return service


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
    listed = service.call("GET", "/v1/quality-reviews", **REVIEWER).json()
    assert listed["open"] == 1
    item = listed["items"][0]
    assert (item["recommendation_id"], item["propensity"]) == (body["id"], 1.0)
    assert item["request"]["credit_requested"] == {"amount": "119.00", "currency": "USD"}
    assert not {"disposition", "fraud", "credit", "guardrails"} & set(item)


def test_what_is_not_cleared_or_not_drawn_is_not_listed(service):
    _drawing(service, ALWAYS).recommend(a_line(item__regulatory_classes=["UNCLASSIFIED"]))
    _drawing(service, NEVER).recommend(a_line(return_line_id="RMA-2/1", sale__order_number="SO-8"))
    assert service.call("GET", "/v1/quality-reviews", **REVIEWER).json()["open"] == 0


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
    listed = service.call("GET", "/v1/quality-reviews", **REVIEWER).json()
    assert (listed["open"], listed["answered"], listed["agreed"]) == (0, 2, 1)


def test_a_review_is_answered_once(service):
    body = _drawing(service, ALWAYS).recommend(a_line()).json()
    assert _answer(service, body["id"]).status_code == 201
    assert _answer(service, body["id"]).status_code == 409


def test_what_was_not_drawn_is_not_there_to_review(service):
    body = _drawing(service, NEVER).recommend(a_line()).json()
    assert _answer(service, body["id"]).status_code == 404


def test_nobody_reviews_their_own_case(service):
    body = _drawing(service, ALWAYS).recommend(a_line(requested_by="emp:qa")).json()
    assert _answer(service, body["id"]).json()["code"] == "own_case"


def test_another_sites_reviews_stay_out_of_sight(service):
    body = _drawing(service, ALWAYS).recommend(a_line()).json()
    elsewhere = {"role": "quality_assurance", "subject": "emp:qb", "sites": ("RNO1",)}
    assert service.call("GET", "/v1/quality-reviews", **elsewhere).json()["open"] == 0
    decided = {"disposition": "DESTROY", "credit": {"amount": "1.00", "currency": "USD"}}
    path = f"/v1/quality-reviews/{body['id']}"
    assert service.call("POST", path, json=decided, **elsewhere).json()["code"] == "other_site"
