"""API keys over HTTP: made once, replaced without a gap, ended; and never both hands of one person."""

from __future__ import annotations

import pytest

from tests.factories import a_line


@pytest.fixture
def service(make_service):
    return make_service()


def make(service, **changed):
    body = {"role": "planner", "subject": "service:wfm", **changed.pop("body", {})}
    return service.call("POST", "/v1/keys", role="admin", json=body, **changed)


def opens(service, key: str) -> int:
    path = "/v1/metrics/operations"
    return service.client.get(path, headers={"Authorization": f"Bearer {key}"}).status_code


def test_a_key_is_told_once_and_kept_nowhere(service, tmp_path):
    headers = {"Idempotency-Key": "one"}
    made = make(service, headers=headers)
    key = made.json()["key"]
    assert (made.status_code, opens(service, key)) == (201, 200)
    again = make(service, headers=headers)
    assert again.json() == {**made.json(), "key": None}
    assert key not in service.call("GET", "/v1/keys", role="admin").text
    assert all(key.encode() not in path.read_bytes() for path in tmp_path.glob("ledger.sqlite*"))


def test_a_key_is_replaced_without_a_gap_and_the_old_one_ends(service):
    old = make(service).json()
    answer = service.call(
        "POST", f"/v1/keys/{old['id']}/rotate", role="admin", json={"grace_hours": 24}
    ).json()
    assert (answer["role"], answer["subject"]) == ("planner", "service:wfm")
    assert [opens(service, one["key"]) for one in (old, answer)] == [200, 200]
    service.clock.forward(hours=24)
    assert [opens(service, one["key"]) for one in (old, answer)] == [401, 200]
    assert service.call("POST", f"/v1/keys/{old['id']}/rotate", role="admin").status_code == 409
    assert service.call("DELETE", f"/v1/keys/{answer['id']}", role="admin").status_code == 204
    assert opens(service, answer["key"]) == 401


def test_an_administrator_of_some_sites_makes_and_sees_keys_of_those_alone(service):
    make(service, body={"sites": ["RNO1"]})
    here = {"sites": ("DAL1",), "subject": "emp:70"}
    assert make(service, body={"sites": ["DAL1"]}, **here).status_code == 201
    for sites in ([], ["RNO1"], ["DAL1", "RNO1"]):
        assert make(service, body={"sites": sites}, **here).status_code == 403
    seen = service.call("GET", "/v1/keys", role="admin", **here).json()["items"]
    assert {site for one in seen for site in one["sites"]} == {"DAL1"}


def test_who_administers_gets_no_key_that_approves_and_the_other_way_round(service):
    assert make(service, body={"role": "manager", "subject": "emp:admin"}).status_code == 409
    make(service, body={"role": "manager", "subject": "emp:7"})
    assert make(service, body={"role": "admin", "subject": "emp:7"}).status_code == 409
    assert make(service, body={"role": "king"}).status_code == 422


def test_an_administrator_s_second_key_votes_on_nothing(make_service, champions):
    service = make_service(champions)
    line = a_line(credit_requested__amount="600.00", sale__price_paid="600.00")
    approval = service.recommend(line).json()["approvals"][0]["id"]
    service.call("GET", "/v1/keys", role="admin", subject="emp:8")
    refused = service.vote(approval, role="manager", subject="EMP:8 ")
    assert (refused.status_code, refused.json()["code"]) == (403, "administrator")
    assert service.vote(approval, role="manager", subject="emp:9").status_code == 201


def test_where_people_sign_in_keys_of_their_roles_open_nothing(make_service):
    service = make_service(approver_keys=False)
    roles = ("manager", "orchestrator")
    paths = ("/v1/approvals", "/v1/reference/sites/DAL1")
    statuses = [
        service.call("GET", path, role=role).status_code for role, path in zip(roles, paths, strict=True)
    ]
    assert statuses == [401, 404]
