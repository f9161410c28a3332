"""What the ledger knows of the past: the history features and the facts that policies ask for.

The figures are those of `features.history.AGGREGATES`, here from the ledger's own rows: lines requested
strictly before the moment asked about, labels only once known.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    Text,
    bindparam,
    cast,
    func,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from features.history import (
    AGGREGATES,
    DAYS_SINCE,
    ENTITIES,
    MINOR_UNITS,
    PERSONAL,
    SEEN,
    TOLD,
    Aggregate,
    seen,
)
from features.returns import Money
from ledger.chain import into
from ledger.personal import AT_ONCE, Personal, behind
from ledger.schema import fraud_labels, fraud_marks, hourly, lines, past, standing
from ledger.schema.driver import Fixed
from ledger.schema.figures import figures, hour_of, moments

BY_HOUR: Final = tuple(entity for entity in ENTITIES if entity not in PERSONAL)
SUMMED: Final = ("count", "quantity", "hundredths", *SEEN)
GIVES_NOTHING: Final = ("denied", "rejected", "expired", "recalled")
DAYS_OF_STRUCTURING: Final = 30


@dataclass(frozen=True, slots=True)
class Line:
    """One return line as first known.

    Parameters
    ----------
    marks : mapping of str to int
        `features.history.told` of the request.
    """

    return_line_id: str
    customer_id: str
    sku: str
    site: str
    region: str
    family: str
    requested_at: datetime
    quantity: int
    requested: Money
    supplier_id: str | None = None
    order_number: str | None = None
    address_id: str | None = None
    device_id: str | None = None
    marks: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """What the ledger holds against a request; the line asked about is left out. Money in minor units.

    Parameters
    ----------
    already_returned : int
        Units of the same sale line (order and SKU) on other return lines that were not refused.
    credit_already_given : int
        Credits recommended on them.
    credits_30d, requests_30d : int and tuple of int
        The customer's credits, and the amounts that the customer asked for, of the last 30 days.
    kept_this_year, kept_this_year_minor : int
        The customer's credits without return since 1 January: how many, and how much.
    """

    already_returned: int
    credit_already_given: int
    credits_30d: int
    kept_this_year: int
    kept_this_year_minor: int
    requests_30d: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Volume:
    """How many units of a family were asked back in a region on a day."""

    region: str
    family: str
    day: date
    quantity: int
    lines: int


class Histories(Personal):
    """The part of a transaction that knows lines, labels and what they add up to."""

    def add_line(self, line: Line, *, actor: str, at: datetime) -> bool:
        """Record a return line; False, and nothing written, when it is already known."""
        return self.add_lines([line], actor=actor, at=at) == 1

    def add_lines(self, many: Iterable[Line], *, actor: str, at: datetime) -> int:
        """Record return lines, such as years of history from elsewhere; return how many were new."""
        by_id: dict[str, Line] = {}
        for line in many:
            by_id.setdefault(line.return_line_id, line)
        distinct = list(by_id.values())
        parts = [distinct[start : start + AT_ONCE] for start in range(0, len(distinct), AT_ONCE)]
        return sum(self._add_part(part, actor=actor, at=at) for part in parts)

    def _add_part(self, part: Sequence[Line], *, actor: str, at: datetime) -> int:
        ids = [line.return_line_id for line in part]
        one = len(ids) == 1
        there = self._all(_KNOWN_ONE, id=ids[0]) if one else self._all(_KNOWN, ids=ids)
        known = {row["return_line_id"] for row in there}
        new = [line for line in part if line.return_line_id not in known]
        if new:
            names = self._pseudonymize((line.customer_id for line in new), actor=actor, at=at)
            rows = [_row(line, names[line.customer_id], actor, at) for line in new]
            kind = "line.known"
            witnessed = [self._witness(lines, row, kind=kind, subject=row["return_line_id"]) for row in rows]
            self._do(into(lines), witnessed)
            self._remember(new, rows)
            for label in self._all(_LABELS_OF_ONE, id=ids[0]) if one else self._all(_LABELS, ids=ids):
                self._mark(label)
        return len(new)

    def add_fraud_label(
        self, return_line_id: str, *, confirmed: bool, known_at: datetime, actor: str, at: datetime
    ) -> None:
        """Record that a line's fraud was confirmed or cleared; the label last known counts."""
        values = {"return_line_id": return_line_id, "confirmed": confirmed, "known_at": known_at}
        values |= {"actor": actor, "at": at}
        seq = self._record(
            fraud_labels, values, kind="fraud.label", subject=return_line_id, confirmed=confirmed
        )
        self._mark({**values, "seq": seq})

    def add_finding(self, return_line_id: str, *, grade: str, known_at: datetime) -> bool:
        """Count what the first inspection of a known line found; False where that was told before."""
        line = self._first(_PAST_OF, id=return_line_id)
        if line is None or line["found_from"] is not None:
            return False
        marks = seen(grade)
        # As in features.history: a finding cannot count before the line itself does.
        found_from = max(known_at, line["requested_at"])
        this = past.c.return_line_id == return_line_id
        self._connection.execute(update(past).where(this).values(found_from=found_from, **marks))
        self._sum_up([(line, found_from, marks)])
        return True

    def history(self, behind: Mapping[str, str | None], *, as_of: datetime) -> dict[str, float]:
        """Return every figure of `AGGREGATES` known just before `as_of`; NaN for a missing entity.

        Parameters
        ----------
        behind : mapping of str to str or None
            The id of each of `ENTITIES`; one left out is missing.
        """
        ids = {entity: behind.get(entity) for entity in ENTITIES}
        row = self._first(_figures(), **moments(as_of), **ids)
        assert row is not None
        return {
            aggregate.name: math.nan if ids[aggregate.entity] is None else _value(aggregate, figure, as_of)
            for aggregate, figure in zip(AGGREGATES, row.values(), strict=True)
        }

    def policy_facts(self, line: Line, *, as_of: datetime) -> PolicyFacts:
        """Return what policies ask of the past of the line's sale and customer, in the currency asked for."""
        # Lines without an order number share no sale, and no order number equals null.
        asked = {
            name: getattr(line, name) for name in ("return_line_id", "customer_id", "sku", "order_number")
        }
        asked |= {"currency": line.requested.currency, "year": datetime(as_of.year, 1, 1, tzinfo=UTC)}
        asked |= {"since": as_of - timedelta(days=DAYS_OF_STRUCTURING)}
        requests = self._all(_requests(), **asked)
        sums = self._first(_sums(), **asked)
        assert sums is not None
        # PostgreSQL adds 64-bit numbers up to a Decimal.
        whole = {name: int(total) for name, total in sums.items()}
        return PolicyFacts(**whole, requests_30d=tuple(row["requested_minor"] for row in requests))

    def volumes(self, start: datetime, end: datetime) -> tuple[Volume, ...]:
        """Return what was asked back from `start` up to `end`, by region, family and UTC day."""
        # A day as ISO text: the two databases' dates have different types.
        day = func.substr(cast(lines.c.requested_at, Text), 1, 10)
        query = (
            select(
                lines.c.region,
                lines.c.family,
                day.label("day"),
                func.sum(lines.c.quantity).label("quantity"),
                func.count().label("lines"),
            )
            .where(lines.c.requested_at >= start, lines.c.requested_at < end)
            .group_by(lines.c.region, lines.c.family, "day")
            .order_by("day", lines.c.region, lines.c.family)
        )
        return tuple(
            Volume(**{**row, "quantity": int(row["quantity"]), "day": date.fromisoformat(row["day"])})
            for row in self._all(query)
        )

    def _remember(self, part: Sequence[Line], rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep what lines say of those behind them, and add them to the sums of their hours."""
        kept = [
            {name: row[name] for name in row.keys() & past.c.keys()}
            | {"address_id": line.address_id, "device_id": line.device_id}
            | {name: int(line.marks.get(name, 0)) for name in TOLD}
            | dict.fromkeys(SEEN, 0)
            for line, row in zip(part, rows, strict=True)
        ]
        self._do(into(past), kept)
        asked = [{"count": 1, "quantity": row["quantity"], "hundredths": row["hundredths"]} for row in rows]
        self._sum_up([(row, row["requested_at"], sums) for row, sums in zip(rows, asked, strict=True)])

    def _sum_up(self, marks: Iterable[tuple[Mapping[str, Any], datetime, Mapping[str, int]]]) -> None:
        """Add what lines say, from a moment on, to the sums of their hours."""
        added = [
            dict.fromkeys(SUMMED, 0)
            | {"entity": entity, "entity_id": row[ENTITIES[entity]], "hour": hour_of(moment), **sums}
            for row, moment, sums in marks
            for entity in BY_HOUR
            if row[ENTITIES[entity]] is not None
        ]
        self._do(_growing(self._connection.dialect.name), added)

    def _mark(self, label: Mapping[str, Any]) -> None:
        """Put a label beside its line, once both are known."""
        line = self._first(_PAST_OF, id=label["return_line_id"])
        if line is None:
            return
        values = {name: label[name] for name in ("seq", "return_line_id", "confirmed", "known_at")}
        values |= {column: line[column] for column in ENTITIES.values()}
        # As in features.history: a verdict cannot count before the line itself does.
        values["counted_from"] = max(label["known_at"], line["requested_at"])
        self._do(into(fraud_marks), values)


def _row(line: Line, customer: str, actor: str, at: datetime) -> dict[str, Any]:
    row = {name: getattr(line, name) for name in Line.__dataclass_fields__ if name in lines.c}
    money = {"requested_minor": line.requested.minor, "currency": line.requested.currency}
    row |= {"customer_id": customer, "hundredths": _hundredths(line.requested)}
    return {**row, **money, "actor": actor, "at": at}


@cache
def _figures() -> Fixed:
    return Fixed(figures())


@cache
def _growing(dialect: str) -> Fixed:
    """Return the statement that adds to an hour's sums, or begins them."""
    start = postgresql.insert(hourly) if dialect == "postgresql" else sqlite.insert(hourly)
    grown = {name: hourly.c[name] + start.excluded[name] for name in SUMMED}
    grows = start.on_conflict_do_update(index_elements=list(hourly.primary_key), set_=grown)
    return Fixed(grows, columns=hourly.c.keys())


def _hundredths(requested: Money) -> int:
    """Return the amount in hundredths of the major unit, in which the features add up all currencies."""
    return int((Decimal(requested.text) * MINOR_UNITS).to_integral_value(ROUND_HALF_EVEN))


def _past() -> Select[Any]:
    """Select where the other lines stand, in the same currency."""
    return select(standing).where(
        standing.c.return_line_id != _asked("return_line_id"), standing.c.currency == _asked("currency")
    )


@cache
def _requests() -> Fixed:
    """Return the statement that reads what the customer asked for, oldest first."""
    asked = _past().where(_OF_CUSTOMER, standing.c.requested_at >= _asked("since"))
    return Fixed(asked.with_only_columns(standing.c.requested_minor).order_by(standing.c.requested_at))


def _value(aggregate: Aggregate, figure: Any, as_of: datetime) -> float:
    if aggregate.value == DAYS_SINCE:
        return math.nan if figure is None else (as_of - figure) / timedelta(days=1)
    return int(figure) / (MINOR_UNITS if aggregate.value == "credit" else 1)


@cache
def _sums() -> Fixed:
    """Return the statement that adds up `PolicyFacts`, but for the list of requests."""
    granted = _past().where(*(standing.c.status != status for status in GIVES_NOTHING))
    sale = granted.where(standing.c.sku == _asked("sku"), standing.c.order_number == _asked("order_number"))
    given = granted.where(_OF_CUSTOMER)
    recent = given.where(standing.c.requested_at >= _asked("since"))
    kept = given.where(standing.c.requested_at >= _asked("year"), standing.c.kept.is_(other=True))
    return Fixed(
        select(
            _sum(sale, standing.c.quantity).label("already_returned"),
            _sum(sale, standing.c.credit_minor).label("credit_already_given"),
            _sum(recent, standing.c.credit_minor).label("credits_30d"),
            kept.with_only_columns(func.count()).scalar_subquery().label("kept_this_year"),
            _sum(kept, standing.c.credit_minor).label("kept_this_year_minor"),
        )
    )


def _sum(rows: Select[Any], amount: ColumnElement[Any]) -> ColumnElement[Any]:
    return rows.with_only_columns(func.coalesce(func.sum(amount), 0)).scalar_subquery()


def _asked(name: str) -> BindParameter[Any]:
    moment = name in {"since", "year"}
    return bindparam(name, type_=standing.c.requested_at.type if moment else Text())


_OF_CUSTOMER: Final = standing.c.customer_id == behind(_asked("customer_id"))
_PAST_OF: Final = Fixed(select(past).where(past.c.return_line_id == bindparam("id")))
_KNOWN: Final = select(lines.c.return_line_id).where(
    lines.c.return_line_id.in_(bindparam("ids", expanding=True))
)
_KNOWN_ONE: Final = Fixed(select(lines.c.return_line_id).where(lines.c.return_line_id == bindparam("id")))
_LABELS: Final = select(fraud_labels).where(
    fraud_labels.c.return_line_id.in_(bindparam("ids", expanding=True))
)
_LABELS_OF_ONE: Final = Fixed(select(fraud_labels).where(fraud_labels.c.return_line_id == bindparam("id")))
