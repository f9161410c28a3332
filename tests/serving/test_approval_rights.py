"""Over HTTP, through every door to an approval: nobody decides their own case or beyond their right."""

from __future__ import annotations

from itertools import count, product

import pytest

from ledger.evidence import Correction, Document
from policy.policies import DEFAULT_RULES, PolicySet, files_of
from serving.access import RIGHTS, Action
from serving.auth import hashed
from tests.factories import a_line

LADDER = ("supervisor", "manager", "controller", "cfo")
# Who each has been to the case of `a_case`.
PEOPLE = {
    "none": "emp:9",
    "requester": "agent:17",
    "key holder": "service:orchestrator",
    "receiver": "emp:6",
    "inspector": "emp:4",
    "changed the facts": "emp:5",
}
MAY_RECALL = {"requester", "key holder"}
NUMBERS = count()


@pytest.fixture
def service(make_service, champions):
    """A service without a budget for fraud reviews, so that amounts alone decide who is asked."""
    files = files_of(DEFAULT_RULES)
    files["finance.yaml"] = files["finance.yaml"].replace(
        "fraud_reviews_per_day: {unit: count, value: 40", "fraud_reviews_per_day: {unit: count, value: 0"
    )
    return make_service(champions, policies=PolicySet.parse(files))


def a_case(service, dollars):
    """A case that everyone of `PEOPLE` but one has had to do with; the id of the approval of its amount."""
    number = next(NUMBERS)
    line = a_line(
        return_line_id=f"RMA-{number}/1",
        stage="INSPECTION",
        requested_by=PEOPLE["changed the facts"],
        customer={"id": f"C-{number}"},
        credit_requested__amount=dollars,
        sale__price_paid=dollars,
        sale__order_number=f"SO-{number}",
        item__unit_cost="400.00",
        inspection={"grade": "B", "inspector": PEOPLE["inspector"], "serial_found": "SN-9"},
    )
    first = service.recommend(line).json()["id"]
    again = {**line, "requested_by": PEOPLE["requester"], "revises": first, "customer_note": "again"}
    event = {
        "specversion": "1.0",
        "id": str(number),
        "source": "wms",
        "type": "returns.receipt.confirmed.v1",
        "subject": line["return_line_id"],
        "time": "2026-11-20T11:00:00Z",
        "data": {"actor": PEOPLE["receiver"]},
    }
    assert service.call("POST", "/v1/events", json=event).status_code == 202
    approvals = service.recommend(again).json()["approvals"]
    return next(one["id"] for one in approvals if one["rule"] == "FIN-01")


def etag_of(service, approval):
    return service.call("GET", f"/v1/approvals/{approval}", role="auditor").headers["ETag"]


def act(service, action, approval, *, etag=None, **who):
    """The status of an action on an approval as it stands; that of its one vote where it is a bulk vote."""
    path, etag = f"/v1/approvals/{approval}", etag or etag_of(service, approval)
    if action == "bulk":
        votes = {"votes": [{"approval_id": approval, "etag": etag, "vote": "approve"}]}
        answer = service.call("POST", "/v1/approvals/votes", json=votes, **who)
        return answer.json()["items"][0]["status"] if answer.status_code == 207 else answer.status_code
    door, body = {
        "approve": ("votes", {"vote": "approve"}),
        "reject": ("votes", {"vote": "reject", "comment": "no"}),
        "delegate": ("delegate", {"to": "emp:99"}),
        "recall": ("recall", {"reason": "kept"}),
    }[action]
    return service.call("POST", f"{path}/{door}", json=body, headers={"If-Match": etag}, **who).status_code


