"""As-of history: the past of an entity, exactly, and never a moment more."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.history import AGGREGATES, ENTITIES, FOUND, HISTORY, JUDGED, Aggregate, offline
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
        st.integers(0, 24 * 100),  # hours until verdict and grade were known
        st.sampled_from(["A1", None]),
        st.sampled_from([("DEFECTIVE", "NEW_SEALED"), ("UNWANTED", "C"), ("NOT_RECEIVED", None)]),
        st.sampled_from([True, False, None]),
    ),
    min_size=1,
    max_size=25,
)


def a_table(lines: list[tuple]) -> Table:
    usual = ("A1", ("DEFECTIVE", "C"), True)
    lines = [(*line, *usual[len(line) - 7 :]) for line in lines]
    hours, customers, skus, cents, quantities, frauds, waits, places, told, flags = zip(*lines, strict=True)
    requested = START + np.array(hours) * HOUR
    return {
        "requested_at": requested,
        "customer_id": np.array(customers, object),
        "address_id": np.array(places, object),
        "device_id": np.array(["D1"] * len(lines), object),
        "sku": np.array(skus, object),
        "supplier_id": np.array(["V1"] * len(lines), object),
        "site": np.array(["DAL1"] * len(lines), object),
        "credit_requested": np.array(cents) / 100,
        "price_paid": np.array(cents) / 100,
        "quantity": np.array(quantities, float),
        "reason": np.array([reason for reason, _ in told], object),
        "opened": np.array(flags, object),
        "serial": np.array(["SN-1" if flag else None for flag in flags], object),
        "serial_shipped": np.array([f"SN-{n}" for n in quantities], object),
        "sold_at": requested - np.array(quantities) * 10 * 24 * HOUR,
        "grade": np.array([grade for _, grade in told], object),
        "label_known_at": requested + np.array(waits) * HOUR,
        "fraud": np.array(frauds, object),
        "fraud_known_at": requested + np.array(waits) * HOUR,
    }


def says(table: Table, other: int, value: str) -> float:
    """What one line adds, spelled out."""
    reason, grade = table["reason"][other], table["grade"][other]
    return {
        "count": 1,
        "credit": table["credit_requested"][other],
        "quantity": table["quantity"][other],
        "fault": reason == "DEFECTIVE",
        "regret": reason == "UNWANTED",
        "undelivered": reason == "NOT_RECEIVED",
        "opened": table["opened"][other] is True,
        "serial_differs": table["serial"][other] is not None and table["quantity"][other] != 1,
        "quick": table["quantity"][other] < 3,
        "dear": table["price_paid"][other] >= 100,
        "inspected": grade is not None,
        "sealed": grade == "NEW_SEALED",
        "poor": grade == "C",
        "fraud_confirmed": table["fraud"][other] is True,
        "fraud_cleared": table["fraud"][other] is False,
    }[value]


def brute_force(table: Table, aggregate: Aggregate, row: int) -> float:
    entity, decided = table[ENTITIES[aggregate.entity]], table["requested_at"][row]
    if entity[row] is None:
        return np.nan
    known = {FOUND: "label_known_at", JUDGED: "fraud_known_at"}.get(aggregate.known, "requested_at")
    since = START - np.timedelta64(10_000, "D")
    if aggregate.window_days is not None:
        since = decided - np.timedelta64(aggregate.window_days, "D")
    past = [
        other
        for other in range(len(entity))
        if entity[other] == entity[row] and since <= table[known][other] < decided
    ]
    if aggregate.value == "customers":
        return len({table["customer_id"][other] for other in past} - {None})
    if aggregate.value == "days_since":
        asked = [table["requested_at"][other] for other in past]
        return (decided - max(asked)) / np.timedelta64(1, "D") if asked else np.nan
    return sum(says(table, other, aggregate.value) for other in past)


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


def test_what_was_found_at_a_site_counts_from_the_next_whole_hour():
    table = a_table([(0, "C1", "S1", 100, 1, None, 1), (2, "C1", "S1", 100, 1, None, 0)])
    half = np.timedelta64(30, "m")
    early = {**table, "label_known_at": table["label_known_at"] + half}
    late = {**early, "label_known_at": early["label_known_at"] + HOUR}
    assert [offline(one)["site_inspected_30d"][1] for one in (early, late)] == [1.0, 0.0]
    assert [offline(one)["customer_inspected_ever"][1] for one in (early, late)] == [1.0, 0.0]


@given(LINES, LINES, st.integers(0, 24 * 400))
def test_nothing_that_happens_later_changes_any_figure(lines, others, hour):
    """The canary: every event after a moment is replaced, and no figure up to it changes."""
    now = START + hour * HOUR
    table, changed = a_table(lines), a_table((others * 25)[: len(lines)])
    later = table["requested_at"] > now
    mixed = {name: np.where(later, changed[name], values) for name, values in table.items()}
    mixed["requested_at"] = np.where(
        later, now + HOUR + (table["requested_at"] - now) * 2, table["requested_at"]
    )
    for label, known in (("fraud", "fraud_known_at"), ("grade", "label_known_at")):
        unknown = table[known] >= now
        mixed[label] = np.where(unknown, changed[label], table[label])
        mixed[known] = np.where(unknown, now + 3 * HOUR, table[known])
    before, after = offline(table), offline(mixed)
    for name in HISTORY:
        np.testing.assert_array_equal(before[name][~later], after[name][~later])


@pytest.mark.parametrize("dropped", ["customer_id", "requested_at", "credit_requested"])
def test_a_table_without_a_column_has_a_history_all_the_same(dropped):
    table = {
        name: values for name, values in a_table([(0, "C1", "S1", 1, 1, None, 0)]).items() if name != dropped
    }
    assert set(offline(table)) == set(HISTORY)
