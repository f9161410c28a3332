"""Personal data: read back exactly until it is erased, and then nowhere; the chain verifies all the same."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from features.events import Event, EventType
from features.returns import BadInputError
from ledger.approvals import Vote
from ledger.audit import verify_dump
from ledger.chain import ConflictError, NotInLedgerError
from ledger.evidence import Correction, Document
from ledger.outbox import Remembered
from ledger.personal import Erasure, ranges
from ledger.schema import metadata
from ledger.store import Ledger, Transaction
from tests.ledger.records import KEY, NOON, a_line, a_recommendation, after, an_approval

CUSTOMER, NOTE, OTHER = "C-secret-77", "my daughter broke it, call 555-0100", "C-other-1"
ADDRESS, DEVICE = "A-secret-78", "D-secret-79"
ASKED = {"customer": {"id": CUSTOMER}, "notes": NOTE, "document_ids": ["doc_free"]}


def a_case(tx: Transaction) -> None:
    """One customer's return with everything that can name the customer."""
    line = a_line("RMA-9/1", customer_id=CUSTOMER, address_id=ADDRESS, device_id=DEVICE)
    one = a_recommendation(
        "RMA-9/1",
        id="rec_9",
        line=line,
        request=ASKED,
        requested_by=f"customer:{CUSTOMER}",
        related=(f"customer:{CUSTOMER}", "emp:3"),
    )
    tx.put_reference("contracts", CUSTOMER, body={"contact": NOTE}, actor="service:erp", at=NOON)
    tx.add_recommendation(one)
    approval = replace(an_approval(one), id="apr_9")
    tx.add_approval(approval)
    tx.add_vote(Vote("vote_9", "apr_9", "emp:1", "manager", "approve", NOTE, NOON), expected_version=1)
    tx.add_event(
        Event("9", "crm", EventType.FRAUD_CONFIRMED, "RMA-9/1", NOON, NOON, {"said": NOTE}), actor="emp:1"
    )
    for name, about in (("doc_line", "RMA-9/1"), ("doc_free", None)):
        read = {"id": name, "by": CUSTOMER, "note": NOTE}
        tx.add_document(
            Document(name, f"sha256:{name}", "OTHER", f"{name}.pdf", read, "emp:1", NOON, about, {"n": NOTE})
        )
        tx.add_correction(Correction(f"cor_{name}", name, {"note": NOTE}, "emp:1", NOON))
    tx.remember("service:x", "k", Remembered("sha256:p", 201, {"id": "doc_free", "note": NOTE}, {}), at=NOON)
    tx.add_recommendation(a_recommendation("RMA-1/1", line=a_line(customer_id=OTHER)))


def close_and_erase(ledger: Ledger) -> Erasure:
    with ledger.write() as tx:
        tx.close_approval("apr_9", "approved", actor="emp:1", at=NOON)
        return tx.erase(CUSTOMER, actor="emp:dpo", at=after(days=1), reason="asked for by letter")


def everything(ledger: Ledger) -> str:
    with ledger.read() as tx:
        tables = [tx._all(select(table)) for table in metadata.sorted_tables]
    return json.dumps(tables, default=str, ensure_ascii=False)


def test_what_is_held_apart_reads_back_exactly(ledger: Ledger):
    with ledger.write() as tx:
        a_case(tx)
    with ledger.read() as tx:
        one = tx.recommendation("rec_9")
        assert (one.request, one.payload_digest, one.line.customer_id) == (ASKED, "sha256:payload", CUSTOMER)
        assert (one.requested_by, one.related) == (f"customer:{CUSTOMER}", (f"customer:{CUSTOMER}", "emp:3"))
        assert tx.votes("apr_9")[0].comment == NOTE
        assert tx.events("RMA-9/1")[0].data == {"said": NOTE}
        assert tx.document("doc_free").digest == "sha256:doc_free"
        assert tx.corrections("doc_line")[0].body == {"note": NOTE}
        assert tx.reference("contracts", CUSTOMER) == tx.references("contracts")[0]
        assert tx.references("contracts")[0].body == {"contact": NOTE}
    assert ledger.verify().valid


def test_a_customer_is_named_in_one_table_alone(ledger: Ledger):
    with ledger.write() as tx:
        a_case(tx)
        held = {"subjects", "personal", "answers"}
        rows = {table.name: tx._all(select(table)) for table in metadata.sorted_tables}
    others = json.dumps([found for name, found in rows.items() if name not in held], default=str)
    assert CUSTOMER not in others
    assert NOTE not in others


