"""Fixed statements run by the driver itself say what they say through SQLAlchemy; quick JSON is canonical."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from sqlalchemy.dialects import sqlite

from ledger.chain import ConflictError, canonical
from ledger.schema.columns import Utc
from ledger.store import Ledger
from tests.ledger.records import NOON, a_line, a_recommendation, fill

PLAIN = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8)
VALUES = st.recursive(
    PLAIN | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


def _read(ledger: Ledger) -> list[Any]:
    behind = {"customer": "C-1", "product": "DRL-18V", "supplier": "S-3", "site": "DAL1"}
    with ledger.read() as tx:
        return [
            tx.answering("RMA-0/1"),
            tx.current("RMA-0/1", "AUTHORIZATION"),
            tx.key("hash"),
            tx.reference("sites", "DAL1"),
            {name: str(value) for name, value in tx.history(behind, as_of=NOON.replace(hour=13)).items()},
            tx.policy_facts(a_line("RMA-9/1"), as_of=NOON),
        ]


def test_the_driver_and_sqlalchemy_read_the_same_rows(ledger: Ledger) -> None:
    with ledger.write() as tx:
        fill(tx)
    direct = _read(ledger)
    heard: list[str] = []
    event.listen(ledger._engine, "before_cursor_execute", lambda *told: heard.append(told[2]))

    assert _read(ledger) == direct
    assert heard


def test_a_listener_hears_what_is_written_and_the_chain_is_the_same(ledger: Ledger) -> None:
    heard: list[str] = []
    event.listen(ledger._engine, "before_cursor_execute", lambda *told: heard.append(told[2]))

    with ledger.write() as tx:
        fill(tx)

    assert any(statement.startswith("INSERT INTO recommendations") for statement in heard)
    assert ledger.verify().valid


def test_a_refusal_by_the_database_is_the_ledgers_own(ledger: Ledger) -> None:
    first = a_recommendation("RMA-5/1")
    with ledger.write() as tx:
        tx.add_recommendation(first)

    with pytest.raises(ConflictError), ledger.write() as tx:
        tx.add_recommendation(a_recommendation("RMA-6/1", id=first.id))

    assert ledger.verify().valid


@settings(max_examples=150)
@given(VALUES)
def test_quick_canonical_json_is_that_of_rfc_8785(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


# Hypothesis asks for bounds without a zone.
YEARS = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1))  # noqa: DTZ001
ZONES = st.none() | st.builds(timezone, st.timedeltas(timedelta(hours=-14), timedelta(hours=14)))


@given(moment=YEARS, zone=ZONES)
def test_a_moment_is_spelt_as_sqlalchemy_spells_it(moment: datetime, zone: timezone | None) -> None:
    """In UTC, whatever its zone: the order of the texts is that of time, and old rows stay comparable."""
    there = moment.replace(tzinfo=zone or UTC)
    dialect = sqlite.dialect()
    ours, theirs = Utc().bind_processor(dialect), sqlite.DATETIME().bind_processor(dialect)
    assert ours is not None
    assert theirs is not None
    assert ours(there) == theirs(there.astimezone(UTC).replace(tzinfo=None))
