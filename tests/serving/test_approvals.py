from pathlib import Path

import pytest

from policy.approvals import OverrideReason, diagram
from policy.policies import DEFAULT_RULES, PolicySet, files_of
from tests.factories import a_line


@pytest.fixture
def service(make_service, champions):
    """A service without a budget for fraud reviews, so that amounts alone decide who is asked."""
    files = files_of(DEFAULT_RULES)
    some, none = (
        "fraud_reviews_per_day: {unit: count, value: 40",
        "fraud_reviews_per_day: {unit: count, value: 0",
    )
    assert some in files["finance.yaml"]
    files["finance.yaml"] = files["finance.yaml"].replace(some, none)
    return make_service(champions, policies=PolicySet.parse(files))


@pytest.fixture
def pending(service):
    """A recommendation for 600 dollars, which a supervisor may approve."""
    line = a_line(credit_requested__amount="600.00", sale__price_paid="600.00", item__unit_cost="400.00")
    body = service.recommend(line).json()
    assert [approval["rule"] for approval in body["approvals"]] == ["FIN-01"]
    return body


def test_the_inbox_of_a_role_shows_what_asks_for_it(service, pending):
    mine = service.call("GET", "/v1/approvals", role="supervisor").json()["items"]
    others = service.call("GET", "/v1/approvals", role="hazmat_officer").json()["items"]
    assert [item["id"] for item in mine] == [pending["approvals"][0]["id"]]
    assert others == []


def test_a_second_person_approves(service, pending):
    answer = service.vote(pending["approvals"][0]["id"], role="supervisor", subject="emp:8")
    assert (answer.status_code, answer.json()["status"]) == (201, "approved")
    assert service.call("GET", f"/v1/recommendations/{pending['id']}").json()["status"] == "approved"


def test_a_rejection_ends_the_case(service, pending):
    service.vote(pending["approvals"][0]["id"], "reject", role="supervisor", subject="emp:8")
    assert service.call("GET", f"/v1/recommendations/{pending['id']}").json()["status"] == "rejected"


@pytest.mark.parametrize("subject", ["agent:17", "service:orchestrator", "AGENT:17 "])
def test_nobody_approves_their_own_case(service, pending, subject):
    answer = service.vote(pending["approvals"][0]["id"], role="supervisor", subject=subject)
    assert (answer.status_code, answer.json()["code"]) == (403, "own_case")
    assert service.call("GET", f"/v1/recommendations/{pending['id']}").json()["status"] == "pending_approval"


def test_the_inspector_approves_nothing(service):
    inspection = {"grade": "B", "inspector": "emp:4", "serial_found": "SN-9"}
    line = a_line(stage="INSPECTION", inspection=inspection)
    line |= {
        "credit_requested": {"amount": "1000.00", "currency": "USD"},
        "sale": {**line["sale"], "price_paid": "1000.00"},
    }
    approval = service.recommend(line).json()["approvals"][0]["id"]
    assert service.vote(approval, role="supervisor", subject="emp:4").status_code == 403


def test_whoever_received_the_goods_approves_nothing(service, pending):
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "wms",
        "type": "returns.receipt.confirmed.v1",
        "subject": pending["return_line_id"],
        "time": "2026-11-20T11:00:00Z",
        "data": {"actor": "emp:6"},
    }
    assert service.call("POST", "/v1/events", json=event).status_code == 202
    assert service.vote(pending["approvals"][0]["id"], role="supervisor", subject="emp:6").status_code == 403


def test_a_credit_over_the_limit_asks_a_higher_role(service):
    line = a_line(credit_requested__amount="3000.00", sale__price_paid="3000.00", item__unit_cost="2000.00")
    approval = next(one for one in service.recommend(line).json()["approvals"] if one["rule"] == "FIN-01")
    assert approval["roles"] == ["manager"]
    assert service.vote(approval["id"], role="supervisor", subject="emp:8").json()["code"] in {
        "over_limit",
        "wrong_role",
    }
    assert service.vote(approval["id"], role="controller", subject="emp:9").status_code == 201


def test_a_vote_needs_the_etag_of_what_was_read(service, pending):
    path = f"/v1/approvals/{pending['approvals'][0]['id']}/votes"
    body = {"vote": "approve", "comment": ""}
    without = service.call("POST", path, role="supervisor", json=body)
    stale = service.call("POST", path, role="supervisor", json=body, headers={"If-Match": '"apr_x-9"'})
    assert (without.status_code, stale.status_code) == (428, 412)


def test_a_closed_approval_takes_no_vote(service, pending):
    approval = pending["approvals"][0]["id"]
    service.vote(approval, role="supervisor", subject="emp:8")
    assert service.vote(approval, role="supervisor", subject="emp:9").status_code == 409


