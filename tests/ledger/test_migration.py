"""A database of the first release, with data in it, comes up to this one: data and chain intact."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from features.events import EventType
from ledger.audit import verify_dump
from ledger.chain import BrokenChainError, Chained, locked_head
from ledger.recommendations import LINE_FIELDS
from ledger.schema import lines, recommendation_state, recommendations, standing
from ledger.schema.registers import documents, events, reference
from ledger.store import Ledger
from ledger.waits import Wait
from tests.ledger.records import NOON, a_recommendation, after

FIRST_RELEASE = "0004"
NOTE = "call me after six"
REQUEST = {
    "notes": NOTE,
    "requested_at": "2026-11-20T12:00:00Z",
    "reason": "DEFECTIVE",
    "item": {"sku": "DRL-18V", "serial": "SN-1", "serial_shipped": "SN-2"},
    "sale": {"sold_at": "2026-11-01", "price_paid": "119.00"},
    "compliance": {"opened": True},
    "inspection": {"grade": "C"},
}
MARKS = ("fault", "opened", "serial_differs", "quick", "dear", "inspected", "poor")
WAITS = Wait("RMA-0/1", "inspect", NOON, 0, "DAL1", "cleared", 11900)


class FirstRelease(Chained):
    """Writes as the first release did: everything in the row itself."""

    def write(self) -> None:
        for number in range(3):
            self._return(f"RMA-{number}/1", customer=f"C-old-{number % 2}")
        stamp = {"actor": "service:x", "at": NOON}
        read = {"id": "doc_1", "digest": "sha256:f", "kind": "OTHER", "path": "f.pdf", "meta": {}, **stamp}
        document = {**read, "return_line_id": "RMA-0/1", "body": {"note": NOTE, "score": 0.5}}
        self._record(documents, document, kind="document.read", subject="RMA-0/1")
        event = {
            "source": "wms",
            "id": "1",
            "type": str(EventType.RECEIPT_CONFIRMED.value),
            "subject": "RMA-0/1",
        }
        told = {**event, "time": NOON, "data": {"note": NOTE}, **stamp}
        self._record(events, told, kind="event", subject="RMA-0/1")
        for kind, name in (("sites", "DAL1"), ("contracts", "C-old-0")):
            registered = {"kind": kind, "id": name, "version": 1, "body": {"a": 1}, **stamp}
            self._record(reference, registered, kind=f"reference.{kind}", subject=name)
        self.flush()

    def _return(self, line_id: str, *, customer: str) -> None:
        one = a_recommendation(line_id, id=f"rec_{line_id}")
        line = {name: getattr(one.line, name) for name in LINE_FIELDS} | {"customer_id": customer}
        line |= {"quantity": 1, "requested_minor": 11900, "currency": "USD"}
        line |= {"return_line_id": line_id, "actor": one.actor, "at": NOON}
        self._record(lines, {**line, "hundredths": 11900}, kind="line.known", subject=line_id)
        names = ("id", "stage", "status", "requested_by", "facts", "body", "payload_digest", "digest")
        own = {name: getattr(one, name) for name in (*names, "policy_digest", "supersedes", "action")}
        own |= {"amount_minor": 11900, "related": list(one.related), "request": REQUEST}
        seq = self._record(recommendations, {**line, **own}, kind="recommendation.issued", subject=line_id)
        state = {"recommendation_id": one.id, "seq": seq, "is_current": True}
        state |= {"return_line_id": line_id, "stage": one.stage, "status": one.status, "site": one.site}
        self._connection.execute(insert(recommendation_state), state)
        stands = {name: line[name] for name in standing.c.keys() & line.keys()}
        stands |= {"recommendation_id": one.id, "status": one.status, "credit_minor": 11900, "kept": False}
        self._connection.execute(insert(standing), stands)


@pytest.fixture
def old(empty_url: str) -> Iterator[Ledger]:
    ledger = Ledger(empty_url)
    ledger.migrate(to=FIRST_RELEASE)
    with ledger._begin(exclusive=True) as connection:
        FirstRelease(connection, locked_head(connection)).write()
    yield ledger
    ledger.close()


def test_data_and_chain_of_the_first_release_stay_intact(old: Ledger, tmp_path: Path):
    with old._begin() as connection:
        chain = connection.execute(text("SELECT * FROM entries ORDER BY seq")).all()
    old.migrate()
    with old.read() as tx:
        one = tx.recommendation("rec_RMA-0/1")
        assert (one.request, one.line.customer_id, one.payload_digest) == (
            REQUEST,
            "C-old-0",
            "sha256:payload",
        )
        assert tx.document("doc_1").body == {"note": NOTE, "score": 0.5}
        assert tx.events("RMA-0/1")[0].data == {"note": NOTE}
        assert tx.reference("contracts", "C-old-0").body == tx.reference("sites", "DAL1").body == {"a": 1}
        assert tx.waits_to_look_at(after(days=1)) == (WAITS,)
        found = tx.history({"customer": "C-old-0", "site": "DAL1"}, as_of=after(days=1))
        assert {found[f"customer_{mark}_ever"] for mark in ("count", *MARKS)} == {2}
        assert found["customer_regret_ever"] == found["customer_sealed_ever"] == 0
        assert found["site_poor_30d"] == 3
    assert old.verify().valid
    with old._begin() as connection:
        assert connection.execute(text("SELECT * FROM entries ORDER BY seq")).all()[: len(chain)] == chain
    assert old.dump(tmp_path / "dump") == verify_dump(tmp_path / "dump")


def test_what_the_first_release_wrote_can_be_erased(old: Ledger):
    old.migrate()
    with old.write() as tx:
        assert tx.erase("C-old-0", actor="emp:dpo", at=after(days=1), reason="asked").records == 5
    with old.read() as tx:
        assert tx.recommendation("rec_RMA-0/1").request == tx.document("doc_1").body == {}
    assert old.verify().valid


def test_history_is_protected_again_after_the_migration(old: Ledger):
    old.migrate()
    with pytest.raises(Exception, match="only appends"), old._begin(exclusive=True) as connection:
        connection.execute(text("UPDATE recommendations SET status = 'x'"))


def test_what_was_tampered_with_before_is_not_witnessed_anew(old: Ledger):
    with old._begin(exclusive=True) as connection:
        drop = "DROP TRIGGER lines_no_update"
        if connection.dialect.name == "postgresql":
            drop = "ALTER TABLE lines DISABLE TRIGGER ALL"
        connection.execute(text(drop))
        connection.execute(text("UPDATE lines SET quantity = 7"))
        if connection.dialect.name == "postgresql":
            connection.execute(text("ALTER TABLE lines ENABLE TRIGGER ALL"))
        else:
            connection.execute(
                text(
                    "CREATE TRIGGER lines_no_update BEFORE UPDATE ON lines "
                    "BEGIN SELECT RAISE(ABORT, 'x'); END"
                )
            )
    with pytest.raises(BrokenChainError, match="table lines"):
        old.migrate()
