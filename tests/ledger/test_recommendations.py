"""Recommendations: one a return line and stage, revised openly, never changed."""

from dataclasses import replace

import pytest

from features.returns import Money, Stage
from ledger.chain import ConflictError, DuplicateBusinessKeyError, NotInLedgerError
from ledger.store import Ledger
from policy.approvals import ClosedError
from tests.ledger.records import NOON, a_line, a_recommendation, after, an_approval


def test_a_recommendation_comes_back_as_it_was_written(ledger: Ledger):
    written = a_recommendation(stage=Stage.AUTHORIZATION, body={"z": [1.5, None], "a": {"ü": "\u2028"}})
    with ledger.write() as tx:
        tx.add_recommendation(written)
    with ledger.read() as tx:
        read = tx.recommendation(written.id)
        assert tx.current("RMA-1/1", Stage.AUTHORIZATION) == read == written
        assert list(read.body) == ["z", "a"]
        assert tx.recommendations_of([written.id, "rec_x"]) == {written.id: read}


def test_a_second_recommendation_of_a_line_and_stage_is_refused(ledger: Ledger):
    with ledger.write() as tx:
        tx.add_recommendation(a_recommendation(id="rec_first"))
    with pytest.raises(DuplicateBusinessKeyError, match="rec_first") as refusal, ledger.write() as tx:
        tx.add_recommendation(a_recommendation())
    assert refusal.value.status == 409


def test_a_revision_supersedes_and_voids_the_approvals_of_the_first(ledger: Ledger):
    first, second = a_recommendation(status="pending_approval"), a_recommendation()
    approval = an_approval(first)
    with ledger.write() as tx:
        tx.add_recommendation(first)
        tx.add_approval(approval)
    with ledger.write() as tx:
        tx.add_recommendation(replace(second, supersedes=first.id))
    with ledger.read() as tx:
        assert tx.recommendation(first.id).status == "superseded"
        assert not tx.recommendation(first.id).is_current
        assert tx.current("RMA-1/1", "AUTHORIZATION").id == second.id
        assert tx.approval(approval.id).status == "superseded"
        assert [change.reason for change in tx.approval_changes(approval.id)] == [
            f"facts changed: {second.id}"
        ]
    with pytest.raises(ConflictError, match="successor"), ledger.write() as tx:
        tx.add_recommendation(a_recommendation(supersedes=first.id))


@pytest.mark.parametrize(("stage", "status"), [("AUTHORIZATION", "superseded"), ("INSPECTION", "approved")])
def test_a_revision_voids_an_approval_that_was_given_and_a_later_stage_leaves_it(
    ledger: Ledger, stage: str, status: str
):
    first = a_recommendation(status="pending_approval")
    approval = an_approval(first)
    with ledger.write() as tx:
        tx.add_recommendation(first)
        tx.add_approval(approval)
        tx.close_approval(approval.id, "approved", actor="emp:4", at=NOON)
        tx.add_recommendation(a_recommendation(stage=stage, supersedes=first.id))
        assert tx.approval(approval.id).status == status
        assert [one.id for one in tx.approvals(status=status)] == [approval.id]
    assert ledger.verify().valid


def test_an_approval_makes_no_move_that_the_table_of_states_does_not_hold(ledger: Ledger):
    first = a_recommendation(status="pending_approval")
    approval = an_approval(first)
    with ledger.write() as tx:
        tx.add_recommendation(first)
        tx.add_approval(approval)
    with pytest.raises(ClosedError), ledger.write() as tx:
        tx.close_approval(approval.id, "pending", actor="emp:4", at=NOON)


def test_a_later_stage_supersedes_the_earlier_which_stays_its_stages_answer(ledger: Ledger):
    first = a_recommendation()
    later = a_recommendation(stage="INSPECTION", supersedes=first.id)
    with ledger.write() as tx:
        tx.add_recommendation(first)
        tx.add_recommendation(later)
    with ledger.read() as tx:
        assert tx.current("RMA-1/1", "AUTHORIZATION").status == "superseded"
        assert tx.current("RMA-1/1", "INSPECTION").status == "cleared"
    with pytest.raises(DuplicateBusinessKeyError), ledger.write() as tx:
        tx.add_recommendation(a_recommendation())