def test_an_approval_lapses(service, pending):
    service.clock.forward(days=30)
    approval = pending["approvals"][0]["id"]
    assert service.vote(approval, role="supervisor", subject="emp:8").status_code == 409
    assert service.call("GET", f"/v1/approvals/{approval}", role="auditor").json()["status"] == "expired"


def test_an_approval_has_its_days_whatever_days_the_site_is_closed(service):
    first = service.call("GET", f"/v1/approvals/{a_case(service, 1)}", role="auditor").json()
    holidays = {"closed_days": ["2026-11-26", "2026-11-27"]}
    service.call("PUT", "/v1/reference/sites/DAL1", json=holidays)
    later = service.call("GET", f"/v1/approvals/{a_case(service, 2)}", role="auditor").json()
    assert (first["expires_at"][:10], later["expires_at"][:10]) == ("2026-11-27", "2026-12-01")


def test_a_retried_vote_counts_once(service, pending):
    approval = pending["approvals"][0]["id"]
    first = service.vote(approval, role="supervisor", subject="emp:8", headers={"Idempotency-Key": "v"})
    again = service.vote(approval, role="supervisor", subject="emp:8", headers={"Idempotency-Key": "v"})
    assert (again.status_code, again.json()) == (201, first.json())
    assert len(first.json()["votes"]) == 1


def test_the_requester_can_take_the_question_back(service, pending):
    approval = pending["approvals"][0]["id"]
    etag = service.call("GET", f"/v1/approvals/{approval}", role="auditor").headers["ETag"]
    answer = service.call(
        "POST",
        f"/v1/approvals/{approval}/recall",
        subject="service:orchestrator",
        json={"reason": "the customer keeps it"},
        headers={"If-Match": etag},
    )
    assert answer.json()["status"] == "recalled"
    assert service.call("GET", f"/v1/recommendations/{pending['id']}").json()["status"] == "recalled"


def test_a_question_can_be_passed_on_but_not_to_the_requester(service, pending):
    path = f"/v1/approvals/{pending['approvals'][0]['id']}"
    etag = service.call("GET", path, role="auditor").headers["ETag"]
    sent = {"role": "supervisor", "subject": "emp:8", "headers": {"If-Match": etag}}
    assert service.call("POST", f"{path}/delegate", json={"to": "agent:17"}, **sent).status_code == 403
    assert service.call("POST", f"{path}/delegate", json={"to": "emp:9"}, **sent).status_code == 201


def test_every_step_stands_in_a_chain_that_verifies(service, pending):
    service.vote(pending["approvals"][0]["id"], role="supervisor", subject="emp:8")
    kinds = [entry["kind"] for entry in service.call("GET", "/v1/audit", role="auditor").json()["items"]]
    assert {"recommendation.issued", "approval.requested", "approval.vote"} <= set(kinds)
    assert service.call("GET", "/v1/audit/verify", role="auditor").json()["valid"] is True


def a_case(service, number, *, dollars="600.00"):
    """One more case of another line; the id of the approval of its amount."""
    line = a_line(
        return_line_id=f"RMA-{number}/1",
        customer={"id": f"C-{number}"},
        credit_requested__amount=dollars,
        sale__price_paid=dollars,
        sale__order_number=f"SO-{number}",
        item__unit_cost="400.00",
    )
    approvals = service.recommend(line).json()["approvals"]
    return next(one["id"] for one in approvals if one["rule"] == "FIN-01")


def stand_in(service, *, to="emp:8", role="manager", subject="emp:7", **changed):
    """Have `to` vote for the manager emp:7 for a fortnight."""
    body = {"to": to, "from": "2026-11-20T00:00:00Z", "until": "2026-12-04T00:00:00Z", **changed}
    return service.call("POST", "/v1/delegations", role=role, subject=subject, json=body)


def test_who_stands_in_votes_under_the_role_of_whom_they_stand_in_for(service):
    approval = a_case(service, 1, dollars="3000.00")
    assert service.vote(approval, role="supervisor", subject="emp:8").status_code == 403
    assert stand_in(service).status_code == 201
    answer = service.vote(approval, role="supervisor", subject="emp:8").json()
    assert (answer["status"], answer["votes"][0]["role"]) == ("approved", "manager")
    assert [(one["from"], one["to"]) for one in answer["delegations"]] == [("emp:7", "emp:8")]
    kinds = [entry["kind"] for entry in service.call("GET", "/v1/audit", role="auditor").json()["items"]]
    assert {"reference.delegations", "approval.delegated", "approval.vote"} <= set(kinds)


@pytest.mark.parametrize(
    "changed",
    [
        {"limit": {"amount": "2999.99", "currency": "USD"}},
        {"limit": {"amount": "9000.00", "currency": "EUR"}},
        {"from": "2026-11-20T13:00:00Z"},
        {"subject": "agent:17"},
        {"subject": "emp:7", "to": "emp:12"},
    ],
)
def test_a_standing_delegation_reaches_no_further_than_its_words(service, changed):
    assert stand_in(service, **changed).status_code == 201
    approval = a_case(service, 1, dollars="3000.00")
    assert service.vote(approval, role="supervisor", subject="emp:8").status_code == 403


