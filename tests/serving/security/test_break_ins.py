"""Attempts to get in, to wear the service down, and to have it say what it should not."""

from __future__ import annotations

import json
import logging

import pytest

from serving.auth.limits import Limits
from serving.errors import ProblemError
from tests.factories import a_line

BODY = {"Content-Type": "application/json"}


def test_more_than_the_limit_is_told_when_to_come_again(make_service):
    service = make_service(rate_limit=2)
    ask = lambda **who: service.call("GET", "/v1/audit", role="auditor", **who)  # noqa: E731
    statuses = [ask().status_code for _ in range(5)]
    assert statuses == [200] * 4 + [429]
    refused = ask()
    assert (refused.headers["content-type"], refused.headers["Retry-After"]) == (
        "application/problem+json",
        "1",
    )
    assert ask(subject="emp:other").status_code == 200
    service.clock.forward(seconds=1)
    assert ask().status_code == 200


def test_guesses_from_one_address_are_slowed_down_and_good_keys_are_not(make_service):
    service = make_service(stranger_limit=1)
    guess = [
        service.client.get("/v1/audit", headers={"Authorization": f"Bearer rk_{n}"}).status_code
        for n in range(4)
    ]
    assert guess == [401, 401, 429, 429]
    assert service.call("GET", "/v1/audit", role="auditor").status_code == 200


def test_a_bucket_never_holds_more_than_its_burst_and_clocks_that_go_back_fill_none():
    limits = Limits(1.0)
    for at in (100.0, 1000.0):
        for _ in range(2):
            limits.take("a", now=at)
        with pytest.raises(ProblemError):
            limits.take("a", now=at - 50.0)


@pytest.mark.parametrize(
    "body",
    [b"[" * 200_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000, b'{"attributes":' + b"[" * 5000],
    ids=["lists", "objects", "inside"],
)
def test_nesting_without_end_is_a_bad_request(make_service, body):
    service = make_service()
    for path in ("/v1/recommendations", "/v1/events"):
        answer = service.call("POST", path, content=body, headers=BODY)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


@pytest.mark.parametrize(
    "name", ["../../../../etc/cron.d/x", "..\\..\\x.pdf", "/etc/passwd", "a\x00.png", "." * 300]
)
def test_the_name_of_a_document_leads_nowhere(make_service, tmp_path, name):
    service = make_service()
    before = {path for path in tmp_path.rglob("*") if "documents" not in path.parts}
    answer = service.call(
        "POST", "/v1/documents", files={"file": (name, b"%PDF-1.7 nothing", "application/pdf")}
    )
    assert answer.status_code < 500
    after = {path for path in tmp_path.rglob("*") if "documents" not in path.parts}
    assert {path for path in after - before if "ledger" not in path.name} == set()


@pytest.mark.parametrize("name", ["..%2f..%2fledger.sqlite", "../ledger.sqlite", "doc_x%00", "%2e%2e"])
def test_the_id_of_a_document_is_no_path(make_service, name):
    assert make_service().call("GET", f"/v1/documents/{name}").status_code in {404, 405, 422}


def test_rows_of_another_site_are_out_of_reach_by_every_call(make_service, champions):
    service = make_service(champions)
    line = a_line(credit_requested__amount="600.00", sale__price_paid="600.00")
    made = service.recommend(line).json()
    rec, approval = made["id"], made["approvals"][0]["id"]
    elsewhere = {"sites": ("RNO1",), "subject": "emp:77"}
    away = [
        service.call("GET", f"/v1/recommendations/{rec}", **elsewhere),
        service.call("POST", f"/v1/recommendations/{rec}/replay", json={}, **elsewhere),
        service.call(
            "POST",
            f"/v1/recommendations/{rec}/outcome",
            json={"disposition": "REFURBISH"},
            **elsewhere,
        ),
        service.call("POST", "/v1/recommendations", json=a_line(return_line_id="RMA-9/1"), **elsewhere),
        service.call("GET", f"/v1/approvals/{approval}", role="manager", **elsewhere),
        service.call("GET", "/v1/approvals?site=DAL1", role="manager", **elsewhere),
        service.call("GET", "/v1/metrics/operations?site=DAL1", role="manager", **elsewhere),
        service.vote(approval, role="manager", **elsewhere),
    ]
    assert [answer.status_code for answer in away] == [403] * len(away)
    assert all("600.00" not in answer.text for answer in away)
    of_line = service.call("GET", "/v1/recommendations?return_line_id=RMA-1001/1", **elsewhere)
    assert of_line.json()["items"] == []
    assert service.call("GET", "/v1/approvals", role="manager", **elsewhere).json()["items"] == []


def test_neither_answers_nor_logs_repeat_what_was_sent(make_service, capsys, caplog):
    secret = "hunter2-anna@example.com"
    service = make_service(log_level="info")
    line = a_line(customer_note=secret, reason=secret)
    with caplog.at_level(logging.DEBUG):
        answers = [
            service.recommend(line),
            service.call(
                "POST", "/v1/events", json={"specversion": "1.0", "id": secret, "data": {"actor": secret}}
            ),
            service.call("GET", f"/v1/recommendations/{secret}"),
            service.call("POST", "/v1/recommendations", content=secret.encode(), headers=BODY),
            service.client.get("/v1/audit", headers={"Authorization": f"Bearer {secret}"}),
            service.client.get(f"/v1/audit?key={secret}"),
        ]
    said = capsys.readouterr()
    assert all(secret not in answer.text and answer.status_code >= 400 for answer in answers)
    logged = (
        said.out
        + said.err
        + "".join(record.getMessage() for record in caplog.records if record.name != "httpx")
    )
    assert secret not in logged
    assert json.dumps(secret) not in logged
