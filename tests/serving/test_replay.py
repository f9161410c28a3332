"""What was recommended can be made again, exactly, and whatever would come out otherwise is named."""

from dataclasses import replace
from datetime import timedelta

import pytest

from policy.policies import DEFAULT_RULES, PolicySet, files_of
from policy.source import PolicyError
from serving.case.comparing import differences
from serving.case.replaying import backtest
from serving.case.shadow import Shadow
from serving.operations.reporting import page
from serving.runtime import Champions
from tests.factories import a_line


def _stricter() -> dict[str, str]:
    """The default policy with one amount lowered: from 100 USD on a supervisor approves."""
    files = files_of(DEFAULT_RULES)
    text = files["finance.yaml"].replace("{USD: 50000}", "{USD: 10000}").replace(": 50001}", ": 10001}")
    return {**files, "finance.yaml": text.replace(": 50000}", ": 10000}"), "sites/CHI1.yaml": "owner: CHI1\n"}


def _replay(service, recommendation, **body):
    path = f"/v1/recommendations/{recommendation}/replay"
    answer = service.call("POST", path, role="auditor", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"reason": "UNWANTED", "customer": {"id": "C-1"}, "supplier": None},
        {"stage": "INSPECTION", "inspection": {"grade": "D", "serial_found": "SN-OTHER"}},
        {"attributes": {"colour": "red", "weight": 2.25, "nothing": None}, "item__weight_kg": 0.1},
    ],
)
def test_a_fresh_recommendation_is_made_again_to_the_last_digit(service, changes):
    for number in range(2):  # the second has a history
        line = a_line(**changes, return_line_id=f"RMA-7/{number}")
        said = _replay(service, service.recommend(line).json()["id"])
        assert said["identical"] is True
        assert (said["differences"], said["models"]["same"], said["models"]["differences"]) == ({}, True, {})


def test_what_has_happened_since_changes_nothing_in_a_replay(service):
    first = service.recommend(a_line()).json()["id"]
    for number in range(3):
        service.recommend(a_line(return_line_id=f"RMA-8/{number}", reason="UNWANTED"))
    body = {"region": "US-SOUTH", "free_capacity": 9, "freight_per_kg": 0.1}
    service.call("PUT", "/v1/reference/sites/RNO1", json=body)
    service.call("PUT", "/v1/reference/suppliers/S-3", json={"recoverable_percent": 50})
    assert _replay(service, first)["identical"] is True


def test_a_threshold_of_the_budget_is_replayed_as_it_was(service):
    """By now more losses are recorded and reviews used: the judge is told what was true then."""
    with service.ledger.write() as tx:
        for loss in range(1000, 101_000, 1000):
            tx.count_loss(loss, site="DAL1", currency="USD", day=service.clock().date() - timedelta(days=1))
    first = service.recommend(a_line()).json()["id"]
    with service.ledger.write() as tx:
        told = tx.recommendation(first).facts["known"]["fraud.review_threshold"]
        for _ in range(50):
            tx.count_review("fraud_reviewer", site="DAL1", day=service.clock().date())
    assert told > 1500
    assert _replay(service, first)["identical"] is True


def test_a_site_with_rules_of_its_own_is_replayed_by_them(service):
    body = service.recommend(a_line(site="CHI1", credit_requested__amount="300.00")).json()
    assert "FIN-01" in {rule["id"] for rule in body["guardrails"]}  # from 250 USD on in Chicago
    assert _replay(service, body["id"])["identical"] is True


def test_what_a_shadow_said_is_replayed_under_its_set(service):
    files = _stricter()
    stricter = PolicySet.parse(files)
    with service.ledger.write() as tx:
        tx.add_policy(stricter.digest, content=files, actor="service:test", at=service.clock())
    app = service.client.app
    app.state.runtime = replace(app.state.runtime, shadow=Shadow(stricter, patience=5))
    recommendation = service.recommend(a_line()).json()["id"]
    with service.ledger.read() as tx:
        facts = tx.recommendation(recommendation).facts
    assert _replay(service, recommendation)["identical"] is True
    said = _replay(service, recommendation, policy_digest=stricter.digest)["differences"]
    shadowed = facts["shadow"]["verdict"]
    assert {name: said[name]["replayed"] for name in ("status", "rules")} == {
        name: shadowed[name] for name in ("status", "rules")
    }