def test_what_was_erased_is_in_no_table_file_or_dump(ledger: Ledger, url: str, tmp_path: Path):
    with ledger.write() as tx:
        a_case(tx)
    before = close_and_erase(ledger)
    assert before == Erasure(records=8, customers=1, files=("doc_free.pdf", "doc_line.pdf"))
    ledger.compact()
    dump = tmp_path / "dump.jsonl"
    assert ledger.dump(dump) == verify_dump(dump) == ledger.verify()
    assert ledger.verify().valid
    texts = [everything(ledger).encode(), dump.read_bytes()]
    if url.startswith("sqlite"):
        ledger.close()
        files = Path(url.removeprefix("sqlite:///"))
        texts += [file.read_bytes() for file in files.parent.glob(f"{files.name}*")]
    for text in texts:
        for secret in (CUSTOMER, NOTE, ADDRESS, DEVICE):
            assert secret.encode() not in text


def test_what_was_erased_still_reads_and_counts(ledger: Ledger):
    with ledger.write() as tx:
        a_case(tx)
    close_and_erase(ledger)
    with ledger.write() as tx:
        one = tx.recommendation("rec_9")
        assert (one.request, one.payload_digest, one.amount.minor) == ({}, "", 11900)
        assert one.line.customer_id.startswith("sub_")
        assert tx.document("doc_line").body == tx.events("RMA-9/1")[0].data == {}
        behind = {"customer": CUSTOMER, "address": ADDRESS, "device": DEVICE, "site": "DAL1"}
        found = tx.history(behind, as_of=after(days=2))
        assert sum(figure for name, figure in found.items() if name.startswith("site_count")) >= 2
        assert not any(figure > 0 for name, figure in found.items() if not name.startswith("site_"))
        tx.add_recommendation(a_recommendation("RMA-10/1", line=a_line("RMA-10/1", customer_id=CUSTOMER)))
        assert tx.recommendations(return_line_id="RMA-10/1")[0].line.customer_id == CUSTOMER
    assert ledger.verify().valid


def test_another_customers_data_stay(ledger: Ledger):
    with ledger.write() as tx:
        a_case(tx)
    close_and_erase(ledger)
    with ledger.read() as tx:
        kept = tx.recommendations(return_line_id="RMA-1/1")[0]
    assert (kept.line.customer_id, kept.request) == (OTHER, {"z": 1, "a": "Ünïcode"})


def test_an_erasure_is_refused_while_an_approval_is_open_or_where_it_would_tell_the_name(ledger: Ledger):
    with ledger.write() as tx:
        a_case(tx)
    for error, name, reason in (
        (ConflictError, CUSTOMER, "asked"),
        (NotInLedgerError, "C-nobody", "asked"),
        (BadInputError, CUSTOMER, f"{CUSTOMER.lower()} asked"),
    ):
        with pytest.raises(error), ledger.write() as tx:
            tx.erase(name, actor="emp:dpo", at=NOON, reason=reason)


@pytest.mark.parametrize(
    ("tampering", "problem"),
    [
        ("UPDATE personal SET value = '{}'", "was changed"),
        ("DELETE FROM personal WHERE customer IS NOT NULL", "without an erasure"),
        ("UPDATE subjects SET customer_id = 'C-x' WHERE customer_id = 'C-other-1'", "pseudonym"),
        ("DELETE FROM subjects", "without an erasure"),
        (
            "INSERT INTO personal SELECT 0, subject, customer, at, salt, value FROM personal LIMIT 1",
            "no entry",
        ),
    ],
)
def test_tampering_with_what_is_held_apart_is_found(
    ledger: Ledger, as_intruder: Callable[[str], None], tampering: str, problem: str
):
    with ledger.write() as tx:
        a_case(tx)
    as_intruder(tampering)
    assert problem in ledger.verify().problem


def test_what_is_older_than_its_retention_is_counted_then_erased(ledger: Ledger):
    with ledger.write() as tx:
        a_case(tx)
        tx.add_recommendation(
            a_recommendation("RMA-2/1", line=a_line("RMA-2/1", customer_id=OTHER), created_at=after(days=9))
        )
        tx.checkpoint(KEY, at=NOON)
    with ledger.write() as tx:
        assert tx.outdated(NOON) == Erasure(0, 0)
        due = tx.outdated(after(days=5))
        done = tx.expire(after(days=5), actor="service:operator", at=after(days=10))
        assert (due.records, due.customers) == (done.records, done.customers) == (9, 1)
    assert ledger.verify().valid
    with ledger.read() as tx:
        assert tx.recommendations(return_line_id="RMA-2/1")[0].request != {}
        assert tx.recommendation("rec_9").request == {}
        assert tx.outdated(after(days=5)) == Erasure(0, 0)
    assert NOTE not in everything(ledger)


def test_numbers_are_told_as_runs():
    assert ranges([1, 2, 3, 7, 9, 10]) == [[1, 3], [7, 7], [9, 10]]
    assert ranges([]) == []
