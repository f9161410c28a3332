"""The operations metrics: open cases counted, on the business calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import count

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from features.events import Event, EventType
from policy.timing.calendar import Calendar as Deadlines
from serving.operations.metrics import BUCKETS, Calendar, Records, done_by, operations

FRIDAY = datetime(2026, 11, 20, 12, tzinfo=UTC)
MONDAY = FRIDAY + timedelta(days=3)
SLA = {"inspect_days": 2, "dispose_days": 1, "credit_days": 1, "approve_days": 1}
NUMBERS = count()
ALWAYS = Calendar()


def an_event(kind: EventType, line: str = "RMA-1/1", at: datetime = FRIDAY) -> Event:
    return Event(str(next(NUMBERS)), "wms", kind, line, at, at)


def measured(records: Records, *, now: datetime = MONDAY, calendar: Calendar = ALWAYS) -> dict:
    return operations(records, now=now, calendar=calendar, sla=SLA)


def test_weekends_and_closed_days_do_not_count():
    assert ALWAYS.hours([FRIDAY], [MONDAY]).tolist() == [24.0]
    assert Calendar({date(2026, 11, 20)}).hours([FRIDAY], [MONDAY]).tolist() == [12.0]
    assert ALWAYS.hours([MONDAY], [FRIDAY]).tolist() == [0.0]


@given(hours=st.integers(0, 24 * 400), days=st.integers(0, 30))
def test_hours_and_deadlines_are_of_one_calendar(hours: int, days: int):
    start = FRIDAY + timedelta(hours=hours)
    end = Deadlines().after(start, days)
    assert ALWAYS.hours([start], [end]).tolist() == [24.0 * days]


def test_what_is_still_open_makes_the_median_longer_and_never_disappears():
    closed = np.array([1.0, 2.0, 3.0, 4.0])
    assert done_by(closed, share=0.5) == 2.5
    assert done_by(closed, np.array([10.0, 10.0]), share=0.5) == 3.5
    assert done_by(closed, np.full(4, 10.0), share=0.5) == 4.0
    assert done_by(closed, np.full(9, 10.0), share=0.5) is None
    assert done_by(np.empty(0), closed, share=0.5) is None


@given(
    closed=st.lists(st.integers(0, 50), min_size=1, max_size=20),
    waiting=st.lists(st.integers(0, 50), max_size=20),
)
def test_one_more_open_case_never_makes_a_median_shorter(closed: list[int], waiting: list[int]):
    done, still = np.array(closed, float), np.array(waiting, float)
    before = done_by(done, still, share=0.5)
    after = done_by(done, np.append(still, 100.0), share=0.5)
    assert after is None or (before is not None and after >= before)


def test_a_queue_is_aged_in_business_days_with_the_share_over_its_limit():
    entered = [
        an_event(EventType.RECEIPT_CONFIRMED, f"RMA-{days}/1", MONDAY - timedelta(days=days))
        for days in (0, 3, 5, 11, 40)
    ]
    gone = [
        an_event(EventType.RECEIPT_CONFIRMED, "RMA-X/1", MONDAY - timedelta(days=9)),
        an_event(EventType.RMA_CANCELLED, "RMA-X/1", MONDAY),
    ]
    queue = measured(Records(entered=[*entered, *gone]))["queue_ageing"]["inspection"]
    assert (queue["open"], list(queue["buckets"])) == (5, list(BUCKETS))
    assert list(queue["buckets"].values()) == [2, 1, 1, 0, 1]
    assert (queue["sla_days"], queue["over_sla"]) == (2, 3 / 5)


def test_pending_approvals_are_a_queue_too():
    waiting = (MONDAY - timedelta(hours=1), MONDAY - timedelta(days=4))
    queue = measured(Records(waiting=waiting))["queue_ageing"]["approval"]
    assert (queue["open"], queue["over_sla"]) == (2, 0.5)


def test_a_line_that_a_person_touched_is_not_touchless():
    closed = [an_event(EventType.CREDIT_ISSUED, f"RMA-{n}/1") for n in range(4)]
    released = an_event(EventType.HOLD_RELEASED, "RMA-1/1")
    found = measured(Records(events=[*closed, released], touched=frozenset({"RMA-0/1", "RMA-9/1"})))
    assert (found["touchless_rate"]["closed"], found["touchless_rate"]["rate"]) == (4, 0.5)


def test_exceptions_are_the_cases_that_entered_a_queue_of_people():
    held = an_event(EventType.HOLD_PLACED, "RMA-1/1")
    cases = frozenset({"RMA-1/1", "RMA-2/1", "RMA-3/1", "RMA-4/1"})
    found = measured(Records(events=[held], recommended=cases, asked=frozenset({"RMA-2/1"})))
    assert (found["exception_volume"]["count"], found["exception_volume"]["rate"]) == (2, 0.5)


def test_a_line_that_was_given_up_is_open_no_longer_and_what_it_had_ended_counts():
    asked = [an_event(EventType.RMA_REQUESTED, f"RMA-{n}/1") for n in range(3)]
    granted = an_event(EventType.RMA_AUTHORIZED, "RMA-0/1", FRIDAY + timedelta(hours=1))
    given_up = [an_event(EventType.RMA_CANCELLED, f"RMA-{n}/1", FRIDAY + timedelta(hours=2)) for n in (0, 1)]
    found = measured(Records(events=[*asked, granted, *given_up]))["rma_approval_cycle_time"]
    assert (found["closed"], found["open"]) == (1, 1)


def test_nothing_to_measure_is_no_error():
    found = measured(Records())
    assert found["touchless_rate"]["rate"] is None
    assert found["dock_to_stock"]["median"] is None