def test_a_set_that_was_in_force_is_replayed_whatever_is_checked_since(service):
    """Before the limit named whose budget it is."""
    files = files_of(DEFAULT_RULES)
    older = {**files, "finance.yaml": files["finance.yaml"].replace("budget_of: fraud_reviewer, ", "")}
    with pytest.raises(PolicyError):
        PolicySet.parse(older)
    digest = PolicySet.restore(older).digest
    with service.ledger.write() as tx:
        tx.add_policy(digest, content=older, actor="service:test", at=service.clock())
    recommendation = service.recommend(a_line()).json()["id"]
    assert _replay(service, recommendation, policy_digest=digest)["differences"] == {}


def test_a_rule_that_was_reworded_is_a_difference(service):
    body = service.recommend(a_line(item__regulatory_classes=["UNCLASSIFIED"])).json()
    files = files_of(DEFAULT_RULES)
    text = files["compliance.yaml"].replace("Classify the product first.", "Classify it.")
    reworded = PolicySet.parse({**files, "compliance.yaml": text})
    with service.ledger.write() as tx:
        tx.add_policy(
            reworded.digest,
            content={**files, "compliance.yaml": text},
            actor="service:test",
            at=service.clock(),
        )
    said = _replay(service, body["id"], policy_digest=reworded.digest)
    assert said["differences"] == {
        "guardrails.CMP-10.sentence": {"recorded": "Classify the product first.", "replayed": "Classify it."}
    }


def test_a_replay_under_another_policy_names_what_it_would_change_and_writes_nothing(service):
    recommendation = service.recommend(a_line()).json()["id"]
    files = _stricter()
    stricter = PolicySet.parse(files)
    with service.ledger.write() as tx:
        tx.add_policy(stricter.digest, content=files, actor="service:test", at=service.clock())
    service.key_of("auditor", "emp:auditor")
    before = service.ledger.verify().entries
    said = _replay(service, recommendation, policy_digest=stricter.digest)
    assert said["identical"] is False
    assert said["differences"]["status"] == {"recorded": "cleared", "replayed": "pending_approval"}
    assert said["differences"]["rules"]["replayed"] == ["FIN-01"]
    assert said["models"]["differences"] == {}
    assert service.ledger.verify().entries == before


def test_a_replay_under_a_candidate_needs_no_record_of_it(service):
    recommendation = service.recommend(a_line()).json()["id"]
    before = service.ledger.verify().entries
    said = _replay(service, recommendation, files=_stricter())
    assert said["differences"]["status"] == {"recorded": "cleared", "replayed": "pending_approval"}
    path = f"/v1/recommendations/{recommendation}/replay"
    broken = {**_stricter(), "finance.yaml": "owner: finance\nrules: 3\n"}
    answer = service.call("POST", path, role="auditor", json={"files": broken})
    assert (answer.status_code, answer.json()["code"]) == (422, "policy_invalid")
    assert service.ledger.verify().entries == before + 1  # the second key


def test_a_replay_under_other_models_names_versions_and_predictions(service, champions):
    recommendation = service.recommend(a_line()).json()["id"]
    others = tuple((task, "2" if task == "fraud" else version) for task, version in champions.versions)
    without = tuple(version for version in others if version[0] != "workload")
    app = service.client.app
    app.state.runtime = replace(
        app.state.runtime, champions=replace(champions, workload=None, versions=without)
    )
    said = _replay(service, recommendation)
    assert (said["identical"], said["models"]["same"]) == (False, False)
    assert said["models"]["versions"]["fraud.version"] == {"recorded": "1", "replayed": "2"}
    assert {"degraded", "inspection.minutes_p50"} <= set(said["models"]["differences"])
    assert not any(place.startswith("fraud.") for place in said["models"]["differences"])
    assert said["differences"] == {}


def test_a_replay_without_models_says_what_is_gone(service):
    recommendation = service.recommend(a_line()).json()["id"]
    app = service.client.app
    app.state.runtime = replace(app.state.runtime, champions=Champions())
    said = _replay(service, recommendation)
    assert said["models"]["differences"]["fraud.score"]["replayed"] is None


def test_a_policy_that_was_never_recorded_is_not_known(service):
    recommendation = service.recommend(a_line()).json()["id"]
    path = f"/v1/recommendations/{recommendation}/replay"
    answer = service.call("POST", path, role="auditor", json={"policy_digest": "sha256:0"})
    assert (answer.status_code, answer.json()["code"]) == (404, "policy_unknown")


