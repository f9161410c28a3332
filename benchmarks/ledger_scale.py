"""Whether a ledger of a million recommendations writes and pages its inbox as a small one does.

Both ledgers are asked in turns, so that whatever else the machine does falls on both. The small one holds a
thousand recommendations, enough that a page of its inbox is as full. One real case is written through the
ledger, its rows are then multiplied inside the database: the chain of the copies is not meant to verify.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count

import numpy as np
from sqlalchemy import Connection, Table, select, text

from benchmarks.ledger_databases import KINDS, databases
from benchmarks.report import Figure, Mode
from ledger.outbox import Message
from ledger.schema import (
    approval_roles,
    approval_state,
    approvals,
    chain_head,
    entries,
    hourly,
    lines,
    past,
    personal,
    recommendation_state,
    recommendations,
    standing,
    subjects,
)
from ledger.schema.registers import outbox
from ledger.store import Ledger, Transaction
from tests.ledger.records import NOON, a_line, a_recommendation, an_approval

RETURNS: dict[Mode, int] = {"quick": 50_000, "normal": 1_000_000, "full": 1_000_000}
TURNS: dict[Mode, int] = {"quick": 500, "normal": 2_000, "full": 10_000}
SMALL = 1_000
PART = 50_000  # returns copied in one transaction
CUSTOMERS, SKUS, WAITING = 100_000, 5_000, 50  # one return in fifty waits for a person
BY_SEQ = "seed.seq <= STEP"
SEEDS: Mapping[Table, str] = {
    **dict.fromkeys((entries, lines, recommendations, recommendation_state, personal, outbox), BY_SEQ),
    **dict.fromkeys((approvals, approval_state, approval_roles), BY_SEQ),
    subjects: f"{BY_SEQ} AND n < {CUSTOMERS}",
    **dict.fromkeys((standing, past), "seed.return_line_id = 'seed/1'"),
    hourly: "seed.entity_id = 'SKU-seed'",
}
COLUMNS = {
    "seq": "seed.seq + n * STEP",
    "sku": f"'SKU-' || (n - n / {SKUS} * {SKUS})",
    "entity_id": f"'SKU-' || (n - n / {SKUS} * {SKUS})",
    "order_number": "'SO-' || n",
    "customer_id": f"'sub_' || (n - n / {CUSTOMERS} * {CUSTOMERS})",
    "customer": f"'sub_' || (n - n / {CUSTOMERS} * {CUSTOMERS})",
}
# Three years of minutes; digests as random as real ones.
SQLITE = {
    "requested_at": "strftime('%Y-%m-%d %H:%M:00.000000', seed.requested_at, '-' || n || ' minutes')",
    "hour": "strftime('%Y-%m-%d %H:%M:00.000000', seed.hour, '-' || n || ' minutes')",
    "hash": "'sha256:' || lower(hex(randomblob(32)))",
    "previous": "'sha256:' || lower(hex(randomblob(32)))",
}
POSTGRESQL = {
    "requested_at": "seed.requested_at - n * interval '1 minute'",
    "hour": "seed.hour - n * interval '1 minute'",
    "hash": "'sha256:' || md5(seed.seq || 'a' || n) || md5(seed.seq || 'b' || n)",
    "previous": "'sha256:' || md5(seed.seq || 'c' || n) || md5(seed.seq || 'd' || n)",
}
TARGET = "<= 1.5"
IDS = frozenset({"id", "return_line_id", "recommendation_id", "approval_id", "subject"})
NUMBERS = count()


def run(mode: Mode) -> dict[str, Figure]:
    """Fill a large and a small ledger of either kind, and ask them in turns."""
    figures: dict[str, Figure] = {}
    with databases() as made:
        for kind in KINDS:
            large, small = (filled(made.new(kind), returns) for returns in (RETURNS[mode], SMALL))
            figures |= {f"{kind}_{name}": one for name, one in compared(large, small, TURNS[mode]).items()}
            large.close()
            small.close()
    return {"returns": Figure(RETURNS[mode], "returns"), **figures}


def compared(large: Ledger, small: Ledger, turns: int) -> dict[str, Figure]:
    """The p99 of either ledger in milliseconds and their ratio, for writing and for a page of the inbox."""
    chance = random.Random(11)
    figures: dict[str, Figure] = {}
    for name, step in (("write", write), ("inbox", page)):
        for ledger in (large, small):
            for _ in range(20):
                step(ledger, chance)
        pairs = np.array([[timed(step, one, chance) for one in (large, small)] for _ in range(turns)])
        high = np.quantile(pairs, 0.99, axis=0)
        figures[f"{name}_p99_large"] = Figure(round(float(high[0]) * 1e3, 3), "ms")
        figures[f"{name}_p99_small"] = Figure(round(float(high[1]) * 1e3, 3), "ms")
        figures[f"{name}_p99_ratio"] = Figure(round(float(high[0] / high[1]), 3), "times", target=TARGET)
    return figures


def timed(step: Callable[[Ledger, random.Random], None], ledger: Ledger, chance: random.Random) -> float:
    """Seconds that one step takes."""
    started = time.perf_counter()
    step(ledger, chance)
    return time.perf_counter() - started


def write(ledger: Ledger, chance: random.Random) -> None:
    """Write one case as the service does: policy's facts, recommendation, approval and message."""
    with ledger.write() as tx:
        case(tx, f"new-{next(NUMBERS)}", f"C-{chance.randrange(CUSTOMERS)}", f"SKU-{chance.randrange(SKUS)}")


