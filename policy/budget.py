"""How choosy a rule that only a model drives has to be, so that a day's reviews last the day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from fractions import Fraction
from typing import Final
from zoneinfo import ZoneInfo

from policy.timing.calendar import Calendar

WINDOW: Final = 20  # business days: four weeks, long enough for the tail of the losses
ALWAYS: Final = 10**15  # stands for a return that is reviewed whatever it may lose: no money is as much
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Day:
    """A business day of a site: the open day itself and the closed ones before it, whose returns wait for it.

    Attributes
    ----------
    date : date
        The open day.
    to_come : Fraction
        The share of it that has not passed yet, 0 to 1.
    """

    date: date
    to_come: Fraction


def business_day(now: datetime, *, zone: tzinfo, calendar: Calendar) -> Day:
    """The business day that `now` belongs to, from midnight to midnight in the site's time zone."""
    first = last = now.astimezone(zone).date()
    while not calendar.is_open(last):
        last += _DAY
    while not calendar.is_open(first - _DAY):
        first -= _DAY
    # Midnights in UTC: the day on which the clocks change has 23 or 25 hours.
    start, end = (datetime.combine(day, time(), zone).astimezone(UTC) for day in (first, last + _DAY))
    return Day(last, Fraction(_micros(end - now), _micros(end - start)))


def zone_of(register: Mapping[str, object]) -> tzinfo:
    """The time zone of a site's master data, `time_zone` by its IANA name; UTC where there is none."""
    try:
        return ZoneInfo(str(register.get("time_zone", "UTC")))
    except (KeyError, ValueError, OSError):
        return UTC


def window(day: date, calendar: Calendar) -> date:
    """The first of the `WINDOW` business days before `day`."""
    return calendar.before(datetime.combine(day, time(), UTC), WINDOW).date()


def days_between(first: date, day: date, calendar: Calendar) -> int:
    """How many business days there are from `first` up to the one before `day`."""
    return sum(calendar.is_open(first + number * _DAY) for number in range((day - first).days))


def rung(loss: int) -> int:
    """The loss to two digits, rounded down: so finely the distribution of losses is kept."""
    step = _step(loss)
    return loss // step * step


def review_threshold(cost: int, *, left: int, to_come: Fraction, counts: Mapping[int, int], days: int) -> int:
    """The expected loss above which a review is worth one of those that are left.

    The least amount, `cost` or more, above which so many losses were recorded a day that with the share of
    the day to come no more reviews are expected than are left. Having fewer left, or more of the day to come,
    never lowers it. Where nothing is recorded yet it is the cost. Where not even the returns that are always
    reviewed fit in, it is the largest loss recorded.

    Parameters
    ----------
    cost : int
        Cost of a review and of its friction, minor units.
    left : int
        Reviews that the role has left today.
    to_come : Fraction
        Share of the business day that has not passed.
    counts : mapping of rung to int
        Returns by their expected loss; `ALWAYS` counts those that are reviewed in any case.
    days : int
        Business days over which they were counted.
    """
    above, threshold = counts.get(ALWAYS, 0), cost
    for step in sorted((one for one in counts if one != ALWAYS and _top(one) > cost), reverse=True):
        above += counts[step]
        if above * to_come > left * days:
            return max(_top(step), threshold)
    return threshold


def _top(step: int) -> int:
    """The largest loss that counts to this rung."""
    return step + _step(step) - 1


def _step(loss: int) -> int:
    return int(10 ** max(len(str(loss)) - 2, 0))


def _micros(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
