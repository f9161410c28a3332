"""The features, each declared once: the same pure functions build one row or ten million."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features import calendar
from features.history import AGGREGATES, HISTORY
from features.returns import (
    EXPONENTS,
    Grade,
    HandlingClass,
    Inspection,
    Money,
    RegulatoryClass,
    ReturnLine,
    Sale,
)
from features.table import KINDS, Table, number, objects, rows, time

ATTRIBUTE: Final = "attr_"
INTAKE: Final = "intake"
INSPECTION: Final = "inspection"
# Under these names a table carries all declared numbers and categories, computed: shape (n, columns).
STACKED: Final = "=numbers"
SPELT: Final = "=categories"
EPOCH: Final = np.datetime64("2020-01-01", "us")
TWO_YEARS: Final = np.timedelta64(2 * 365, "D")


@dataclass(frozen=True, slots=True)
class Column:
    """One feature: its name, kind, the canonical columns it reads and the function that reads them.

    Parameters
    ----------
    kind : str
        "number" (float64), "category" (objects) or "text" (objects).
    known : str
        "intake", or "inspection" for what is known only once the item was inspected.
    """

    name: str
    kind: str
    sources: tuple[str, ...]
    compute: Callable[[Table], npt.NDArray[Any]]
    known: str = INTAKE


def _plain(name: str, *, known: str = INTAKE) -> Column:
    """A canonical or attribute column as it is."""
    kind = KINDS.get(name, "number")
    if kind == "number":
        return Column(name, "number", (name,), lambda table: number(table, name), known)
    return Column(name, "category", (name,), lambda table: objects(table, name), known)


def _ratio(name: str, above: str, *below: str) -> Column:
    def compute(table: Table) -> npt.NDArray[np.float64]:
        base = number(table, below[0])
        for factor in below[1:]:
            base = base * number(table, factor)
        return number(table, above) / np.where(base > 0, base, np.nan)

    return Column(name, "number", (above, *below), compute)


def _days(name: str, later: str, earlier: str, *, known: str = INTAKE) -> Column:
    return Column(
        name,
        "number",
        (later, earlier),
        lambda table: calendar.days(time(table, later), time(table, earlier)),
        known,
    )


def _of_date(name: str, function: Callable[[calendar.Times], npt.NDArray[np.float64]]) -> Column:
    return Column(name, "number", ("requested_at",), lambda table: function(time(table, "requested_at")))


def _each(
    name: str, sources: tuple[str, ...], function: Callable[..., float], *, known: str = INTAKE
) -> Column:
    """A number worked out value by value; missing where any source is."""

    def compute_one(table: Table) -> npt.NDArray[np.float64]:
        values = objects(table, sources[0])
        if len(values) == 1:  # a service's request
            return np.array([np.nan if values[0] is None else function(values[0])])
        known = {value: np.nan if value is None else function(value) for value in set(values.tolist())}
        return np.fromiter(map(known.__getitem__, values), np.float64, len(values))

    def compute(table: Table) -> npt.NDArray[np.float64]:
        values = zip(*(objects(table, source) for source in sources), strict=True)
        return np.array([np.nan if None in row else function(*row) for row in values], np.float64)

    return Column(name, "number", sources, compute_one if len(sources) == 1 else compute, known)


def _has(code: str, source: str) -> Column:
    # No code contains another, so a substring is a member.
    return _each(f"is_{code.lower()}", (source,), lambda codes: float(code in codes))


def _equal(left: Any, right: Any) -> float:
    return float(left == right)


# What was found of many lines matters as a share, not by their number.
SHARED: Final = {
    aggregate.name: replace(aggregate, value="inspected").name
    for aggregate in AGGREGATES
    if aggregate.by_hour
}

COLUMNS: Final = (
    # No SKU: without it models serve new and known ones better (simulated: log-loss .916 against .927).
    *(_plain(name) for name in ("reason", "family", "brand", "site", "region", "channel")),
    *(_plain(name) for name in ("customer_tier", "supplier_id", "currency")),
    *(_plain(name) for name in ("price_paid", "unit_cost", "weight_kg", "quantity", "credit_requested")),
    _ratio("credit_to_price", "credit_requested", "price_paid", "quantity"),
    _ratio("cost_to_price", "unit_cost", "price_paid"),
    _ratio("share_returned", "quantity", "sold_quantity"),
    _days("days_since_sale", "requested_at", "sold_at"),
    _days("customer_days", "requested_at", "customer_since"),
    _days("days_of_warranty_left", "warranty_until", "requested_at"),
    _days("days_to_expiry", "expires_at", "requested_at"),
    # At a company's own sites practice changes; trees take what comes after training for its end. A table
    # without sites only drifts (OpenRepair, log-loss .796 without this feature, .797 with it).
    Column(
        "requested_on",
        "number",
        ("requested_at", "site"),
        lambda table: calendar.days(time(table, "requested_at"), np.full(rows(table), EPOCH)),
    ),
    _of_date("weekday", calendar.weekday),
    _of_date("season_sin", lambda times: calendar.season(times)[0]),
    _of_date("season_cos", lambda times: calendar.season(times)[1]),
    _of_date("days_since_christmas", calendar.days_since_christmas),
    _each("serial_matches", ("serial", "serial_shipped"), _equal),
    _each("note_length", ("customer_note",), len),
    _each("opened", ("opened",), float),
    *(_has(code, "regulatory_classes") for code in RegulatoryClass),
    *(_has(code, "handling_classes") for code in HandlingClass),
    *(_plain(name) for name in HISTORY if name not in SHARED),
    *(_ratio(f"{name}_share", name, inspected) for name, inspected in SHARED.items() if name != inspected),
    # Notes are often picked from a list: each of these says more than its words.
    Column("note_as_given", "category", ("customer_note",), lambda table: objects(table, "customer_note")),
    Column("customer_note", "text", ("customer_note",), lambda table: objects(table, "customer_note")),
    _plain("grade", known=INSPECTION),
    _each("serial_found_matches", ("serial_found", "serial_shipped"), _equal, known=INSPECTION),
    _days("days_to_inspection", "inspected_at", "requested_at", known=INSPECTION),
)
SEASONAL: Final = frozenset({"season_sin", "season_cos", "days_since_christmas", "requested_on"})
AFTER_INSPECTION: Final = frozenset({"disposition", "recovery"})
"""Tasks that are asked again once the condition is known."""


def columns_for(
    task: str, table: Table, attributes: Mapping[str, str], *, inspected: bool = False
) -> tuple[Column, ...]:
    """Return the features that a task may use and that this table can fill.

    Parameters
    ----------
    attributes : mapping of str to str
        Declared columns of one's own: name -> number, category or text.
    inspected : bool
        With what the inspection found, for the tasks that are asked again after it.
    """
    seasonal = _spans_seasons(table)
    known = {INTAKE, INSPECTION} if inspected and task in AFTER_INSPECTION else {INTAKE}
    canonical = (
        column
        for column in COLUMNS
        if column.known in known and (seasonal or column.name not in SEASONAL) and _filled(table, column)
    )
    declared = (
        _declared(name, kind)
        for name, kind in attributes.items()
        if seasonal or not (kind == "category" and calendar.names_months(objects(table, ATTRIBUTE + name)))
    )
    return (*canonical, *(column for column in declared if _filled(table, column)))


def _declared(name: str, kind: str) -> Column:
    source = ATTRIBUTE + name
    if kind == "number":
        return Column(source, kind, (source,), lambda table: number(table, source))
    if kind == "category":
        return Column(source, kind, (source,), lambda table: _words(objects(table, source)))
    return Column(source, kind, (source,), lambda table: objects(table, source))


def _words(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Write the numbers among categories as the mapping reads them: 12.0 is the category `12`."""
    if all(value is None or isinstance(value, str) for value in values):
        return values
    words = [f"{value:g}" if isinstance(value, float) else value for value in values]
    return np.array([None if word is None else str(word) for word in words], object)


