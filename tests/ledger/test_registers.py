"""Registers, evidence and forecasts: versions, first words that stay, and dated issues."""

from contextlib import suppress
from dataclasses import replace
from datetime import date

import pytest

from features.events import Event, EventType
from ledger.chain import ConflictError, NotInLedgerError
from ledger.evidence import Correction, Document
from ledger.forecasts import ForecastIssue, ForecastRow, Override
from ledger.reference import Key
from ledger.store import Ledger
from tests.ledger.records import NOON, a_line, a_recommendation, after, an_outcome


def test_master_data_can_be_asked_as_of_any_moment(ledger: Ledger):
    with ledger.write() as tx:
        for version, capacity in enumerate([5, 6]):
            tx.put_reference(
                "sites", "DAL1", body={"capacity": capacity}, actor="emp:1", at=after(days=version)
            )
        tx.put_reference("sites", "RNO1", body={"capacity": 1}, actor="emp:1", at=after(days=1))
    with ledger.read() as tx:
        assert tx.reference("sites", "DAL1", as_of=after(days=-1)) is None
        assert tx.reference("sites", "DAL1", as_of=after(hours=1)).body == {"capacity": 5}
        assert (tx.reference("sites", "DAL1").version, tx.reference("sites", "DAL1").body) == (
            2,
            {"capacity": 6},
        )
        assert [one.body["capacity"] for one in tx.references("sites")] == [6, 1]
        assert [one.body["capacity"] for one in tx.references("sites", as_of=NOON)] == [5]
        assert max(one.at for one in tx.references("sites")) == after(days=1)
        assert tx.references("recalls") == ()


def test_what_one_replica_registers_every_other_reads_at_once(ledger: Ledger, url: str):
    other = Ledger(url)
    for capacity in (5, 6):
        with other.write() as tx:
            tx.put_reference("sites", "DAL1", body={"capacity": capacity}, actor="emp:1", at=NOON)
            assert tx.reference("sites", "DAL1").body == {"capacity": capacity}
        for one in (ledger, other):
            with one.read() as tx:
                assert [site.body for site in tx.references("sites")] == [{"capacity": capacity}]
    other.close()


def test_what_was_registered_and_undone_is_read_by_nobody(ledger: Ledger):
    with suppress(ConflictError), ledger.write() as tx:
        tx.put_reference("sites", "DAL1", body={}, actor="emp:1", at=NOON)
        assert [site.id for site in tx.references("sites")] == ["DAL1"]
        raise ConflictError("the request is refused after all.")
    with ledger.write() as tx:  # takes the row number that the undone one had
        tx.put_reference("sites", "RNO1", body={}, actor="emp:1", at=NOON)
    with ledger.read() as tx:
        assert [site.id for site in tx.references("sites")] == ["RNO1"]


def test_what_was_undone_hides_no_change_of_another_replica_in_its_place(ledger: Ledger, url: str):
    other = Ledger(url)
    put = {"body": {"region": "US"}, "actor": "emp:1", "at": NOON}
    with suppress(ConflictError), ledger.write() as tx:
        tx.put_reference("suppliers", "SUP-1", **put)
        assert tx.references("sites") == ()  # read, and kept, while a row that is to be undone lies there
        raise ConflictError("the request is refused after all.")
    with other.write() as tx:
        tx.put_reference("sites", "DAL1", **put)
    other.close()
    with ledger.read() as tx:
        assert [site.id for site in tx.references("sites")] == ["DAL1"]


def test_putting_the_same_again_keeps_the_version(ledger: Ledger):
    with ledger.write() as tx:
        first = tx.put_reference("suppliers", "S-3", body={"allowance": 1}, actor="emp:1", at=NOON)
        assert (
            tx.put_reference("suppliers", "S-3", body={"allowance": 1}, actor="emp:2", at=after(days=1))
            == first
        )