def page(ledger: Ledger, chance: random.Random) -> None:
    """Read a page of a manager's inbox."""
    role = chance.choice(("manager", "supervisor"))
    with ledger.read() as tx:
        assert tx.approvals(role=role, sites=("DAL1",), limit=20)


def case(tx: Transaction, name: str, customer: str, sku: str) -> None:
    """One return with all that belongs to it."""
    line = a_line(f"{name}/1", customer_id=customer, sku=sku, order_number=f"SO-{name}")
    one = replace(a_recommendation(line.return_line_id, line=line), id=f"rec-{name}")
    tx.policy_facts(line, as_of=NOON)
    tx.add_recommendation(one)
    tx.add_approval(replace(an_approval(one), id=f"apr-{name}"))
    tx.enqueue(Message(f"msg-{name}", "recommendation.issued", line.return_line_id, {}, NOON, one.actor))


def filled(url: str, returns: int) -> Ledger:
    """A ledger with so many returns, opened afresh: what made the filling quick is gone."""
    ledger = Ledger(url)
    fill(ledger, returns)
    ledger.close()
    return Ledger(url)


def fill(ledger: Ledger, returns: int) -> None:
    """Write one case, then copy its rows until there are as many returns as asked for."""
    with ledger.write() as tx:
        case(tx, "seed", "C-seed", "SKU-seed")
    multiply(ledger, returns)


def multiply(ledger: Ledger, returns: int, *, waiting: int = WAITING) -> None:
    """Copy all that a ledger of one case holds until there are so many; one in `waiting` stays open."""
    with ledger._begin(exclusive=True) as connection:  # noqa: SLF001  # no door of the ledger copies rows
        step = connection.execute(select(chain_head.c.seq)).scalar_one()
    for first in range(1, returns, PART):
        with ledger._begin(exclusive=True, long=True) as connection:  # noqa: SLF001
            copy(connection, first, min(first + PART, returns), step, waiting)
    with ledger._begin(exclusive=True, long=True) as connection:  # noqa: SLF001
        freely(connection)
        end = {"seq": returns * step, "hash": f"end-{returns}"}
        connection.execute(text("UPDATE chain_head SET seq = :seq, hash = :hash"), end)
        connection.execute(text("ANALYZE"))


def freely(connection: Connection) -> None:
    """Lift for this transaction the limits of a service, which millions of rows would break."""
    limits = {
        "postgresql": ("SET LOCAL session_replication_role = replica",),
        "sqlite": ("PRAGMA cache_size = -1000000", "PRAGMA defer_foreign_keys = ON"),
    }
    for statement in limits[connection.dialect.name]:
        connection.exec_driver_sql(statement)


def copy(connection: Connection, first: int, end: int, step: int, waiting: int) -> None:
    """Copy the first case's rows once for every number from `first` up to `end`."""
    freely(connection)
    counted = f"SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {end - 1}"
    numbers = f"WITH RECURSIVE numbers(n) AS ({counted})"
    dialect = POSTGRESQL if connection.dialect.name == "postgresql" else SQLITE
    for table, seed in SEEDS.items():
        names = [column.name for column in table.c]
        values = ", ".join(value_of(table, name, dialect, waiting) for name in names)
        into = ", ".join(f'"{name}"' for name in names)
        source = f"SELECT {values} FROM {table.name} seed CROSS JOIN numbers WHERE {seed}"
        statement = f"INSERT INTO {table.name} ({into}) {numbers} {source}"  # our own names
        connection.exec_driver_sql(statement.replace("STEP", str(step)))


def value_of(table: Table, name: str, dialect: Mapping[str, str], waiting: int) -> str:
    """The expression for a column of the copy with number n."""
    if table is subjects and name in {"customer_id", "pseudonym"}:
        return f"'{'C-' if name == 'customer_id' else 'sub_'}' || n"
    if table in {approval_state, approval_roles} and name == "status":
        return f"CASE WHEN n - n / {waiting} * {waiting} = 0 THEN seed.status ELSE 'approved' END"
    if name in IDS:
        return f"seed.{name} || '-' || n"
    return dialect.get(name) or COLUMNS.get(name) or f'seed."{name}"'
