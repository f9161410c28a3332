"""Time: approvals are escalated, brought to mind and lapse, each once, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from features.returns import Money
from ledger.store import Ledger
from policy.policies import DEFAULT_RULES, PolicySet
from serving.operations.timekeeping import KEEPER, Kept, keep_time
from tests.ledger.conftest import pgserver, postgresql, postgresql_pattern, sqlite_pattern, url  # noqa: F401
from tests.ledger.records import NOON, a_recommendation, after, an_approval

POLICIES = PolicySet.load(DEFAULT_RULES)
# NOON is a Friday: a business day later is Monday noon, two are Tuesday noon.
MONDAY, TUESDAY, WEDNESDAY = (after(days=days, seconds=1) for days in (3, 4, 5))


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:  # noqa: F811
    opened = Ledger(url, lock_seconds=20)
    yield opened
    opened.close()


def ask(ledger: Ledger, line: str = "RMA-1/1", **changed) -> str:
    """An approval for 600 dollars asked of a supervisor on Friday noon, for a week."""
    recommendation = a_recommendation(line, status="pending_approval", facts={"final": False})
    usual = {"roles": ("supervisor",), "expires_at": after(days=7), "amount": Money(60_000, "USD")}
    approval = an_approval(recommendation, **{**usual, **changed})
    with ledger.write() as tx:
        tx.add_recommendation(recommendation)
        tx.add_approval(approval)
    return approval.id


def roles_of(ledger: Ledger, approval: str) -> tuple[str, ...]:
    with ledger.read() as tx:
        return tx.approval(approval).roles


def messages(ledger: Ledger, kind: str) -> list[str]:
    """The actors of the messages of a kind, as the audit trail tells."""
    with ledger.read() as tx:
        entries = tx.audit(limit=1000)
    return [entry.actor for entry in entries if entry.kind == "message" and kind in str(entry.body)]


def test_an_approval_past_its_time_lapses_and_its_recommendation_with_it(ledger):
    approval = ask(ledger)
    assert keep_time(ledger, POLICIES, after(days=7)).expired == 1
    with ledger.read() as tx:
        found = tx.approval(approval)
        assert (found.status, tx.recommendation(found.recommendation_id).status) == ("expired", "expired")
    assert keep_time(ledger, POLICIES, after(days=7)) == Kept()
    assert ledger.verify().valid


def test_nothing_happens_before_its_time(ledger):
    approval = ask(ledger)
    assert keep_time(ledger, POLICIES, after(days=3)) == Kept()
    assert roles_of(ledger, approval) == ("supervisor",)


def test_money_climbs_the_ladder_a_step_a_business_day_and_the_service_manager_hears_of_it_last(ledger):
    approval = ask(ledger, expires_at=after(days=30))
    seen = []
    for moment in (MONDAY, TUESDAY, WEDNESDAY, after(days=6, seconds=1), after(days=7, seconds=1)):
        keep_time(ledger, POLICIES, moment)
        seen.append(roles_of(ledger, approval))
    ladder = ("supervisor", "manager", "controller", "cfo")
    assert seen == [ladder[:2], ladder[:3], ladder, ladder, ladder]
    assert messages(ledger, "approval.escalated") == [KEEPER] * 4


def test_specialists_are_reminded_and_the_service_manager_joins_only_in_operations(ledger):
    hazmat = ask(ledger, rule="CMP-02", roles=("hazmat_officer",), amount=None)
    sales = ask(ledger, "RMA-2/1", rule="OPS-04", roles=("sales_manager",), amount=None)
    assert keep_time(ledger, POLICIES, TUESDAY).escalated == 4
    assert roles_of(ledger, hazmat) == ("hazmat_officer",)
    assert roles_of(ledger, sales) == ("sales_manager", "service_manager")
    assert keep_time(ledger, POLICIES, WEDNESDAY).escalated == 0


def test_a_day_on_which_the_site_is_closed_does_not_count(ledger):
    approval = ask(ledger)
    body = {"closed_days": ["2026-11-23", "not a day", 7]}
    with ledger.write() as tx:
        tx.put_reference("sites", "DAL1", body=body, actor="service:wms", at=NOON)
    assert keep_time(ledger, POLICIES, MONDAY).escalated == 0
    assert keep_time(ledger, POLICIES, TUESDAY).escalated == 1
    assert roles_of(ledger, approval) == ("supervisor", "manager")


def test_voters_are_reminded_once_on_the_last_business_day(ledger):
    approval = ask(ledger)
    version = an_etag(ledger, approval)
    reminded = [keep_time(ledger, POLICIES, after(hours=hours)).reminded for hours in (143, 144, 145, 167)]
    assert reminded == [0, 1, 0, 0]
    assert an_etag(ledger, approval) == version + 4  # the steps of the ladder: a reminder changes nothing


def an_etag(ledger: Ledger, approval: str) -> int:
    with ledger.read() as tx:
        return tx.approval(approval).version


def test_a_relay_that_slept_takes_every_step_that_it_missed(ledger):
    approval = ask(ledger)
    assert keep_time(ledger, POLICIES, WEDNESDAY).escalated == 3
    assert roles_of(ledger, approval) == ("supervisor", "manager", "controller", "cfo")
    with ledger.read() as tx:
        assert [change.actor for change in tx.approval_changes(approval)] == [KEEPER] * 3


def test_two_relays_at_once_escalate_once(ledger, url):  # noqa: F811
    for number in range(4):
        ask(ledger, f"RMA-{number}/1")
    with ThreadPoolExecutor(2) as pool:
        other = Ledger(url, lock_seconds=20)
        rounds = list(pool.map(lambda one: keep_time(one, POLICIES, MONDAY), (ledger, other)))
        other.close()
    assert sum(kept.escalated for kept in rounds) == 4
    assert len(messages(ledger, "approval.escalated")) == 4
    assert ledger.verify().valid


def test_an_approval_that_was_decided_is_left_alone(ledger):
    approval = ask(ledger)
    with ledger.write() as tx:
        tx.close_approval(approval, "approved", actor="emp:9", at=after(hours=1))
    assert keep_time(ledger, POLICIES, after(days=30)) == Kept()
