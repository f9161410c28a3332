"""How people decide, by role: agreement, time to decide, reasons for overrides, votes cast too quickly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from ledger.approvals import Ballot, Vote
from ledger.evidence import Outcome, Told
from serving.operations.agreement import outcomes_by_role, votes_by_role
from serving.operations.metrics import Calendar
from tests.factories import a_line

FRIDAY = datetime(2026, 11, 20, 12, tzinfo=UTC)
NUMBERS = count()
ALWAYS = Calendar()


def a_ballot(
    vote: str = "approve",
    *,
    voter: str = "emp:1",
    seconds: float = 60,
    role: str = "manager",
    comment: str = "",
) -> Ballot:
    at = FRIDAY + timedelta(seconds=seconds)
    return Ballot(Vote(f"vote_{next(NUMBERS)}", "apr_1", voter, role, vote, comment, at), FRIDAY)


def told(disposition: str, *, reason: str | None = None, hours: float = 1, actor: str = "wms:1") -> Told:
    at = FRIDAY + timedelta(hours=hours)
    name = f"out_{next(NUMBERS)}"
    outcome = Outcome(name, "rec_1", "RMA-1/1", disposition, None, None, None, reason, actor, at)
    return Told(outcome, "RESTOCK", FRIDAY)


def test_agreement_and_time_to_decide_are_told_votes_by_role():
    cast = [a_ballot(seconds=3600), a_ballot("reject", voter="emp:2", seconds=3 * 3600)]
    cast.append(a_ballot(role="cfo", seconds=7200))
    found = votes_by_role(cast, calendar=ALWAYS)
    assert list(found) == ["cfo", "manager"]
    manager = found["manager"]
    assert (manager["votes"], manager["agreement_rate"], manager["median"]) == (2, 0.5, 2.0)


@pytest.mark.parametrize(("between", "share"), [(1, 0.5), (4.9, 0.5), (5, 0.0)])
def test_an_approval_right_after_the_one_before_was_hardly_read(between: float, share: float):
    cast = [a_ballot(seconds=60), a_ballot(seconds=60 + between), a_ballot(voter="emp:2", seconds=61)]
    found = votes_by_role(cast[:2], calendar=ALWAYS)["manager"]
    assert found["approved_under_5_seconds"] == share
    others = votes_by_role([cast[0], cast[2]], calendar=ALWAYS)["manager"]
    assert others["approved_under_5_seconds"] == 0.0


def test_rejections_are_counted_by_their_reason_and_words_alone_as_other():
    cast = [a_ballot("reject", voter=f"emp:{n}", comment="FRAUD_SUSPECTED: third") for n in range(2)]
    cast += [a_ballot("reject", voter="emp:8", comment="looks odd"), a_ballot(comment="SAFETY: fine")]
    found = votes_by_role(cast, calendar=ALWAYS)["manager"]
    assert found["override_reasons"] == {"FRAUD_SUSPECTED": 2, "OTHER": 1}


def test_outcomes_agree_where_what_was_done_is_what_was_recommended():
    lines = [
        told("RESTOCK"),
        told("DESTROY", reason="SAFETY", hours=2),
        told("REPAIR", reason="ours", hours=3),
    ]
    lines += [told("RESTOCK", actor="emp:9", hours=80)]
    found = outcomes_by_role(lines, roles={"wms:1": "orchestrator"}, calendar=ALWAYS)
    mine = found["orchestrator"]
    assert (mine["outcomes"], mine["agreement_rate"], mine["median"], mine["p90"]) == (3, 1 / 3, 2.0, 3.0)
    assert mine["override_reasons"] == {"SAFETY": 1, "OTHER": 1}
    assert found["unknown"]["median"] == 32.0  # a weekend does not count


@pytest.fixture
def case(service):
    """A recommendation, what it recommends, and something else."""
    body = service.recommend(a_line()).json()
    chosen = body["disposition"]["recommended"]
    return body["id"], chosen, "DESTROY" if chosen != "DESTROY" else "REPAIR"


def tell(service, recommendation, disposition, **body):
    path = f"/v1/recommendations/{recommendation}/outcome"
    return service.call("POST", path, json={"disposition": disposition, **body})


@pytest.mark.parametrize("code", [{}, {"reason_code": None}, {"reason_code": "as planned"}])
def test_an_outcome_as_recommended_needs_no_reason(service, case, code):
    assert tell(service, case[0], case[1], **code).status_code == 201


@pytest.mark.parametrize("code", [{}, {"reason_code": None}, {"reason_code": "it fell off the shelf"}])
def test_another_outcome_without_a_reason_is_refused_with_its_place_and_the_codes(service, case, code):
    refusal = tell(service, case[0], case[2], **code)
    body = refusal.json()
    assert (refusal.status_code, body["code"]) == (422, "reason_code")
    assert body["errors"][0]["pointer"] == "/reason_code"
    assert "CONDITION_DIFFERS" in body["detail"]
    assert not [entry for entry in audit(service) if entry["kind"] == "outcome"]


def audit(service):
    return service.call("GET", "/v1/audit", role="auditor").json()["items"]


def test_other_systems_codes_are_taken_and_counted_as_other(service, case):
    service.clock.forward(hours=2)
    for code in ("CONDITION_DIFFERS", "condition-differs", "WMS_0815", "x9"):
        assert tell(service, case[0], case[2], reason_code=code).status_code == 201
    assert tell(service, case[0], case[1]).status_code == 201
    service.clock.forward(seconds=1)
    found = service.call("GET", "/v1/metrics/operations", role="planner").json()["metrics"]["outcomes"]
    mine = found["orchestrator"]
    assert (mine["outcomes"], mine["agreement_rate"], mine["median"]) == (5, 0.2, 2.0)
    assert mine["override_reasons"] == {"CONDITION_DIFFERS": 2, "OTHER": 2}


def test_the_codes_stand_in_the_open_api_document(service):
    schemas = service.client.get("/openapi.json").json()["components"]["schemas"]
    examples = schemas["OutcomeRequest"]["properties"]["reason_code"]["examples"]
    assert examples == schemas["OverrideReason"]["enum"]
    assert "FRAUD_SUSPECTED" in examples
