import json
import threading

import pandas as pd
import pytest

from serving.operations.outcomes import export
from tests.factories import a_line


def test_the_example_of_the_contract_is_cleared(service):
    answer = service.recommend(a_line())
    assert answer.status_code == 201
    body = answer.json()
    assert (body["status"], body["degraded"], body["approvals"]) == ("cleared", False, [])
    assert body["credit"]["recommended"] == {"amount": "119.00", "currency": "USD"}
    assert body["credit"]["action"] == "FULL_CREDIT"


def test_probabilities_hold_every_class_and_sum_to_one(service):
    disposition = service.recommend(a_line()).json()["disposition"]
    assert sum(disposition["probabilities"].values()) == pytest.approx(1)
    assert disposition["likely"] == max(disposition["probabilities"], key=disposition["probabilities"].get)
    assert set(disposition["prediction_set"]) <= set(disposition["probabilities"])


def test_the_recommended_disposition_is_the_best_of_the_permitted(service):
    disposition = service.recommend(a_line()).json()["disposition"]
    permitted = [one for one in disposition["alternatives"] if one["permitted"]]
    best = max(permitted, key=lambda one: float(one["expected_recovery"]))
    assert disposition["recommended"] == best["disposition"]


def test_every_model_names_its_version_and_digest(service):
    models = service.recommend(a_line()).json()["models"]
    assert set(models) == {"condition", "disposition", "recovery", "fraud", "workload"}
    assert all(model["digest"].startswith("sha256:") for model in models.values())


def test_a_retry_gets_the_same_answer(service):
    first = service.recommend(a_line(), headers={"Idempotency-Key": "one"})
    again = service.recommend(a_line(), headers={"Idempotency-Key": "one"})
    assert (again.status_code, again.json()) == (201, first.json())


