"""Time: approvals and stages are escalated, approvals brought to mind and lapse, once, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from sqlalchemy import select

from features.events import Event, EventType
from features.returns import Money
from ledger.schema.registers import outbox
from ledger.store import Ledger
from policy.policies import DEFAULT_RULES, PolicySet
from serving.operations.timekeeping import KEEPER, Kept, keep_time
from tests.ledger.conftest import pgserver, postgresql, postgresql_pattern, sqlite_pattern, url  # noqa: F401
from tests.ledger.records import NOON, a_line, a_recommendation, after, an_approval, an_outcome

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
    reminded = [keep_time(ledger, POLICIES, after(hours=hours)).reminded for hours in (144, 144.1, 145, 167)]
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


def test_an_approval_that_nothing_is_due_for_is_looked_at_once_a_day_at_most(ledger):
    ask(ledger, expires_at=after(days=30))
    keep_time(ledger, POLICIES, MONDAY)
    with ledger.read() as tx:
        assert tx.approvals_to_look_at(MONDAY) == ()
        assert len(tx.approvals_to_look_at(TUESDAY)) == 1


NUMBERS = count()


def happened(ledger: Ledger, *kinds: EventType, line: str = "RMA-1/1", days: float = 0) -> None:
    """Something happened to a line, so many days after Friday noon."""
    at = after(days=days)
    events = [Event(str(next(NUMBERS)), "wms", kind, line, at, at) for kind in kinds]
    with ledger.write() as tx:
        tx.add_events(events, actor="service:wms")


def told(ledger: Ledger) -> list[tuple[str, int, str]]:
    """Stage, step and who is told, of every message on a late stage."""
    with ledger.read() as tx:
        query = (
            select(outbox.c.data).where(outbox.c.type == EventType.APPROVAL_ESCALATED).order_by(outbox.c.seq)
        )
        bodies = tx._connection.execute(query).scalars().all()
    return [(body["stage"], body["step"], *body["told"]) for body in bodies if "stage" in body]


@pytest.mark.parametrize(
    ("kind", "stage", "days", "owner"),
    [
        (EventType.RMA_REQUESTED, "approve", 1, "supervisor"),
        (EventType.RECEIPT_CONFIRMED, "inspect", 2, "supervisor"),
        (EventType.INSPECTION_COMPLETED, "dispose", 1, "supervisor"),
        (EventType.DISPOSITION_EXECUTED, "credit", 1, "controller"),
    ],
)
def test_a_late_stage_is_told_to_its_owner_and_then_to_the_service_manager_once_each(
    ledger, kind, stage, days, owner
):
    happened(ledger, kind)
    due = {1: (3, 4), 2: (4, 6)}[days]  # calendar days from Friday noon to one and to two times the limit
    seen = [keep_time(ledger, POLICIES, after(days=day, seconds=s)).late for day in due for s in (0, 1, 2)]
    assert seen == [0, 1, 0, 0, 1, 0]
    assert told(ledger) == [(stage, 1, owner), (stage, 2, "service_manager")]
    assert keep_time(ledger, POLICIES, after(days=300)) == Kept()
    assert ledger.verify().valid


def test_a_late_stage_changes_no_decision(ledger):
    recommendation = a_recommendation()
    with ledger.write() as tx:
        tx.add_recommendation(recommendation)
    happened(ledger, EventType.RECEIPT_CONFIRMED)
    assert keep_time(ledger, POLICIES, after(days=30)).late == 2
    with ledger.read() as tx:
        assert tx.recommendation(recommendation.id) == recommendation
        assert tx.statuses(recommendation.id) == tx.approvals(status=None) == ()


def test_what_went_on_in_time_is_nobody_s_business(ledger):
    happened(ledger, EventType.RECEIPT_CONFIRMED)
    happened(ledger, EventType.INSPECTION_COMPLETED, days=3)
    happened(ledger, EventType.DISPOSITION_EXECUTED, days=3.9)
    happened(ledger, EventType.CREDIT_ISSUED, days=4.8)
    assert keep_time(ledger, POLICIES, after(days=90)) == Kept()


def test_a_stage_begins_with_a_time_of_its_own(ledger):
    happened(ledger, EventType.RECEIPT_CONFIRMED)
    assert keep_time(ledger, POLICIES, after(days=4, seconds=1)).late == 1
    happened(ledger, EventType.INSPECTION_COMPLETED, days=5)
    assert keep_time(ledger, POLICIES, after(days=6)).late == 0
    assert keep_time(ledger, POLICIES, after(days=6, seconds=1)).late == 1
    assert told(ledger) == [("inspect", 1, "supervisor"), ("dispose", 1, "supervisor")]


def test_an_outcome_says_that_nothing_is_left_to_inspect_or_to_dispose_of(ledger):
    recommendation = a_recommendation()
    happened(ledger, EventType.RECEIPT_CONFIRMED, EventType.INSPECTION_COMPLETED)
    with ledger.write() as tx:
        tx.add_recommendation(recommendation)
        tx.add_outcome(an_outcome(recommendation))
    assert keep_time(ledger, POLICIES, after(days=90)) == Kept()


@pytest.mark.parametrize("changed", [{"amount": Money(0, "USD")}, {"status": "denied"}])
def test_nobody_waits_for_a_credit_that_was_not_given(ledger, changed):
    with ledger.write() as tx:
        tx.add_recommendation(a_recommendation(**changed))
    happened(ledger, EventType.DISPOSITION_EXECUTED)
    assert keep_time(ledger, POLICIES, after(days=90)) == Kept()


def test_a_request_before_approvers_climbs_by_its_approval_alone(ledger):
    ask(ledger, expires_at=after(days=30))
    happened(ledger, EventType.RMA_REQUESTED)
    kept = keep_time(ledger, POLICIES, MONDAY)
    assert (kept.escalated, kept.late) == (1, 0)


def test_stages_run_on_the_calendar_of_the_line_s_site(ledger):
    with ledger.write() as tx:
        tx.put_reference("sites", "DAL1", body={"closed_days": ["2026-11-23"]}, actor="service:wms", at=NOON)
        for number, site in enumerate(("DAL1", "RNO1")):
            line = a_line(f"RMA-{number}/1", site=site)
            tx.add_recommendation(a_recommendation(line=line))
    for number in range(2):
        happened(ledger, EventType.INSPECTION_COMPLETED, line=f"RMA-{number}/1")
    assert [keep_time(ledger, POLICIES, moment).late for moment in (MONDAY, TUESDAY)] == [1, 2]


def test_many_relays_and_restarts_tell_of_many_lines_once(ledger, url):  # noqa: F811
    many = 250  # more than two pages
    events = [
        Event(str(next(NUMBERS)), "wms", EventType.INSPECTION_COMPLETED, f"RMA-{number}/1", NOON, NOON)
        for number in range(many)
    ]
    with ledger.write() as tx:
        tx.add_events(events, actor="service:wms")
    others = [Ledger(url, lock_seconds=20) for _ in range(2)]
    with ThreadPoolExecutor(3) as pool:
        rounds = list(pool.map(lambda one: keep_time(one, POLICIES, MONDAY), (ledger, *others)))
    assert sum(kept.late for kept in rounds) == many
    assert keep_time(others[0], POLICIES, MONDAY) == Kept()
    assert len(told(ledger)) == many
    for other in others:
        other.close()
