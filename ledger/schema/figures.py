"""The one statement that reads every aggregate of a moment: a join of one-row sums, each by an index."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Text, and_, bindparam, case, exists, func, select, true

from features.history import (
    AGGREGATES,
    ASKED,
    CUSTOMERS,
    DAYS_SINCE,
    ENTITIES,
    FOUND,
    JUDGED,
    PERSONAL,
    Aggregate,
)
from ledger.schema import fraud_marks, hourly, lines, past, subjects
from ledger.schema.columns import Utc

COUNTED: Final = {"count": "count", "quantity": "quantity", "credit": "hundredths"}


@cache
def figures() -> Select[Any]:
    """Return the statement whose one row holds every aggregate under its name; its parameters: `moments`."""
    parts = [part.subquery() for part in _parts()]
    whole: Any = parts[0]
    for part in parts[1:]:
        whole = whole.join(part, true())
    named = {column.name: column for part in parts for column in part.c}
    return select(*(named[aggregate.name] for aggregate in AGGREGATES)).select_from(whole)


def moments(as_of: datetime) -> dict[str, datetime]:
    """Return the times that `figures` asks for: the start of every window, and both ends in whole hours."""
    times = {"as_of": as_of, "last_hour": hour_of(as_of)}
    for days in {aggregate.window_days for aggregate in AGGREGATES if aggregate.window_days}:
        start = as_of - timedelta(days=days)
        times |= {f"from_{days}": start, f"hour_{days}": hour_of(start)}
        # The hour that the window cuts is read line by line, whole hours from their sums.
        times[f"first_hour_{days}"] = hour_of(start) + timedelta(hours=1)
    return times


def hour_of(moment: datetime) -> datetime:
    """Return the start of a moment's hour, in UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _parts() -> Iterator[Select[Any]]:
    for entity in ENTITIES:
        mine = [aggregate for aggregate in AGGREGATES if aggregate.entity == entity]
        judged = [one for one in mine if one.known == JUDGED]
        if judged:
            yield _judged(entity, judged)
        if entity in PERSONAL:
            yield _of_person(entity, [one for one in mine if one.known != JUDGED])
            continue
        for asked in (one for one in mine if one.known == ASKED):
            yield select(_asked_by_many(asked).label(asked.name))
        for days in {one.window_days for one in mine if one.known == FOUND}:
            yield _found_by_hour(
                entity, [one for one in mine if (one.known, one.window_days) == (FOUND, days)]
            )


def _of_person(entity: str, mine: list[Aggregate]) -> Select[Any]:
    """Add up the lines of one customer, address or device: few enough to be read one by one."""
    # What was found counts from no earlier than the line itself, so one range of lines holds all.
    return select(*(_summed(aggregate).label(aggregate.name) for aggregate in mine)).where(
        past.c[ENTITIES[entity]] == _who(entity), past.c.requested_at < _at("as_of")
    )


def _summed(aggregate: Aggregate) -> ColumnElement[Any]:
    if aggregate.value == DAYS_SINCE:
        return func.max(past.c.requested_at)
    if aggregate.value == CUSTOMERS:
        return func.count(past.c.customer_id.distinct())
    when = past.c.found_from if aggregate.known == FOUND else past.c.requested_at
    amount: Any = 1 if aggregate.value == "count" else past.c[COUNTED.get(aggregate.value, aggregate.value)]
    counts: list[ColumnElement[bool]] = [when < _at("as_of")]
    if aggregate.window_days:
        counts.append(when >= _at(f"from_{aggregate.window_days}"))
    return func.coalesce(func.sum(case((and_(*counts), amount), else_=0)), 0)


def _asked_by_many(aggregate: Aggregate) -> ColumnElement[Any]:
    """Add up whole hours from their sums, and the two hours that the window cuts line by line."""
    days = aggregate.window_days
    total = hourly.c[COUNTED[aggregate.value]]
    hours = _hours(aggregate.entity, func.coalesce(func.sum(total), 0), _at(f"first_hour_{days}"))
    return (
        hours.scalar_subquery()
        + _from_lines(aggregate, _at("last_hour"), _at("as_of"))
        + _from_lines(aggregate, _at(f"from_{days}"), _at(f"first_hour_{days}"))
    )


def _from_lines(aggregate: Aggregate, start: Any, end: Any) -> ColumnElement[Any]:
    amount = func.count() if aggregate.value == "count" else func.sum(lines.c[COUNTED[aggregate.value]])
    query = select(func.coalesce(amount, 0)).where(
        lines.c[ENTITIES[aggregate.entity]] == _who(aggregate.entity),
        lines.c.requested_at >= start,
        lines.c.requested_at < end,
    )
    return query.scalar_subquery()


def _found_by_hour(entity: str, mine: list[Aggregate]) -> Select[Any]:
    sums = [func.coalesce(func.sum(hourly.c[one.value]), 0).label(one.name) for one in mine]
    return _hours(entity, *sums, _at(f"hour_{mine[0].window_days}"))


def _hours(entity: str, *columns_and_start: Any) -> Select[Any]:
    *columns, start = columns_and_start
    return select(*columns).where(
        hourly.c.entity == entity,
        hourly.c.entity_id == _who(entity),
        hourly.c.hour >= start,
        hourly.c.hour < _at("last_hour"),
    )


def _judged(entity: str, mine: list[Aggregate]) -> Select[Any]:
    mark, later = fraud_marks.c, fraud_marks.alias().c
    # Of several labels of a line, the one last known before the moment counts.
    newer = (later.known_at > mark.known_at) | ((later.known_at == mark.known_at) & (later.seq > mark.seq))
    overruled = exists().where(
        later.return_line_id == mark.return_line_id, later.known_at < _at("as_of"), newer
    )
    sums = []
    for one in mine:
        counts: list[ColumnElement[bool]] = [mark.confirmed.is_(one.value == "fraud_confirmed")]
        if one.window_days:
            counts.append(mark.counted_from >= _at(f"from_{one.window_days}"))
        sums.append(func.coalesce(func.sum(case((and_(*counts), 1), else_=0)), 0).label(one.name))
    return select(*sums).where(
        mark[ENTITIES[entity]] == _who(entity), mark.counted_from < _at("as_of"), ~overruled
    )


def _who(entity: str) -> Any:
    asked = bindparam(entity, type_=Text())
    if entity != "customer":
        return asked
    return select(subjects.c.pseudonym).where(subjects.c.customer_id == asked).scalar_subquery()


def _at(name: str) -> ColumnElement[Any]:
    return bindparam(name, type_=Utc())