def test_a_policy_digest_never_changes_meaning(ledger: Ledger):
    with ledger.write() as tx:
        for _ in range(2):
            tx.add_policy("sha256:a", content={"rules": [0.8]}, actor="emp:1", at=NOON)
        assert len(tx.policies()) == 1
        assert tx.policy("sha256:b") is None
    with pytest.raises(ConflictError), ledger.write() as tx:
        tx.add_policy("sha256:a", content={"rules": [0.9]}, actor="emp:1", at=NOON)


def test_which_policy_was_active_when_is_known(ledger: Ledger):
    with ledger.write() as tx:
        for days, digest in enumerate(["sha256:a", "sha256:b", "sha256:b", "sha256:a"]):
            tx.add_policy(digest, content=digest, actor="emp:1", at=NOON)
            tx.activate_policy(digest, actor="emp:1", at=after(days=days))
        active = [tx.active_policy(as_of=after(days=days)) for days in (-1, 0, 1.5, 3)]
        assert active == [None, "sha256:a", "sha256:b", "sha256:a"]
        assert tx.active_policy() == "sha256:a"


def test_a_key_opens_until_it_expires_or_is_revoked(ledger: Ledger):
    key = Key("hash", "planner", "service:wfm", ("DAL1",), after(days=30), NOON, "emp:1")
    with ledger.write() as tx:
        tx.add_key(key)
        assert tx.key("hash") == key
        assert (key.is_good(after(days=29)), key.is_good(after(days=30))) == (True, False)
        for hours in (1, 2):
            tx.revoke_key("hash", actor="emp:1", at=after(hours=hours))
        assert tx.key("hash").revoked_at == after(hours=1)
        assert not tx.keys()[0].is_good(after(hours=1))
        assert tx.key("other") is None
        with pytest.raises(NotInLedgerError):
            tx.revoke_key("other", actor="emp:1", at=NOON)


def test_a_key_that_is_replaced_may_be_left_some_time(ledger: Ledger):
    with ledger.write() as tx:
        tx.add_key(Key("hash", "planner", "service:wfm", (), None, NOON, "emp:1"))
        tx.revoke_key("hash", actor="emp:1", at=NOON, effective=after(hours=24))
        key = tx.key("hash")
        assert key is not None
        assert (key.is_good(after(hours=23)), key.is_good(after(hours=24))) == (True, False)
    assert ledger.verify().valid


def an_event(number: int, **changed: object) -> Event:
    usual = {"type": EventType.RECEIPT_CONFIRMED, "subject": "RMA-1/1", "time": after(hours=number)}
    return Event(**{"id": str(number), "source": "wms", "recorded_at": after(days=1), **usual, **changed})


def test_a_repeated_event_changes_nothing(ledger: Ledger):
    with ledger.write() as tx:
        assert tx.add_event(an_event(1, data={"dock": 7}), actor="service:wms")
        assert not tx.add_event(an_event(1), actor="service:wms")
        batch = [an_event(0), an_event(1), an_event(1, source="erp"), an_event(0)]
        assert tx.add_events(batch, actor="service:wms") == (True, False, True, False)
        assert [(event.id, event.data) for event in tx.events("RMA-1/1")] == [
            ("0", {}),
            ("1", {"dock": 7}),
            ("1", {}),
        ]


def test_events_are_found_by_time_type_and_site(ledger: Ledger):
    with ledger.write() as tx:
        tx.add_line(a_line(), actor="service:crm", at=NOON)
        tx.add_events([an_event(0), an_event(1), an_event(2, subject="elsewhere")], actor="service:wms")
        tx.add_event(an_event(3, type=EventType.CREDIT_ISSUED), actor="service:wms")
        assert len(tx.events_between(NOON, after(hours=4))) == 4
        assert len(tx.events_between(NOON, after(hours=3))) == 3
        assert [
            one.id for one in tx.events_between(NOON, after(hours=9), types=[EventType.CREDIT_ISSUED])
        ] == ["3"]
        assert len(tx.events_between(NOON, after(hours=9), site="DAL1")) == 3


