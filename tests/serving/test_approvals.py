import pytest

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