def test_a_delegation_ends_when_it_is_ended_and_is_seen_by_its_two_alone(service):
    name = stand_in(service).json()["id"]
    seen = [
        len(service.call("GET", "/v1/delegations", role="supervisor", subject=who).json()["items"])
        for who in ("emp:8", "emp:9")
    ]
    path = f"/v1/delegations/{name}"
    other = service.call("DELETE", path, role="supervisor", subject="emp:9").status_code
    own = service.call("DELETE", path, role="manager", subject="emp:7").status_code
    assert (seen, other, own) == ([1, 0], 404, 204)
    approval = a_case(service, 1, dollars="3000.00")
    assert service.vote(approval, role="supervisor", subject="emp:8").status_code == 403


def test_nobody_passes_on_a_right_that_is_not_theirs(service):
    refused = [
        stand_in(service, subject="emp:7", **changed).status_code
        for changed in ({"to": "emp:7"}, {"until": "2026-11-20T00:00:00Z"})
    ]
    body = {"to": "emp:8", "from": "2026-11-20T00:00:00Z", "until": "2026-12-04T00:00:00Z", "role": "cfo"}
    lifted = service.call("POST", "/v1/delegations", role="manager", subject="emp:7", json=body)
    assert (refused, lifted.status_code) == ([403, 422], 403)


def test_two_who_delegate_to_each_other_have_one_voice(service):
    stand_in(service, to="emp:8", subject="emp:7")
    stand_in(service, to="emp:7", subject="emp:8", role="supervisor")
    approval = a_case(service, 1, dollars="10000.00")
    assert service.vote(approval, role="supervisor", subject="emp:8").status_code == 201
    assert service.vote(approval, role="manager", subject="emp:7").status_code == 409


def test_a_rejection_says_why(service):
    approval = a_case(service, 1)
    path = f"/v1/approvals/{approval}"
    etag = service.call("GET", path, role="auditor").headers["ETag"]

    def reject(**body):
        sent = {"role": "supervisor", "subject": "emp:8", "headers": {"If-Match": etag}}
        return service.call("POST", f"{path}/votes", json={"vote": "reject", **body}, **sent)

    silent, unknown = reject(), reject(reason_code="BECAUSE")
    assert (silent.status_code, unknown.status_code) == (422, 422)
    assert "FRAUD_SUSPECTED" in silent.json()["detail"]
    vote = reject(reason_code="FRAUD_SUSPECTED", comment="third this week").json()["votes"][0]
    assert vote["reason_code"] == "FRAUD_SUSPECTED"


def test_many_votes_are_each_their_own(service):
    ours, other = [a_case(service, number) for number in (1, 2)], a_case(service, 3, dollars="3000.00")
    etags = {
        name: service.call("GET", f"/v1/approvals/{name}", role="auditor").headers["ETag"]
        for name in (*ours, other)
    }
    votes = [{"approval_id": name, "etag": etag, "vote": "approve"} for name, etag in etags.items()]
    votes += [{"approval_id": ours[0], "etag": '"stale"'}, {**votes[0], "vote": "reject", "comment": "late"}]
    sent = {"role": "supervisor", "subject": "emp:8", "headers": {"Idempotency-Key": "bulk"}}
    answer = service.call("POST", "/v1/approvals/votes", json={"votes": votes}, **sent)
    again = service.call("POST", "/v1/approvals/votes", json={"votes": votes}, **sent)
    assert answer.status_code == 207
    assert [item["status"] for item in answer.json()["items"]] == [201, 201, 403, 422, 409]
    assert again.json() == answer.json()
    audit = service.call("GET", "/v1/audit", role="auditor").json()["items"]
    assert [entry["kind"] for entry in audit].count("approval.vote") == 2


def test_metrics_tell_how_each_role_votes(service, pending):
    service.clock.forward(hours=1)
    service.vote(pending["approvals"][0]["id"], role="supervisor", subject="emp:8")
    service.clock.forward(seconds=1)
    found = service.call("GET", "/v1/metrics/operations", role="planner").json()["metrics"]
    mine = found["approvals"]["supervisor"]
    assert (mine["votes"], mine["agreement_rate"], mine["median"]) == (1, 1.0, 1.0)
    assert mine["approved_under_5_seconds"] == 0.0
    assert found["exception_volume"]["count"] == 1


def test_the_page_on_approvals_shows_the_table_that_the_code_obeys():
    page = (Path(__file__).parents[2] / "docs" / "approvals.md").read_text("utf-8")
    assert f"```mermaid\n{diagram()}\n```" in page
    codes = ", ".join(f"`{code}`" for code in OverrideReason)
    assert f"<!-- generated: policy.approvals.OverrideReason -->\n{codes}\n<!-- end -->" in page
