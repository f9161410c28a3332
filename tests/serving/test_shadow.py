"""A candidate judges beside the policy in force: what it says is recorded, and nothing of it is felt."""

import shutil
import threading
from collections import UserDict
from dataclasses import replace

from features.returns import Disposition, Money, Stage
from policy.policies import DEFAULT_RULES, PolicySet, files_of
from policy.verdict import Proposal
from serving.case.shadow import Shadow
from serving.runtime import open_shadow
from tests.factories import a_line

LOWER = ("{USD: 50000}", "{USD: 10000}")
PROPOSAL = Proposal(Stage.AUTHORIZATION, {}, Money(11_900, "USD"), (Disposition.RECYCLE,))
OF_ONE_ISSUE = {"id", "created_at"}


def _stricter() -> PolicySet:
    """The default policy with one amount lowered: from 100 USD on a supervisor approves."""
    files = files_of(DEFAULT_RULES)
    text = (
        files["finance.yaml"].replace(*LOWER).replace(": 50001}", ": 10001}").replace(": 50000}", ": 10000}")
    )
    return PolicySet.parse({**files, "finance.yaml": text, "sites/CHI1.yaml": "owner: CHI1\n"})


def _with(service, shadow):
    app = service.client.app
    app.state.runtime = replace(app.state.runtime, shadow=shadow)
    return service


def _facts(service, recommendation):
    with service.ledger.read() as tx:
        return tx.recommendation(recommendation).facts


def _unlike(body):
    return {name: value for name, value in body.items() if name not in OF_ONE_ISSUE}


def test_the_candidates_verdict_is_recorded_and_the_answer_is_as_without_it(service):
    first = service.recommend(a_line(credit_requested__amount="110.00")).json()
    shadow = Shadow(_stricter(), patience=5)
    line = a_line(return_line_id="RMA-2/1", credit_requested__amount="110.00")
    again = _with(service, shadow).recommend({**line, "customer": {"id": "C-78"}}).json()
    assert "shadow" not in _facts(service, first["id"])
    said = _facts(service, again["id"])["shadow"]
    assert (said["digest"], said["verdict"]["status"]) == (shadow.policies.digest, again["status"])
    assert "shadow" not in again
    assert set(again) == set(first)


def test_a_stricter_candidate_holds_nothing_back(service):
    body = _with(service, Shadow(_stricter(), patience=5)).recommend(a_line()).json()
    assert (body["status"], body["approvals"]) == ("cleared", [])
    said = _facts(service, body["id"])["shadow"]["verdict"]
    assert (said["status"], said["rules"]) == ("pending_approval", ["FIN-01"])


def test_a_broken_candidate_is_recorded_as_broken_and_nothing_else(service):
    broken = replace(_stricter(), base=None)
    body = _with(service, Shadow(broken, patience=5)).recommend(a_line()).json()
    assert body["status"] == "cleared"
    assert _facts(service, body["id"])["shadow"] == {"digest": broken.digest, "error": "AttributeError"}


def test_nobody_waits_for_a_slow_candidate():
    started, end = threading.Event(), threading.Event()

    class Slow(UserDict):
        def keys(self):  # what the judge reads first
            started.set()
            end.wait(10)
            return super().keys()

    shadow = Shadow(_stricter(), patience=0.001)
    first = shadow.judge(replace(PROPOSAL, facts=Slow()), site="DAL1")
    assert started.wait(10)
    assert first["error"] == "late"
    assert shadow.judge(PROPOSAL, site="DAL1")["error"] == "late"  # still busy: not even asked
    end.set()
    shadow.close()


def test_a_closed_shadow_says_so_and_raises_nothing():
    shadow = Shadow(_stricter())
    shadow.close()
    assert shadow.judge(PROPOSAL, site="DAL1")["error"] == "RuntimeError"


def test_policies_show_what_the_shadow_would_have_changed(service):
    assert service.call("GET", "/v1/policies", role="auditor").json()["shadow"] is None
    service.recommend(a_line())
    shadow = Shadow(_stricter(), patience=5)
    line = a_line(return_line_id="RMA-2/1", customer__id="C-9", sale__order_number="SO-9")
    _with(service, shadow).recommend(line)
    said = service.call("GET", "/v1/policies", role="auditor").json()["shadow"]
    assert said["digest"] == shadow.policies.digest
    assert (said["recommendations"], said["changed"], said["failed"]) == (1, 1, 0)
    assert said["transitions"] == {"cleared": {"pending_approval": 1}}
    assert said["money"]["USD"]["at_stake"] == "119.00"
    assert said["reviews_by_role"] == {"supervisor": {"recorded": 0, "replayed": 1}}


def test_a_candidate_that_is_not_valid_is_left_out_and_the_service_starts(make_service, tmp_path):
    service = make_service()
    (tmp_path / "finance.yaml").write_text("owner: [")
    assert open_shadow(tmp_path, service.ledger) is None
    assert open_shadow(None, service.ledger) is None
    shadow = open_shadow(DEFAULT_RULES, service.ledger)
    with service.ledger.read() as tx:
        assert shadow is not None
        assert tx.policy(shadow.policies.digest) is not None


def test_a_policy_set_with_other_comments_is_the_same_set_and_the_service_starts(make_service, tmp_path):
    """The policy in force is recorded by the same hand."""
    ledger, rules = make_service().ledger, tmp_path / "rules"
    shutil.copytree(DEFAULT_RULES, rules)
    finance = rules / "finance.yaml"
    finance.write_text("# read again, nothing changed\n" + finance.read_text())
    first, again = open_shadow(DEFAULT_RULES, ledger), open_shadow(rules, ledger)
    assert first is not None
    assert again is not None
    assert first.policies.digest == again.policies.digest