def test_a_verdict_by_event_or_outcome_becomes_the_customers_history(ledger: Ledger):
    one = a_recommendation()
    with ledger.write() as tx:
        tx.add_recommendation(one)
        tx.add_event(an_event(1, type=EventType.FRAUD_CONFIRMED, recorded_at=after(days=1)), actor="emp:1")
        tx.add_outcome(an_outcome(one, fraud_confirmed=False, at=after(days=2)))

        def frauds(days: float) -> float:
            return tx.history({"customer": "C-1"}, as_of=after(days=days))["customer_fraud_confirmed_ever"]

        assert [frauds(days) for days in (1, 1.5, 3)] == [0, 1, 0]


def test_outcomes_come_in_pages(ledger: Ledger):
    one = a_recommendation()
    written = [an_outcome(one, recovered=None, fraud_confirmed=None), an_outcome(one)]
    with ledger.write() as tx:
        tx.add_recommendation(one)
        for outcome in written:
            tx.add_outcome(outcome)
        assert tx.outcomes() == tx.outcomes(return_line_id="RMA-1/1") == tuple(written)
        assert tx.outcomes(after=written[0].id) == (written[1],)
    with pytest.raises(ConflictError), ledger.write() as tx:
        tx.add_outcome(an_outcome(replace(one, id="rec_nowhere")))


def test_a_correction_stands_beside_what_was_read(ledger: Ledger):
    document = Document(
        "doc_1", "sha256:x", "RETURN_FORM", "a.pdf", {"fields": [0.5]}, "emp:1", NOON, "RMA-1/1", {"n": 1}
    )
    correction = Correction("cor_1", "doc_1", {"quantity": 2}, "emp:4", after(hours=1))
    with ledger.write() as tx:
        tx.add_document(document)
        tx.add_correction(correction)
        assert tx.document("doc_1") == document
        assert tx.documents_of(["doc_1", "doc_2"]) == tx.documents_about("RMA-1/1") == (document,)
        assert tx.corrections("doc_1") == (correction,)
        with pytest.raises(NotInLedgerError):
            tx.add_correction(replace(correction, id="cor_2", document_id="doc_2"))


def rows(value: float) -> list[ForecastRow]:
    return [
        ForecastRow(region, family, date(2026, 12, day), *(value + q for q in (0.1, 0, 1, 2, 3, 4)))
        for region in ("US-SOUTH", "*")
        for family in ("hvac", "*")
        for day in (1, 2)
    ]


def test_what_was_forecast_on_monday_can_still_be_asked_on_tuesday(ledger: Ledger):
    with ledger.read() as tx:
        assert tx.forecast() == ()
        assert tx.forecast_issue() is None
    monday = ForecastIssue("iss_mon", NOON, "3", "sha256:d", "service:x", NOON, {"paths": "sha256:p"})
    tuesday = replace(monday, id="iss_tue", at=after(days=1))
    with ledger.write() as tx:
        tx.add_forecast_issue(monday, rows(1))
        tx.add_forecast_issue(tuesday, rows(2))
    with ledger.read() as tx:
        assert set(tx.forecast(issue="iss_mon")) == set(rows(1))
        assert set(tx.forecast()) == set(rows(2))
        found = tx.forecast(region="*", family="hvac", from_=date(2026, 12, 2), to=date(2026, 12, 31))
        assert found == tuple(
            row for row in rows(2) if (row.region, row.family, row.ds.day) == ("*", "hvac", 2)
        )
        assert tx.forecast_issues() == (tuesday, monday)
        assert tx.forecast_issue() == tuesday
        with pytest.raises(NotInLedgerError):
            tx.forecast(issue="iss_sun")
    assert ledger.verify().valid


def test_an_override_names_its_reason_and_leaves_the_forecast(ledger: Ledger):
    override = Override(
        "ovr_1", "iss", "US-SOUTH", "hvac", date(2026, 12, 1), 40.5, "trade fair", "emp:7", NOON
    )
    with ledger.write() as tx:
        tx.add_override(override)
        assert tx.overrides() == tx.overrides(region="US-SOUTH", to=date(2026, 12, 1)) == (override,)
        assert tx.overrides(family="food") == tx.overrides(from_=date(2026, 12, 2)) == ()