@pytest.mark.parametrize("action", ["approve", "reject", "delegate", "recall", "bulk"])
def test_every_role_and_relation_meets_the_same_answer_at_every_door(service, action):
    sides = (("2500.00", LADDER), ("2500.01", LADDER[1:]))
    for dollars, able in sides if action != "recall" else sides[1:]:
        approval = a_case(service, dollars)
        etag = etag_of(service, approval)
        for role, (relation, subject) in product(RIGHTS, PEOPLE.items()):
            right = role in able and relation == "none"
            if action == "recall":
                right |= Action.RECALL in RIGHTS[role] and relation in MAY_RECALL
            # Whoever administers has no other right: an administrator is somebody else.
            holder = "emp:1" if role == "admin" and relation == "none" else subject
            status = act(service, action, approval, etag=etag, role=role, subject=holder)
            assert status == (201 if right else 403), (dollars, role, relation)
            if right:
                approval = a_case(service, dollars)
                etag = etag_of(service, approval)


@pytest.mark.parametrize("sites", [("RNO1",), ("DAL1",), ()])
def test_a_vote_reaches_the_voter_s_own_sites(service, sites):
    status = act(service, "approve", a_case(service, "600.00"), role="cfo", subject="emp:9", sites=sites)
    assert status == (403 if sites == ("RNO1",) else 201)


def stand_in(service, *, holder="emp:7", role="manager", to="emp:8", **changed):
    body = {"to": to, "from": "2026-11-20T00:00:00Z", "until": "2026-12-04T00:00:00Z", **changed}
    return service.call("POST", "/v1/delegations", role=role, subject=holder, json=body)


def test_a_delegation_never_reaches_beyond_its_holder_s_own_limit(service):
    large = {"amount": "50000.00", "currency": "USD"}
    assert stand_in(service, limit=large).status_code == 201
    beyond, within = a_case(service, "10000.01"), a_case(service, "9999.99")
    who = {"role": "supervisor", "subject": "emp:8"}
    assert [act(service, "approve", one, **who) for one in (beyond, within)] == [403, 201]


@pytest.mark.parametrize("relation", sorted(set(PEOPLE) - {"none"}))
def test_whoever_had_to_do_with_the_case_stands_in_for_nobody_and_nobody_for_them(service, relation):
    subject = PEOPLE[relation]
    approval = a_case(service, "600.00")
    assert stand_in(service, holder=subject, to="emp:8").status_code == 201
    assert stand_in(service, holder="emp:7", to=subject).status_code == 201
    for actor in ("emp:8", subject):
        assert act(service, "approve", approval, role="quality_assurance", subject=actor) == 403


def test_a_right_that_was_passed_on_is_not_passed_on_further(service):
    approval = a_case(service, "3000.00")
    assert act(service, "delegate", approval, role="manager", subject="emp:7") == 201  # to emp:99
    assert act(service, "delegate", approval, role="supervisor", subject="emp:99") == 403
    assert stand_in(service, holder="emp:99", role="supervisor", to="emp:98").status_code == 201
    assert act(service, "approve", approval, role="supervisor", subject="emp:98") == 403
    assert act(service, "approve", approval, role="supervisor", subject="emp:99") == 201


def test_a_delegation_ends_with_its_holder_s_role(service):
    approval = a_case(service, "3000.00")
    stand_in(service)
    with service.ledger.write() as tx:
        tx.revoke_key(hashed(service.key_of("manager", "emp:7")), actor="emp:1", at=service.clock())
    assert act(service, "approve", approval, role="supervisor", subject="emp:8") == 403


def test_a_delegation_holds_from_its_first_moment_until_its_last(service):
    approval = a_case(service, "3000.00")
    stand_in(service, **{"from": "2026-11-20T13:00:00Z", "until": "2026-11-20T14:00:00Z"})
    who = {"role": "supervisor", "subject": "emp:8"}
    before = act(service, "approve", approval, **who)
    service.clock.forward(hours=2)
    after = act(service, "approve", approval, **who)
    service.clock.forward(hours=-1)
    assert (before, after, act(service, "approve", approval, **who)) == (403, 403, 201)


