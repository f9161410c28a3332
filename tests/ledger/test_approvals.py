"""Approvals: the inbox, votes that cannot race, and what ends them."""

from dataclasses import replace

import pytest

from ledger.approvals import Approval, Delegation, Vote
from ledger.chain import ConflictError, NotInLedgerError
from ledger.store import Ledger
from tests.ledger.records import NOON, a_line, a_recommendation, after, an_approval


def asked(ledger: Ledger, line: str = "RMA-1/1", site: str = "DAL1", **changed: object) -> Approval:
    recommendation = a_recommendation(line=a_line(line, site=site), status="pending_approval")
    approval = an_approval(recommendation, **changed)
    with ledger.write() as tx:
        tx.add_recommendation(recommendation)
        tx.add_approval(approval)
    return approval


def a_vote(approval: Approval, voter: str = "emp:4") -> Vote:
    return Vote(f"vote_{voter}", approval.id, voter, "manager", "approve", "looks right", NOON)


def test_an_approval_comes_back_as_it_was_asked(ledger: Ledger):
    approval = asked(ledger)
    bare = asked(ledger, "RMA-2/1", amount=None, expires_at=None)
    with ledger.read() as tx:
        assert tx.approval(approval.id) == approval
        assert tx.approvals_of(approval.recommendation_id) == (approval,)
        assert tx.approval(bare.id) == bare
        with pytest.raises(NotInLedgerError):
            tx.approval("apr_nowhere")


def test_a_vote_moves_the_version_that_the_next_must_name(ledger: Ledger):
    approval = asked(ledger, needed=2)
    with ledger.write() as tx:
        assert tx.add_vote(a_vote(approval), expected_version=1) == 2
    with pytest.raises(ConflictError, match="version 2, not 1"), ledger.write() as tx:
        tx.add_vote(a_vote(approval, "emp:5"), expected_version=1)
    with ledger.write() as tx:
        assert tx.add_vote(a_vote(approval, "emp:5"), expected_version=2) == 3
        assert tx.close_approval(approval.id, "approved", actor="emp:5", at=NOON) == 4
        assert [vote.voter for vote in tx.votes(approval.id)] == ["emp:4", "emp:5"]


def test_nobody_votes_twice(ledger: Ledger):
    approval = asked(ledger, needed=2)
    with ledger.write() as tx:
        tx.add_vote(a_vote(approval), expected_version=1)
    with pytest.raises(ConflictError, match="already voted"), ledger.write() as tx:
        tx.add_vote(replace(a_vote(approval), id="vote_again"), expected_version=2)


def test_a_closed_approval_takes_neither_vote_nor_change(ledger: Ledger):
    approval = asked(ledger)
    with ledger.write() as tx:
        tx.close_approval(approval.id, "expired", actor="service:timer", at=after(days=3), reason="too late")
    for attempt in ("vote", "close", "escalate", "delegate"):
        with pytest.raises(ConflictError, match="closed: expired"), ledger.write() as tx:  # noqa: PT012
            match attempt:
                case "vote":
                    tx.add_vote(a_vote(approval), expected_version=2)
                case "close":
                    tx.close_approval(approval.id, "approved", actor="emp:4", at=NOON)
                case "escalate":
                    tx.escalate_approval(approval.id, roles=("cfo",), expires_at=None, actor="emp:4", at=NOON)
                case "delegate":
                    tx.add_delegation(Delegation("d", approval.id, "manager", "emp:4", "emp:5", NOON))


def test_the_inbox_shows_a_role_its_pending_approvals_of_its_sites_oldest_first(ledger: Ledger):
    here = [asked(ledger, f"RMA-{n}/1") for n in range(4)]
    there = asked(ledger, "RMA-7/1", site="RNO1", roles=("manager",))
    closed = asked(ledger, "RMA-8/1")
    with ledger.write() as tx:
        tx.close_approval(closed.id, "approved", actor="emp:4", at=NOON)
    with ledger.read() as tx:
        assert tx.approvals(role="supervisor") == tuple(here)
        assert tx.approvals(role="manager", sites=["RNO1"]) == (there,)
        assert tx.approvals(role="manager", sites=["RNO1", "DAL1"]) == (*here, there)
        assert tx.approvals(role="cfo") == tx.approvals(sites=[]) == ()
        assert tx.approvals(limit=2) == tuple(here[:2])
        assert tx.approvals(role="manager", after=here[1].id, limit=2) == tuple(here[2:])
        assert [one.id for one in tx.approvals(status="approved")] == [closed.id]
        assert len(tx.approvals(status=None)) == 6


def test_escalation_moves_an_approval_to_other_roles(ledger: Ledger):
    approval = asked(ledger)
    with ledger.write() as tx:
        tx.escalate_approval(
            approval.id, roles=("controller",), expires_at=after(days=9), actor="service:timer", at=NOON
        )
    with ledger.read() as tx:
        assert tx.approvals(role="supervisor") == ()
        (moved,) = tx.approvals(role="controller")
        assert (moved.roles, moved.expires_at, moved.version) == (("controller",), after(days=9), 2)


def test_overdue_approvals_are_found_longest_overdue_first(ledger: Ledger):
    late = asked(ledger, "RMA-1/1", expires_at=after(hours=2))
    later = asked(ledger, "RMA-2/1", expires_at=after(hours=1))
    asked(ledger, "RMA-3/1", expires_at=after(hours=4))
    asked(ledger, "RMA-4/1", expires_at=None)
    with ledger.read() as tx:
        assert tx.approvals_due(after(hours=3)) == (later, late)


def test_a_delegation_is_remembered_and_changes_the_version(ledger: Ledger):
    approval = asked(ledger)
    passed = Delegation("del_1", approval.id, "manager", "emp:4", "emp:5", NOON)
    with ledger.write() as tx:
        assert tx.add_delegation(passed, expected_version=1) == 2
        assert tx.delegations(approval.id) == (passed,)


@pytest.mark.parametrize("asked_for", [{"role": "manager", "sites": ["DAL1"]}, {"role": "manager"}, {}])
def test_a_page_of_the_inbox_is_read_from_an_index(ledger: Ledger, asked_for: dict[str, object]):
    if ledger._engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL's planner rightly scans tables as small as a test's")
    plans = []
    with ledger.read() as tx:
        tx._connection.connection.driver_connection.set_trace_callback(plans.append)
        tx.approvals(after="apr_1", **asked_for)
        tx._connection.connection.driver_connection.set_trace_callback(None)
        steps = [row[3] for row in tx._connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {plans[-1]}")]
    # The page itself: a search of an index in its order, no scan of the table and no sort of the inbox.
    page = next(step for step in steps if "status=?" in step)
    assert "SEARCH" in page
    assert "COVERING INDEX" in page or "USING INDEX" in page
    assert not [step for step in steps if step.startswith("SCAN approval")]
