"""Where lines wait: told from their events in any order, and found by one index."""

from itertools import permutations

import pytest

from features.events import Event, EventType
from ledger.store import Ledger
from ledger.waits import FIRST_LOOK, Wait
from tests.ledger.records import NOON, a_recommendation, after, an_outcome

LIFE = (EventType.RECEIPT_CONFIRMED, EventType.INSPECTION_COMPLETED, EventType.DISPOSITION_EXECUTED)


def add(ledger: Ledger, *kinds: EventType, line: str = "RMA-1/1", hours: float = 0) -> None:
    events = [Event(f"{kind}{line}{hours}", "wms", kind, line, after(hours=hours), NOON) for kind in kinds]
    with ledger.write() as tx:
        tx.add_events(events, actor="service:wms")


def waits(ledger: Ledger) -> list[tuple[str, str]]:
    with ledger.read() as tx:
        return [(one.return_line_id, one.stage) for one in tx.waits_to_look_at(after(days=3650))]


@pytest.mark.parametrize("order", list(permutations(LIFE)))
def test_a_line_waits_where_its_events_say_in_whatever_order_they_came(ledger: Ledger, order):
    for kind in order:
        add(ledger, kind, hours=LIFE.index(kind))
    with ledger.read() as tx:
        (wait,) = tx.waits_to_look_at(after(days=3650))
    assert wait == Wait("RMA-1/1", "credit", after(hours=2), 0)
    add(ledger, EventType.CREDIT_ISSUED)
    assert waits(ledger) == []


def test_an_earlier_beginning_that_came_late_counts_and_keeps_the_steps(ledger: Ledger):
    add(ledger, EventType.RECEIPT_CONFIRMED, hours=5)
    with ledger.write() as tx:
        tx.look_at_wait("RMA-1/1", steps=1, at=None)
    assert waits(ledger) == []
    add(ledger, EventType.RECEIPT_CONFIRMED, hours=9)
    assert waits(ledger) == []
    add(ledger, EventType.RECEIPT_CONFIRMED, hours=2)
    with ledger.read() as tx:
        (wait,) = tx.waits_to_look_at(after(days=2))
    assert (wait.since, wait.steps) == (after(hours=2), 1)


def test_what_is_known_of_a_line_stands_beside_it(ledger: Ledger):
    with ledger.write() as tx:
        tx.add_recommendation(a_recommendation())
    add(ledger, EventType.RECEIPT_CONFIRMED)
    with ledger.read() as tx:
        (wait,) = tx.waits_to_look_at(after(days=2))
    assert (wait.site, wait.status, wait.credit_minor) == ("DAL1", "cleared", 11900)


def test_the_first_look_is_when_something_can_be_due(ledger: Ledger):
    add(ledger, EventType.RECEIPT_CONFIRMED)
    with ledger.read() as tx:
        assert tx.waits_to_look_at(NOON + FIRST_LOOK) == ()
        assert len(tx.waits_to_look_at(NOON + FIRST_LOOK + FIRST_LOOK.resolution)) == 1


def test_an_event_of_the_last_of_times_is_taken(ledger: Ledger):
    end = NOON.replace(year=9999, month=12, day=31)
    with ledger.write() as tx:
        tx.add_events(
            [Event("1", "wms", EventType.RECEIPT_CONFIRMED, "RMA-1/1", end, NOON)], actor="service:x"
        )
    assert waits(ledger) == []


def test_an_outcome_ends_the_wait(ledger: Ledger):
    add(ledger, EventType.RECEIPT_CONFIRMED)
    one = a_recommendation()
    with ledger.write() as tx:
        tx.add_recommendation(one)
        tx.add_outcome(an_outcome(one))
    assert waits(ledger) == []


@pytest.mark.parametrize("look", ["waits_to_look_at", "approvals_to_look_at", "approvals_due"])
def test_what_is_due_is_read_from_an_index_without_a_scan_or_a_sort(ledger: Ledger, look: str):
    if ledger._engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL's planner rightly scans tables as small as a test's")
    plans: list[str] = []
    with ledger.read() as tx:
        driver = tx._connection.connection.driver_connection
        driver.set_trace_callback(plans.append)
        getattr(tx, look)(NOON, limit=100)
        driver.set_trace_callback(None)
        steps = [row[3] for row in tx._connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {plans[-1]}")]
    assert not [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE FOR ORDER BY" in step]
    assert [step for step in steps if "_look_at (" in step or "_expires_at (" in step]