def test_differences_are_named_by_their_place():
    one, other = {"a": {"b": 1, "c": [1]}, "d": None}, {"a": {"b": 2, "c": [1]}, "e": 0.1}
    assert differences(one, other) == {
        "a.b": {"recorded": 1, "replayed": 2},
        "e": {"recorded": None, "replayed": 0.1},
    }


def test_a_backtest_shows_transitions_money_reviews_and_examples(make_service):
    service = make_service()
    kept = [service.recommend(a_line(return_line_id="A/1")).json()["id"]]
    kept.append(service.recommend(a_line(return_line_id="A/2", sale__order_number="SO-6")).json()["id"])
    service.key_of("data_scientist", "emp:data_scientist")
    before = service.ledger.verify().entries
    answer = service.call(
        "POST", "/v1/policies/backtest", role="data_scientist", json={"files": _stricter()}
    ).json()
    assert answer["transitions"] == {"pending_approval": {"pending_approval": 2}}
    assert (answer["recommendations"], answer["changed"], answer["next"]) == (2, 2, None)
    assert answer["money"]["USD"] == {
        "recorded": "238.00",
        "replayed": "238.00",
        "at_stake": "238.00",
        "change": "0.00",
    }
    assert answer["reviews_by_role"]["supervisor"] == {"recorded": 4, "replayed": 6}
    assert {
        "role": "supervisor",
        "site": "DAL1",
        "day": "2026-11-20",
        "recorded": 4,
        "replayed": 6,
    } in answer["reviews_by_day"]
    assert [one["id"] for one in answer["examples"]] == kept
    assert answer["examples"][0]["differences"]["rules"]["replayed"] == ["FIN-01", "FIN-11", "OPS-09"]
    assert service.ledger.verify().entries == before


def test_a_backtest_is_read_on_a_screen_of_eighty_columns(make_service):
    service = make_service()
    for number in range(3):
        service.recommend(a_line(return_line_id=f"A/{number}", sale__order_number=f"SO-{number}"))
    with service.ledger.read() as tx:
        said = backtest(tx, PolicySet.parse(_stricter()))
    text = page(said, {"fraud_reviewer": 40})
    assert max(map(len, text.splitlines())) <= 80
    assert "3 recommendations judged again, 3 come out otherwise." in text
    reviews = next(line.split() for line in text.splitlines() if line.startswith("supervisor"))
    assert reviews == ["supervisor", "6", "9", "6", "9", "-"]
    assert [line.split()[-1] for line in text.splitlines() if line.startswith("fraud_reviewer")] == ["40"]
    assert all(example["id"] in text for example in said["examples"])


def test_a_backtest_goes_on_page_by_page_and_counts_each_once(make_service, monkeypatch):
    service = make_service()
    for number in range(5):
        service.recommend(a_line(return_line_id=f"A/{number}", sale__order_number=f"SO-{number}"))
    candidate = PolicySet.parse(_stricter())
    monkeypatch.setattr("serving.case.replaying.PAGE", 2)
    with service.ledger.read() as tx:
        whole = backtest(tx, candidate)
        first = backtest(tx, candidate, limit=3)
        rest = backtest(tx, candidate, limit=3, after=first["next"])
    assert (whole["recommendations"], whole["next"]) == (5, None)
    assert (first["recommendations"], rest["recommendations"], rest["next"]) == (3, 2, None)


def test_a_candidate_with_mistakes_is_refused_with_file_and_line(make_service):
    files = {**_stricter(), "sites/DAL1.yaml": "owner: DAL1\nlimits: {return_window_days: {value: 99}}\n"}
    answer = make_service().call(
        "POST", "/v1/policies/backtest", role="data_scientist", json={"files": files}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "policy_invalid")
    assert "sites/DAL1.yaml:2:" in answer.json()["detail"]


def test_after_an_erasure_the_verdict_is_replayed_and_the_prediction_said_to_be_out_of_reach(service):
    recommendation = service.recommend(a_line()).json()["id"]
    with service.ledger.write() as tx:
        tx.erase("C-77", actor="emp:dpo", at=service.clock(), reason="asked to be forgotten")
    said = _replay(service, recommendation)
    assert (said["identical"], said["differences"], said["models"]["predicted"]) == (False, {}, False)