def test_a_recommendation_supersedes_only_one_of_its_own_line(ledger: Ledger):
    other = a_recommendation("RMA-2/1")
    with ledger.write() as tx:
        tx.add_recommendation(other)
    with pytest.raises(ConflictError, match="RMA-2/1"), ledger.write() as tx:
        tx.add_recommendation(a_recommendation(supersedes=other.id))
    with pytest.raises(NotInLedgerError), ledger.write() as tx:
        tx.add_recommendation(a_recommendation(supersedes="rec_nowhere"))


def test_statuses_follow_each_other_and_all_stay(ledger: Ledger):
    one = a_recommendation(status="pending_approval")
    with ledger.write() as tx:
        tx.add_recommendation(one)
        tx.set_status(one.id, "approved", actor="emp:4", at=after(hours=1), reason="fine")
    with ledger.read() as tx:
        assert tx.recommendation(one.id).status == "approved"
        (change,) = tx.statuses(one.id)
        assert (change.status, change.actor, change.at, change.reason) == (
            "approved",
            "emp:4",
            after(hours=1),
            "fine",
        )
    with pytest.raises(NotInLedgerError), ledger.write() as tx:
        tx.set_status("rec_nowhere", "approved", actor="emp:4", at=NOON)


def test_a_superseded_recommendation_takes_no_other_status(ledger: Ledger):
    one = a_recommendation()
    with ledger.write() as tx:
        tx.add_recommendation(one)
        tx.add_recommendation(a_recommendation(supersedes=one.id))
    with pytest.raises(ConflictError, match="final"), ledger.write() as tx:
        tx.set_status(one.id, "approved", actor="emp:4", at=NOON)


def test_pages_join_up_to_the_whole_list(ledger: Ledger):
    written = [a_recommendation(f"RMA-{n}/1", status=["held", "cleared"][n % 2]) for n in range(5)]
    with ledger.write() as tx:
        for one in written:
            tx.add_recommendation(one)
    with ledger.read() as tx:
        first = tx.recommendations(limit=3)
        assert (*first, *tx.recommendations(after=first[-1].id)) == tuple(written)
        assert tx.recommendations(status="held") == tuple(written[::2])
        assert tx.recommendations(return_line_id="RMA-3/1") == (written[3],)


def test_policy_facts_count_other_lines_of_the_sale_and_customer(ledger: Ledger):
    def given(line_id: str, dollars: int, *, days: int = 1, **changed: object) -> None:
        own = {
            name: changed.pop(name) for name in ("order_number", "customer_id", "quantity") if name in changed
        }
        money = Money(dollars * 100, str(changed.pop("currency", "USD")))
        line = a_line(line_id, requested=money, requested_at=after(days=-days), **own)
        tx.add_recommendation(a_recommendation(line=line, amount=money, **changed))

    with ledger.write() as tx:
        given("same-sale", 10, quantity=2)
        given("denied", 20, status="denied")
        given("other-order", 30, order_number="SO-6")
        given("long-ago", 40, days=31, order_number=None)
        given("kept", 50, action="CREDIT_WITHOUT_RETURN", order_number=None)
        given("kept-last-year", 60, days=400, action="CREDIT_WITHOUT_RETURN", order_number=None)
        given("other-customer", 70, customer_id="C-2")
        given("euro", 80, currency="EUR")
        given("own", 90)
    with ledger.read() as tx:
        facts = tx.policy_facts(a_line("own"), as_of=NOON)
    assert (facts.already_returned, facts.credit_already_given) == (3, 8000)
    assert facts.credits_30d == 9000
    assert sorted(facts.requests_30d) == [1000, 2000, 3000, 5000]
    assert (facts.kept_this_year, facts.kept_this_year_minor) == (1, 5000)


def test_a_line_counts_once_with_what_its_newest_recommendation_gives(ledger: Ledger):
    first = a_recommendation("RMA-2/1", amount=Money(5000, "USD"))
    newest = a_recommendation("RMA-2/1", stage="INSPECTION", amount=Money(3000, "USD"), supersedes=first.id)
    with ledger.write() as tx:
        tx.add_recommendation(first)
        tx.add_recommendation(newest)
        assert tx.policy_facts(a_line(), as_of=NOON).credit_already_given == 3000
        tx.set_status(newest.id, "rejected", actor="emp:4", at=NOON)
        assert tx.policy_facts(a_line(), as_of=NOON).credit_already_given == 0


def test_a_return_without_a_sale_shares_no_sale_line(ledger: Ledger):
    with ledger.write() as tx:
        tx.add_recommendation(a_recommendation(line=a_line("RMA-9/1", order_number=None)))
        assert tx.policy_facts(a_line(order_number=None), as_of=NOON).already_returned == 0
