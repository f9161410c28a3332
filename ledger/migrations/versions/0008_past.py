"""What lines say of those behind them: marks told by requests, what inspections found, address and device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from alembic import op

from ledger.schema.columns import Json, Utc

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# The marks as they were told from requests when this migration was written.
TOLD = ("fault", "regret", "undelivered", "opened", "serial_differs", "quick", "dear")
SEEN = ("inspected", "sealed", "poor")
FAULT = {"DEFECTIVE", "WARRANTY_CLAIM", "DAMAGED_IN_TRANSIT", "NOT_AS_DESCRIBED"}
REGRET = {"UNWANTED", "FIT_SIZE_STYLE", "ORDERED_IN_ERROR", "LATE_DELIVERY", "PRICE_DISPUTE"}
UNDELIVERED = {"NOT_RECEIVED", "SHORT_SHIPPED"}
GRADES = {"NEW_SEALED", "A", "B", "C", "D", "E"}
INSPECTED = "returns.inspection.completed.v1"
DEAR = 100
PAGE = 1000

PAST = sa.table(
    "past",
    *(
        sa.column(name)
        for name in ("return_line_id", "sku", "supplier_id", "site", "address_id", "device_id")
    ),
    *(sa.column(name) for name in (*TOLD, *SEEN)),
    *(sa.column(name, Utc()) for name in ("requested_at", "found_from")),
)
SUMS = ("count", "quantity", "hundredths", *SEEN)
HOURLY = sa.table(
    "hourly", *(sa.column(name) for name in ("entity", "entity_id", *SUMS)), sa.column("hour", Utc())
)
REQUESTS = sa.text(
    "SELECT issued.seq, issued.return_line_id, personal.value, issued.at FROM recommendations AS issued "
    "JOIN personal ON personal.seq = issued.seq WHERE issued.seq > :after ORDER BY issued.seq LIMIT :page"
)
FINDINGS = sa.text(
    "SELECT event.seq, event.subject AS return_line_id, personal.value, event.at FROM events AS event "
    "JOIN personal ON personal.seq = event.seq WHERE event.type = :inspected AND event.seq > :after "
    "ORDER BY event.seq LIMIT :page"
).bindparams(inspected=INSPECTED)


def upgrade() -> None:
    """Make the projection, and fill it from the lines, requests and inspections that are there."""
    _tables()
    connection = op.get_bind()
    told: set[str] = set()
    for row in _pages(connection, REQUESTS):
        request = row["value"].get("request", {})
        if row["return_line_id"] not in told and "item" in request:
            told.add(row["return_line_id"])
            _update(connection, row["return_line_id"], _marks(request))
        _found(connection, row, request.get("inspection"))
    for row in _pages(connection, FINDINGS):
        _found(connection, row, row["value"].get("data"))


def _tables() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "past",
        sa.Column("return_line_id", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("customer_id", "sku", "site")),
        *(sa.Column(name, sa.Text(), nullable=True) for name in ("address_id", "device_id", "supplier_id")),
        sa.Column("at", moment, nullable=False),
        sa.Column("requested_at", moment, nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("quantity", "hundredths", *TOLD)),
        sa.Column("found_from", moment, nullable=True),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in SEEN),
        sa.PrimaryKeyConstraint("return_line_id", name="pk_past"),
    )
    same = "return_line_id, customer_id, sku, site, supplier_id, at, requested_at, quantity, hundredths"
    zeros = ", ".join("0" for _ in (*TOLD, *SEEN))
    op.execute(f"INSERT INTO past ({same}, {', '.join((*TOLD, *SEEN))}) SELECT {same}, {zeros} FROM lines")  # noqa: S608  # our own names
    for entity in ("customer_id", "address_id", "device_id"):
        op.create_index(f"ix_past_{entity}_requested_at", "past", [entity, "requested_at"])
    op.create_index("ix_past_at", "past", ["at"])
    for name in ("address_id", "device_id"):
        op.add_column("fraud_marks", sa.Column(name, sa.Text(), nullable=True))
        op.create_index(f"ix_fraud_marks_{name}_counted_from", "fraud_marks", [name, "counted_from"])
    for name in SEEN:
        op.add_column("hourly", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))


def _pages(connection: sa.Connection, query: sa.TextClause) -> Iterator[Mapping[str, Any]]:
    typed = query.columns(seq=sa.BigInteger(), return_line_id=sa.Text(), value=Json(), at=Utc())
    after = 0
    while rows := connection.execute(typed, {"after": after, "page": PAGE}).mappings().all():
        yield from map(dict, rows)
        after = rows[-1]["seq"]


def _marks(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `features.history.told` says of the same request, and its address and device."""
    item, sale, customer = request["item"], request.get("sale") or {}, request.get("customer") or {}
    reason, sold, paid = request.get("reason"), sale.get("sold_at"), sale.get("price_paid")
    shipped, claimed = item.get("serial_shipped"), item.get("serial")
    since = None if sold is None else _moment(request["requested_at"]) - _moment(sold)
    flags = {
        "fault": reason in FAULT,
        "regret": reason in REGRET,
        "undelivered": reason in UNDELIVERED,
        "opened": (request.get("compliance") or {}).get("opened") is True,
        "serial_differs": None not in (shipped, claimed) and shipped != claimed,
        "quick": since is not None and since < timedelta(days=30),
        "dear": paid is not None and Decimal(paid) >= DEAR,
    }
    return {name: int(flag) for name, flag in flags.items()} | {
        "address_id": customer.get("address_id"),
        "device_id": customer.get("device_id"),
    }


def _found(connection: sa.Connection, row: Mapping[str, Any], inspection: Any) -> None:
    """Count the first finding of a line, from when it was known."""
    grade = (inspection or {}).get("grade")
    mine = PAST.c.return_line_id == row["return_line_id"]
    line = connection.execute(sa.select(PAST).where(mine, PAST.c.found_from.is_(None))).mappings().first()
    if grade not in GRADES or line is None:
        return
    marks = {"inspected": 1, "sealed": int(grade == "NEW_SEALED"), "poor": int(grade in {"C", "D", "E"})}
    found_from = max(row["at"], line["requested_at"])
    _update(connection, row["return_line_id"], {**marks, "found_from": found_from})
    hour = found_from.replace(minute=0, second=0, microsecond=0)
    for entity, column in (("product", "sku"), ("supplier", "supplier_id"), ("site", "site")):
        if line[column] is not None:
            _sum_up(connection, {"entity": entity, "entity_id": line[column], "hour": hour}, marks)


def _sum_up(connection: sa.Connection, key: Mapping[str, Any], marks: Mapping[str, int]) -> None:
    mine = sa.and_(*(HOURLY.c[name] == value for name, value in key.items()))
    grown = sa.update(HOURLY).where(mine).values({name: HOURLY.c[name] + marks[name] for name in SEEN})
    if not connection.execute(grown).rowcount:
        connection.execute(sa.insert(HOURLY), {**dict.fromkeys(SUMS, 0), **key, **marks})


def _update(connection: sa.Connection, return_line_id: str, values: Mapping[str, Any]) -> None:
    connection.execute(sa.update(PAST).where(PAST.c.return_line_id == return_line_id).values(values))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.upper())
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
