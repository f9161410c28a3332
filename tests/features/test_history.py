"""As-of history: the past of an entity, exactly, and never a moment more."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.history import AGGREGATES, ENTITIES, HISTORY, Aggregate, offline
from features.table import Table

START = np.datetime64("2026-01-01", "us")
HOUR = np.timedelta64(1, "h")

LINES = st.lists(
    st.tuples(
        st.integers(0, 24 * 400),  # hours after START that it was requested
        st.sampled_from(["C1", "C2", None]),
        st.sampled_from(["S1", "S2"]),
        st.integers(0, 50_000),  # cents
        st.integers(1, 5),
        st.sampled_from([True, False, None]),
        st.integers(0, 24 * 100),  # hours until the verdict was known
    ),
    min_size=1,
    max_size=25,
)


def a_table(lines: list[tuple]) -> Table:
    hours, customers, skus, cents, quantities, frauds, waits = zip(*lines, strict=True)
    requested = START + np.array(hours) * HOUR
    return {
        "requested_at": requested,
        "customer_id": np.array(customers, object),
        "sku": np.array(skus, object),
        "supplier_id": np.array(["V1"] * len(lines), object),
        "site": np.array(["DAL1"] * len(lines), object),
        "credit_requested": np.array(cents) / 100,
        "quantity": np.array(quantities, float),
        "fraud": np.array(frauds, object),
        "fraud_known_at": requested + np.array(waits) * HOUR,
    }


def brute_force(table: Table, aggregate: Aggregate, row: int) -> float:
    entity, decided = table[ENTITIES[aggregate.entity]], table["requested_at"][row]
    if entity[row] is None:
        return np.nan
    total = 0.0
    for other in range(len(entity)):
        happened = table["requested_at"][other]
        if aggregate.value == "fraud_confirmed":
            happened = max(happened, table["fraud_known_at"][other])
        since = START - np.timedelta64(10_000, "D")
        if aggregate.window_days is not None:
            since = decided - np.timedelta64(aggregate.window_days, "D")
        if entity[other] == entity[row] and since <= happened < decided:
            total += {
                "count": 1,
                "credit": table["credit_requested"][other],
                "quantity": table["quantity"][other],
                "fraud_confirmed": table["fraud"][other] is True,
            }[aggregate.value]
    return total


@given(LINES)
def test_every_aggregate_equals_a_count_by_hand(lines):
    table = a_table(lines)
    found = offline(table)
    for aggregate in AGGREGATES:
        by_hand = [brute_force(table, aggregate, row) for row in range(len(lines))]
        np.testing.assert_allclose(found[aggregate.name], by_hand, atol=1e-9)


@given(LINES, LINES)
def test_no_later_row_changes_an_earlier_figure_by_a_single_bit(lines, others):
    table = a_table(lines)
    later = a_table([(24 * 500 + hour, *rest) for hour, *rest in others])
    longer = {name: np.concatenate([table[name], later[name]]) for name in table}
    before, after = offline(table), offline(longer)
    for name in HISTORY:
        np.testing.assert_array_equal(before[name], after[name][: len(lines)])


def test_a_verdict_that_was_not_known_yet_does_not_count():
    table = a_table([(0, "C1", "S1", 100, 1, True, 48), (24, "C1", "S1", 100, 1, None, 0)])
    assert offline(table)["customer_fraud_confirmed_ever"].tolist() == [0.0, 0.0]


def test_a_verdict_counts_once_it_is_known():
    table = a_table([(0, "C1", "S1", 100, 1, True, 48), (72, "C1", "S1", 100, 1, None, 0)])
    assert offline(table)["customer_fraud_confirmed_ever"].tolist() == [0.0, 1.0]


@pytest.mark.parametrize("dropped", ["customer_id", "requested_at", "credit_requested"])
def test_a_table_without_a_column_has_a_history_all_the_same(dropped):
    table = {
        name: values for name, values in a_table([(0, "C1", "S1", 1, 1, None, 0)]).items() if name != dropped
    }
    assert set(offline(table)) == set(HISTORY)