def _filled(table: Table, column: Column) -> bool:
    return all(source in table and _any_given(table[source]) for source in column.sources)


def _any_given(values: npt.NDArray[Any]) -> bool:
    if values.dtype == object:
        return any(value is not None for value in values)
    return not bool(np.isnat(values).all() if values.dtype.kind == "M" else np.isnan(values).all())


def _spans_seasons(table: Table) -> bool:
    """Season can be told from drift only where every season was seen twice."""
    times = time(table, "requested_at")
    known = times[~np.isnat(times)]
    return len(known) > 0 and bool(known.max() - known.min() >= TWO_YEARS)


NUMBERS: Final = tuple(column for column in COLUMNS if column.kind == "number")
CATEGORIES: Final = tuple(column for column in COLUMNS if column.kind == "category")
PLACES: Final = {
    column.name: place for columns in (NUMBERS, CATEGORIES) for place, column in enumerate(columns)
}


def computed(table: Table) -> Table:
    """Return the table with every declared number and category beside it, for several encoders to share."""
    return {**table, STACKED: _stack(table, NUMBERS, float), SPELT: _stack(table, CATEGORIES, object)}


def _stack(table: Table, columns: Sequence[Column], dtype: type) -> npt.NDArray[Any]:
    stack: npt.NDArray[Any] = np.empty((rows(table), len(columns)), dtype)
    for place, column in enumerate(columns):
        stack[:, place] = column.compute(table)
    return stack