def test_bulk_votes_stand_in_the_audit_trail_one_by_one(service):
    cases = [a_case(service, "600.00") for _ in range(3)]
    votes = [{"approval_id": one, "etag": etag_of(service, one), "vote": "approve"} for one in cases]
    sent = {"role": "supervisor", "subject": "emp:9", "json": {"votes": votes}}
    assert service.call("POST", "/v1/approvals/votes", **sent).status_code == 207
    page = service.call("GET", "/v1/audit", role="auditor").json()["items"]
    entries = [entry["body"]["approval"] for entry in page if entry["kind"] == "approval.vote"]
    assert entries == cases


@pytest.mark.parametrize("bound", ["by its line", "by the request"])
def test_whoever_handed_in_or_corrected_a_document_of_the_case_changed_its_facts(service, bound):
    of_line = "RMA-D/1" if bound == "by its line" else None
    at = service.clock()
    said = {"fields": [{"name": "total", "value": "600.00"}]}
    document = Document("doc_1", "sha256:x", "OTHER", "x.pdf", {}, "emp:2", at, return_line_id=of_line)
    with service.ledger.write() as tx:
        tx.add_document(document)
        tx.add_correction(Correction("cor_1", "doc_1", said, "emp:3", at))
    money = {"credit_requested__amount": "600.00", "sale__price_paid": "600.00", "item__unit_cost": "400.00"}
    line = a_line(return_line_id="RMA-D/1", document_ids=[] if of_line else ["doc_1"], **money)
    approval = service.recommend(line).json()["approvals"][0]["id"]
    who = {"role": "supervisor", "etag": etag_of(service, approval)}
    people = ("emp:2", "emp:3", "emp:9")
    statuses = [act(service, "approve", approval, subject=name, **who) for name in people]
    assert statuses == [403, 403, 201]


def test_whoever_inspected_at_an_earlier_stage_has_still_inspected(service):
    a_case(service, "600.00")
    number = next(NUMBERS) - 1
    money = {"credit_requested__amount": "600.00", "sale__price_paid": "600.00", "item__unit_cost": "400.00"}
    later = a_line(
        return_line_id=f"RMA-{number}/1",
        stage="SETTLEMENT",
        customer={"id": f"C-{number}"},
        sale__order_number=f"SO-{number}",
        inspection={"grade": "B", "serial_found": "SN-9"},
        **money,
    )
    approvals = service.recommend(later).json()["approvals"]
    approval = next(one["id"] for one in approvals if one["rule"] == "FIN-01")
    assert act(service, "approve", approval, role="supervisor", subject=PEOPLE["inspector"]) == 403


def test_an_event_that_names_two_people_bars_both(service):
    approval = a_case(service, "600.00")
    line = service.call("GET", f"/v1/approvals/{approval}", role="auditor").json()["return_line_id"]
    event = {
        "specversion": "1.0",
        "id": "both",
        "source": "wms",
        "type": "returns.inspection.completed.v1",
        "subject": line,
        "time": "2026-11-20T11:30:00Z",
        "data": {"actor": "emp:31", "inspector": "emp:32"},
    }
    assert service.call("POST", "/v1/events", json=event).status_code == 202
    for subject in ("emp:31", "emp:32"):
        assert act(service, "approve", approval, role="supervisor", subject=subject) == 403


@pytest.mark.parametrize("kind", ["returns.inspection.completed.v1", "returns.fraud.cleared.v1"])
def test_whoever_told_of_an_event_under_their_own_key_is_barred_though_it_names_nobody(service, kind):
    approval = a_case(service, "600.00")
    line = service.call("GET", f"/v1/approvals/{approval}", role="auditor").json()["return_line_id"]
    event = {
        "specversion": "1.0",
        "id": f"unnamed {kind}",
        "source": "wms",
        "type": kind,
        "subject": line,
        "time": "2026-11-20T11:30:00Z",
    }
    assert service.call("POST", "/v1/events", json=event, subject="emp:33").status_code == 202
    assert act(service, "approve", approval, role="supervisor", subject="emp:33") == 403
    assert act(service, "approve", approval, role="supervisor", subject="emp:9") == 201