def test_a_key_used_for_another_payload_is_refused(service):
    service.recommend(a_line(), headers={"Idempotency-Key": "one"})
    other = service.recommend(a_line(return_line_id="RMA-2/1"), headers={"Idempotency-Key": "one"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_a_write_without_a_key_is_refused(service):
    answer = service.client.post(
        "/v1/recommendations",
        json=a_line(),
        headers={"Authorization": f"Bearer {service.key_of('orchestrator', 'service:orchestrator')}"},
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")


def test_the_same_payload_under_a_new_key_returns_the_first_recommendation(service):
    first = service.recommend(a_line())
    again = service.recommend(a_line())
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])


def test_another_payload_for_the_same_line_and_stage_is_a_conflict(service):
    service.recommend(a_line())
    assert service.recommend(a_line(customer_note="other")).status_code == 409


def test_a_revision_supersedes_and_voids_the_approvals(service):
    first = service.recommend(a_line(credit_requested__amount="1000.00", sale__price_paid="1000.00")).json()
    revised = service.recommend(
        a_line(credit_requested__amount="900.00", sale__price_paid="1000.00", revises=first["id"])
    )
    assert (revised.status_code, revised.json()["supersedes"]) == (201, first["id"])
    approval = first["approvals"][0]["id"]
    assert service.call("GET", f"/v1/recommendations/{first['id']}").json()["status"] == "superseded"
    assert service.call("GET", f"/v1/approvals/{approval}", role="auditor").json()["status"] == "superseded"


def test_a_later_stage_supersedes_the_earlier_one_and_there_is_no_way_back(service):
    first = service.recommend(a_line()).json()
    inspection = {
        "grade": "B",
        "inspected_at": "2026-11-21T09:00:00Z",
        "inspector": "emp:4",
        "serial_found": "SN-9",
    }
    later = service.recommend(a_line(stage="INSPECTION", inspection=inspection)).json()
    assert later["supersedes"] == first["id"]
    assert service.recommend(a_line(customer_note="late news")).status_code == 409


def test_a_retry_after_supersession_still_gets_its_answer(service):
    service.recommend(a_line(), headers={"Idempotency-Key": "one"})
    first = service.recommend(a_line(), headers={"Idempotency-Key": "one"}).json()
    service.recommend(a_line(customer_note="more", revises=first["id"]))
    assert service.recommend(a_line(), headers={"Idempotency-Key": "one"}).json() == first


def test_many_keys_at_once_give_one_credit(service):
    answers = []

    def post() -> None:
        answers.append(service.recommend(a_line()))

    service.recommend(a_line(return_line_id="RMA-0/1"))  # the key exists before the race
    threads = [threading.Thread(target=post) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum(answer.status_code == 201 for answer in answers) == 1


def test_two_lines_of_one_sale_are_never_credited_more_than_was_paid(service):
    first = service.recommend(a_line())
    second = service.recommend(a_line(return_line_id="RMA-1001/2"))
    assert first.json()["status"] == "cleared"
    assert second.json()["status"] == "held"
    assert "OPS-01" in {rule["id"] for rule in second.json()["guardrails"]}
    assert second.json()["credit"]["recommended"]["amount"] == "0.00"


def test_a_restocking_fee_caps_the_credit_and_keeps_what_was_asked(service):
    body = service.recommend(a_line(reason="UNWANTED")).json()
    assert body["credit"]["requested"]["amount"] == "119.00"
    assert body["credit"]["recommended"]["amount"] == "95.20"
    assert body["credit"]["action"] == "PARTIAL_CREDIT"


def test_an_unclassified_product_is_held(service):
    body = service.recommend(a_line(item__regulatory_classes=["UNCLASSIFIED"])).json()
    assert body["status"] == "held"


def test_a_swapped_serial_is_denied_and_quarantined(service):
    inspection = {"grade": "A", "serial_found": "SN-OTHER"}
    body = service.recommend(a_line(stage="INSPECTION", inspection=inspection)).json()
    assert (body["status"], body["credit"]["action"]) == ("denied", "DENY")
    assert (body["credit"]["recommended"]["amount"], body["disposition"]["recommended"]) == (
        "0.00",
        "QUARANTINE",
    )


def test_an_unknown_currency_goes_to_a_person(service):
    body = service.recommend(a_line(credit_requested={"amount": "119.00", "currency": "XTS"})).json()
    assert body["status"] == "pending_approval"


def test_missing_optional_facts_go_to_a_person_not_to_a_default(service):
    body = service.recommend(a_line(sale=None)).json()
    assert body["status"] == "pending_approval"


def test_without_models_the_answer_says_degraded_and_asks_a_person(make_service):
    body = make_service().recommend(a_line()).json()
    assert (body["degraded"], body["status"]) == (True, "pending_approval")


def test_without_models_the_service_can_be_told_to_refuse(make_service):
    answer = make_service(without_models="refuse").recommend(a_line())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")


def test_a_batch_answers_every_line_on_its_own(service):
    items = [
        a_line(return_line_id="A/1"),
        a_line(return_line_id="A/2", quantity=0),
        {"x": 1},
        a_line(return_line_id="A/1"),
    ]
    answer = service.call("POST", "/v1/recommendations/batch", json={"items": items})
    assert answer.status_code == 207
    assert [item["status"] for item in answer.json()["items"]] == [201, 422, 422, 200]
    assert answer.json()["items"][1]["problem"]["errors"][0]["pointer"] == "/quantity"


def test_what_became_of_it_is_recorded_and_exported(service, tmp_path):
    recommendation = service.recommend(a_line()).json()["id"]
    outcome = {
        "disposition": "DESTROY",
        "recovered": {"amount": "0.00", "currency": "USD"},
        "minutes": 6.5,
        "fraud_confirmed": True,
        "reason_code": "BROKEN",
    }
    assert (
        service.call("POST", f"/v1/recommendations/{recommendation}/outcome", json=outcome).status_code == 201
    )
    assert export(service.ledger, tmp_path / "outcomes.parquet") == 1
    row = pd.read_parquet(tmp_path / "outcomes.parquet").iloc[0]
    assert (row["disposition"], row["recovered"], row["minutes"], row["fraud"]) == ("DESTROY", 0.0, 6.5, True)


def test_a_replay_under_the_recorded_policy_is_identical(service):
    recommendation = service.recommend(a_line(reason="UNWANTED")).json()["id"]
    answer = service.call("POST", f"/v1/recommendations/{recommendation}/replay", role="auditor")
    assert answer.json()["identical"] is True


def test_another_sites_return_stays_out_of_sight(service):
    recommendation = service.recommend(a_line()).json()["id"]
    path = f"/v1/recommendations/{recommendation}"
    assert service.call("GET", path, role="supervisor", subject="emp:9", sites=("RNO1",)).status_code == 403
    assert service.call("GET", path, role="supervisor", subject="emp:9", sites=("DAL1",)).status_code == 200


WRONG = {
    "unknown field": ({"extra": 1}, "/extra"),
    "wrong type": ({"quantity": "1"}, "/quantity"),
    "bool for a number": ({"quantity": True}, "/quantity"),
    "unknown reason": ({"reason": "BORED"}, "/reason"),
    "unknown grade": ({"inspection": {"grade": "Z"}}, "/inspection/grade"),
    "negative money": ({"credit_requested__amount": "-1.00"}, "/credit_requested/amount"),
    "money as a number": ({"credit_requested__amount": 119}, "/credit_requested/amount"),
    "over-precise money": ({"credit_requested__amount": "1.001"}, "/credit_requested/amount"),
    "sold after the request": ({"sale__sold_at": "2026-12-01T00:00:00Z"}, "/sale/sold_at"),
    "time without a zone": ({"requested_at": "2026-11-20T10:00:00"}, "/requested_at"),
    "missing customer": ({"customer": ...}, "/customer"),
    "half a character": ({"customer_note": "\ud800"}, "/customer_note"),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_is_refused_naming_the_place_and_writes_nothing(service, case):
    changes, pointer = WRONG[case]
    key = service.key_of("orchestrator", "service:orchestrator")
    before = service.ledger.verify().entries
    answer = service.client.post(
        "/v1/recommendations",
        content=json.dumps(a_line(**changes)).encode(),
        headers={
            "Authorization": f"Bearer {key}",
            "Idempotency-Key": "k",
            "Content-Type": "application/json",
        },
    )
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}
    assert service.ledger.verify().entries == before


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"nul", b"\xff\xfe", b'"text"'])
def test_what_is_no_json_object_is_malformed(service, body):
    key = service.key_of("orchestrator", "service:orchestrator")
    answer = service.client.post(
        "/v1/recommendations",
        content=body,
        headers={
            "Authorization": f"Bearer {key}",
            "Idempotency-Key": "k",
            "Content-Type": "application/json",
        },
    )
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"


def test_refusals_never_echo_what_was_sent(service):
    answer = service.recommend(a_line(reason="SECRET-4711"))
    assert "SECRET-4711" not in answer.text


def test_a_body_over_the_limit_is_413(service):
    answer = service.recommend(a_line(customer_note="x" * 3_000_000))
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")


def test_what_one_customer_did_counts_at_the_address_and_device_of_another(service):
    place = {"customer__address_id": "A-1", "customer__device_id": "D-1"}
    service.recommend(a_line(reason="NOT_RECEIVED", **place))
    looked = a_line(stage="INSPECTION", inspection={"grade": "E"}, reason="NOT_RECEIVED", **place)
    service.recommend(looked)
    asked = a_line(return_line_id="RMA-2/1", sale__order_number="SO-6", customer__id="C-78", **place)
    asked["requested_at"] = "2026-12-20T10:00:00Z"
    known = service.recommend(asked).json()
    with service.ledger.read() as tx:
        figures = tx.recommendation(known["id"]).facts["inputs"]["history"]
    assert figures["customer_count_ever"] == 0
    for mark in ("count", "undelivered", "poor", "customers"):
        assert figures[f"address_{mark}_ever"] == figures[f"device_{mark}_ever"] == 1