def named(names: Sequence[str], attributes: Mapping[str, str]) -> tuple[Column, ...]:
    """Return declared features by name, in that order: what a saved encoder asks for."""
    known = {column.name: column for column in COLUMNS}
    known |= {ATTRIBUTE + name: _declared(name, kind) for name, kind in attributes.items()}
    return tuple(known[name] for name in names)


def table_of(lines: Sequence[ReturnLine], history: Mapping[str, Sequence[float]] | None = None) -> Table:
    """Return the canonical table of return lines: the service's way in, without a frame.

    Parameters
    ----------
    history : mapping of str to sequence of float, optional
        As-of aggregates under the names of `features.history.HISTORY`, one figure a line.
    """
    records = [_record(line) for line in lines]
    table: dict[str, npt.NDArray[Any]] = {}
    for dtype, places in _KINDS.items():
        # One array a kind, and a view of it a column: for one line, making arrays is what takes the time.
        block = np.empty((len(places), len(records)), dtype)
        for row, record in enumerate(records):
            block[:, row] = [record[place] for place in places]
        table.update(zip((RECORD[place][0] for place in places), block, strict=True))
    for name in {name for line in lines for name, _ in line.attributes}:
        table[ATTRIBUTE + name] = np.array([dict(line.attributes).get(name) for line in lines], object)
    past = np.array(list((history or {}).values()), np.float64)
    return {**table, **dict(zip(history or (), past, strict=True))}


RECORD: Final = tuple(
    (name, {"number": "float64", "time": "datetime64[us]"}.get(KINDS[name], "object"))
    for name in (
        *("return_line_id", "requested_at", "site", "region", "quantity", "reason", "stage", "customer_note"),
        *("customer_id", "customer_tier", "customer_since", "address_id", "device_id"),
        *("supplier_id", "warranty_until", "opened"),
        *("expires_at", "sku", "family", "brand", "unit_cost", "weight_kg", "serial", "serial_shipped"),
        *("regulatory_classes", "handling_classes", "credit_requested", "currency", "sold_at", "channel"),
        *("price_paid", "sold_quantity", "grade", "inspected_at", "inspector", "serial_found"),
    )
)
_KINDS: Final = {
    dtype: tuple(place for place, (_, kind) in enumerate(RECORD) if kind == dtype)
    for dtype in ("float64", "datetime64[us]", "object")
}
NO_SALE: Final = Sale()
NO_INSPECTION: Final = Inspection(Grade.UNGRADED)


def _record(line: ReturnLine) -> tuple[Any, ...]:
    """Return one line's values in the order of `RECORD`."""
    customer, item, check = line.customer, line.item, line.compliance
    sale, found = line.sale or NO_SALE, line.inspection or NO_INSPECTION
    return (
        *(line.return_line_id, _naive(line.requested_at), line.site, line.region, line.quantity),
        *(line.reason, line.stage, line.customer_note, customer.id, customer.tier, _naive(customer.since)),
        *(customer.address_id, customer.device_id),
        *(line.supplier.id, _naive(line.warranty_until), check.opened, _naive(check.expires_at)),
        *(item.sku, item.family, item.brand, _amount(item.unit_cost), item.weight_kg),
        *(item.serial, item.serial_shipped, _joined(item.regulatory_classes), _joined(item.handling_classes)),
        *(_amount(line.credit_requested), line.credit_requested.currency),
        *(_naive(sale.sold_at), sale.channel, _amount(sale.price_paid), sale.quantity),
        # Not inspected is missing: the table of a training run says the same.
        None if found.grade is Grade.UNGRADED else found.grade,
        *(_naive(found.inspected_at), found.inspector, found.serial_found),
    )


def _naive(moment: datetime | None) -> datetime | None:
    """Drop the zone of a UTC time, as numpy's times have none."""
    return moment.replace(tzinfo=None) if moment is not None else None


def _amount(money: Money | None) -> float | None:
    return None if money is None else float(money.minor) / float(10 ** EXPONENTS.get(money.currency, 2))


def _joined(codes: frozenset[Any]) -> str | None:
    return ";".join(sorted(codes)) or None
