"""The features: the same for one row and for many, for a request and for a file."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from features.columns import COLUMNS, NUMBERS, STACKED, columns_for, computed, named, table_of
from features.history import HISTORY, offline
from features.mapping import load
from features.returns import Grade, Inspection, Money, RegulatoryClass
from features.table import rows, take


def value(line, name: str):
    (column,) = named([name], {})
    return column.compute(table_of([line]))[0]


def test_the_name_of_every_feature_is_declared_once():
    names = [column.name for column in COLUMNS]
    assert len(names) == len(set(names))


def test_credit_is_measured_against_the_price_of_all_units(a_line):
    assert value(a_line(quantity=2, credit_requested=Money(11900, "USD")), "credit_to_price") == 0.5


def test_days_are_counted_from_sale_to_request(a_line):
    assert value(a_line(), "days_since_sale") == pytest.approx(21 + 10 / 24)


def test_a_serial_that_differs_is_told_from_one_that_is_missing(a_line):
    item = a_line().item
    assert value(a_line(), "serial_matches") == 1.0
    assert value(a_line(item=replace(item, serial="SN-8")), "serial_matches") == 0.0
    assert np.isnan(value(a_line(item=replace(item, serial=None)), "serial_matches"))


def test_a_regulatory_class_is_a_feature_of_its_own(a_line):
    classes = frozenset({RegulatoryClass.LITHIUM_BATTERY, RegulatoryClass.HAZMAT})
    line = a_line(item=replace(a_line().item, regulatory_classes=classes))
    assert value(line, "is_lithium_battery") == 1.0
    assert value(line, "is_recalled") == 0.0


def test_yen_have_no_cents(a_line):
    assert value(a_line(credit_requested=Money(11900, "JPY")), "credit_requested") == 11900.0


def test_an_empty_request_has_every_feature_missing_and_none_crash(a_line):
    bare = replace(a_line(), sale=None, customer_note=None, warranty_until=None)
    table = table_of([bare])
    assert all(len(column.compute(table)) == 1 for column in COLUMNS)


def test_features_of_a_table_without_columns_are_missing_not_a_crash():
    table = {"return_line_id": np.array(["a", "b"], object)}
    for column in COLUMNS:
        values = column.compute(table)
        assert len(values) == 2
        assert all(v is None or np.isnan(v) for v in values)


def test_one_row_and_many_rows_give_the_same_features(a_line):
    lines = [a_line(quantity=n, credit_requested=Money(1000 * n, "USD")) for n in range(1, 6)]
    many = table_of(lines)
    for column in COLUMNS:
        single = np.array([column.compute(table_of([line]))[0] for line in lines], object)
        pd.testing.assert_series_equal(
            pd.Series(single).infer_objects(),
            pd.Series(column.compute(many)).infer_objects(),
            check_dtype=False,
        )


def test_a_request_and_a_file_of_the_same_line_give_the_same_features(a_line, tmp_path):
    line = a_line(inspection=Inspection(Grade.B, datetime(2026, 11, 25, tzinfo=UTC), "emp:4", "SN-9"))
    asked = table_of([line])
    pd.DataFrame(dict(asked)).to_parquet(tmp_path / "returns.parquet")
    read = load(tmp_path, None, purpose="score").table
    asked = {**asked, **offline(asked)}
    for column in COLUMNS:
        assert str(column.compute(asked)[0]) == str(column.compute(read)[0]), column.name


def test_what_the_inspection_finds_is_hidden_from_tasks_asked_before_it(a_line):
    table = table_of([a_line(inspection=Inspection(Grade.B))])

    def names(task: str, *, inspected: bool) -> set[str]:
        return {column.name for column in columns_for(task, table, {}, inspected=inspected)}

    assert "grade" in names("disposition", inspected=True)
    assert "grade" not in names("disposition", inspected=False)
    assert "grade" not in names("condition", inspected=True)
    assert "grade" not in names("fraud", inspected=True)


def test_seasons_are_used_only_where_each_was_seen_twice(a_line):
    def names(years: int) -> set[str]:
        later = a_line(requested_at=datetime(2026 + years, 11, 21, tzinfo=UTC))
        return {column.name for column in columns_for("disposition", table_of([a_line(), later]), {})}

    assert "season_sin" not in names(1)
    assert "season_sin" in names(2)


def test_a_month_in_disguise_is_left_out_where_one_year_was_seen():
    table = {"attr_month": np.array(["Jan", "Feb"], object), "attr_make": np.array(["Honda", "Ford"], object)}
    kept = columns_for("fraud", table, {"month": "category", "make": "category"})
    assert [column.name for column in kept] == ["attr_make"]


def test_a_number_among_categories_is_written_as_the_file_writes_it(a_line):
    (column,) = named(["attr_age"], {"age": "category"})
    table = table_of([a_line(attributes=(("age", 12.0),)), a_line(attributes=(("age", "12"),))])
    assert column.compute(table).tolist() == ["12", "12"]


def test_text_where_a_number_was_declared_is_missing(a_line):
    (column,) = named(["attr_age"], {"age": "number"})
    assert np.isnan(column.compute(table_of([a_line(attributes=(("age", "old"),))]))[0])


def test_history_handed_in_stands_beside_the_request(a_line):
    table = table_of([a_line()], {name: [float(place)] for place, name in enumerate(HISTORY)})
    assert [table[name][0] for name in HISTORY] == list(map(float, range(len(HISTORY))))


def test_computed_numbers_are_those_that_the_columns_compute(a_line):
    table = table_of([a_line(), a_line(quantity=3)])
    shared = take(computed(table), np.array([1]))
    assert rows(shared) == 1
    names = [column.name for column in NUMBERS]
    assert shared[STACKED][0, names.index("quantity")] == 3.0
