"""The business calendar: one for deadlines, reminders and escalations alike, in UTC."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final, Self

_SATURDAY: Final = 5
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Calendar:
    """The days on which a site works: not at weekends, and none of `closed`."""

    closed: Collection[date] = frozenset()

    @classmethod
    def of_site(cls, register: Mapping[str, Any]) -> Self:
        """The calendar of a site's master data: `closed_days`, a list of dates; what is none is left out."""
        days = register.get("closed_days")
        found = [_day(day) for day in days] if isinstance(days, list) else []
        return cls(frozenset(day for day in found if day is not None))

    def is_open(self, day: date) -> bool:
        """Whether the site works on a day."""
        return day.weekday() < _SATURDAY and day not in self.closed

    def after(self, start: datetime, days: int) -> datetime:
        """The same time of day, so many open days later; a closed day counts from the next open one."""
        moment = start
        if not self.is_open(start.date()):
            moment = datetime.combine(self._next_open(start).date(), time(), start.tzinfo)
        for _ in range(days):
            moment = self._next_open(moment)
        return moment

    def before(self, end: datetime, days: int) -> datetime:
        """The same time of day, so many open days earlier."""
        for _ in range(days):
            end = self._last_open(end)
        return end

    def is_overdue(self, since: datetime, *, business_days: int, now: datetime) -> bool:
        """Whether something that waits since then is past its time (OPS-08)."""
        return now > self.after(since, business_days)

    def _next_open(self, moment: datetime) -> datetime:
        moment += _DAY
        while not self.is_open(moment.date()):
            moment += _DAY
        return moment

    def _last_open(self, moment: datetime) -> datetime:
        moment -= _DAY
        while not self.is_open(moment.date()):
            moment -= _DAY
        return moment


def _day(text: object) -> date | None:
    try:
        return date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
