"""The business calendar: weekends and closed days do not count, later never ends sooner."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.timing.calendar import Calendar

FRIDAY = datetime(2026, 11, 20, 10, tzinfo=UTC)
WEEKENDS_ALONE = Calendar()
CALENDARS = st.builds(Calendar, st.frozensets(st.dates(date(2026, 11, 1), date(2026, 12, 31)), max_size=20))
MOMENTS = st.datetimes(datetime(2026, 11, 1), datetime(2026, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        (FRIDAY, 0, FRIDAY),
        (FRIDAY, 1, FRIDAY + timedelta(days=3)),
        (FRIDAY, 5, FRIDAY + timedelta(days=7)),
        (FRIDAY + timedelta(days=1), 1, datetime(2026, 11, 24, tzinfo=UTC)),
    ],
)
def test_weekends_do_not_count(start: datetime, days: int, end: datetime) -> None:
    assert WEEKENDS_ALONE.after(start, days) == end


def test_a_closed_day_does_not_count_either() -> None:
    closed = Calendar({FRIDAY.date() + timedelta(days=3)})
    assert closed.after(FRIDAY, 1) == FRIDAY + timedelta(days=4)
    assert closed.after(FRIDAY + timedelta(days=1), 0).day == 24


@given(calendar=CALENDARS, start=MOMENTS, days=st.integers(0, 15))
def test_more_days_never_end_sooner_and_never_on_a_closed_day(
    calendar: Calendar, start: datetime, days: int
) -> None:
    end = calendar.after(start, days)
    assert start <= end < calendar.after(start, days + 1)
    assert calendar.is_open(end.date())


@given(calendar=CALENDARS, one=MOMENTS, other=MOMENTS, days=st.integers(0, 15))
def test_who_began_later_is_never_due_sooner(
    calendar: Calendar, one: datetime, other: datetime, days: int
) -> None:
    first, later = sorted((one, other))
    assert calendar.after(first, days) <= calendar.after(later, days)


@given(calendar=CALENDARS, end=MOMENTS, days=st.integers(1, 15))
def test_days_before_and_days_after_meet(calendar: Calendar, end: datetime, days: int) -> None:
    start = calendar.before(end, days)
    assert calendar.is_open(start.date())
    if calendar.is_open(end.date()):
        assert calendar.after(start, days) == end


def test_something_is_overdue_only_after_its_time() -> None:
    due = WEEKENDS_ALONE.after(FRIDAY, 1)
    assert not WEEKENDS_ALONE.is_overdue(FRIDAY, business_days=1, now=due)
    assert WEEKENDS_ALONE.is_overdue(FRIDAY, business_days=1, now=due + timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("register", "closed"),
    [
        ({}, set()),
        ({"closed_days": None}, set()),
        ({"closed_days": "2026-11-23"}, set()),
        ({"closed_days": ["2026-11-23", "not a day", 7, None]}, {date(2026, 11, 23)}),
    ],
)
def test_a_site_s_register_gives_its_closed_days_and_nothing_else(
    register: dict[str, object], closed: set[date]
) -> None:
    assert set(Calendar.of_site(register).closed) == closed
