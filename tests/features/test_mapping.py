"""Mapping files: any table becomes canonical columns, and every refusal names file, column and row."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.mapfile import read_mapping
from features.mapping import load
from features.returns import BadInputError

EXAMPLES = Path(__file__).parents[2] / "notebooks" / "mappings"

CLAIMS = pd.DataFrame(
    {
        "claim_no": [f"R{i}" for i in range(10)],
        "store": ["S1", "S2"] * 5,
        "when": [f"2026-01-{day:02d}" for day in range(1, 11)],
        "text": ["LED Light", "tea mug", "string of lanterns", "rope", None] * 2,
        "outcome": ["Fixed", "Gone", "Fixed", "Fixed", "Unknown"] * 2,
        "price": [10.5, 20, 30, 40, 50, 60, 70, 80, 90, 100],
        "owner": ["A", "B", "C", "D", "E", "A", "F", "G", "H", "I"],
        "code": ["0012", "0013"] * 5,
    }
)
MAPPING = """
rename: {claim_no: return_line_id, store: site, price: price_paid}
time: {event: when}
label: {column: outcome, map: {Fixed: REPAIR, Gone: RECYCLE}, drop: [Unknown]}
attributes: {text: text, code: category}
"""


def mapped(folder: Path, mapping: str, *, frame: pd.DataFrame = CLAIMS, purpose: str = "disposition"):
    frame.to_csv(folder / "claims.csv", index=False)
    (folder / "mapping.yaml").write_text("table: claims.csv\n" + mapping, encoding="utf-8")
    return load(None, folder / "mapping.yaml", purpose=purpose)


def test_columns_are_renamed_typed_and_kept_in_order(tmp_path):
    loaded = mapped(tmp_path, MAPPING)
    assert loaded.frame["return_line_id"].tolist() == [f"R{i}" for i in (0, 1, 2, 3, 5, 6, 7, 8)]
    assert loaded.table["price_paid"].dtype == np.float64
    assert loaded.table["requested_at"].dtype == "datetime64[us]"
    assert loaded.table["attr_code"][0] == "0012"
    assert loaded.y.tolist() == ["REPAIR", "RECYCLE", "REPAIR", "REPAIR"] * 2


def test_scoring_keeps_every_row_and_asks_for_no_label(tmp_path):
    loaded = mapped(tmp_path, MAPPING, purpose="score")
    assert len(loaded.frame) == len(CLAIMS)
    assert loaded.y is None
    unlabelled = mapped(tmp_path, MAPPING, frame=CLAIMS.drop(columns="outcome"), purpose="score")
    assert len(unlabelled.frame) == len(CLAIMS)


@pytest.mark.parametrize("name", ["claims.csv.gz", "claims.parquet"])
def test_other_formats_read_the_same(tmp_path, name):
    expected = mapped(tmp_path, MAPPING)
    write = CLAIMS.to_parquet if name.endswith("parquet") else CLAIMS.to_csv
    write(tmp_path / name, index=False)
    pd.testing.assert_frame_equal(
        load(tmp_path / name, tmp_path / "mapping.yaml", purpose="disposition").frame, expected.frame
    )


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("[{column: code, startswith: '0012'}]", 5),
        ("[{column: code, equals: '0012'}]", 5),
        ("[{column: store, in: [S1, S3]}]", 5),
        ("[{column: store, not_in: [S1]}]", 5),
        ("[{column: price, from: 30, until: 50}]", 2),
        ("[{column: when, from: 2026-01-03, until: 2026-01-06}]", 3),
        ("[{column: store, equals: S1}, {column: price, from: 80}]", 1),
    ],
)
def test_conditions_choose_rows(tmp_path, where, kept):
    assert len(mapped(tmp_path, MAPPING + f"where: {where}\n", purpose="score").frame) == kept


def test_the_first_keyword_that_occurs_names_a_derived_column(tmp_path):
    words = "{lighting: [light, lantern], kitchen: [mug]}"
    rule = f"derive: {{family: {{from: text, keywords: {words}, otherwise: other}}}}\n"
    families = mapped(tmp_path, MAPPING + rule, purpose="score").frame["family"].tolist()
    assert families == ["lighting", "kitchen", "lighting", "other", "other"] * 2


def test_a_constant_fills_its_column(tmp_path):
    assert set(mapped(tmp_path, MAPPING + "constants: {currency: USD, quantity: 1}\n").frame["currency"]) == {
        "USD"
    }


def test_one_value_may_be_the_positive_one(tmp_path):
    text = MAPPING.replace(
        "label: {column: outcome, map: {Fixed: REPAIR, Gone: RECYCLE}, drop: [Unknown]}", ""
    )
    for key in ("label", "fraud"):
        loaded = mapped(tmp_path, text + f"{key}: {{column: outcome, positive: Gone}}\n", purpose="fraud")
        assert loaded.y.tolist() == [0.0, 1.0, 0.0, 0.0, 0.0] * 2


@pytest.mark.parametrize(
    ("split", "tested"),
    [
        ('{test_from: "2026-01-08"}', ["R7", "R8"]),
        ("{test_fraction: 0.25}", ["R7", "R8"]),
        ("{test_fraction: 0.25, within: store}", ["R7", "R8"]),
        ("{column: store, test: [S2]}", ["R1", "R3", "R5", "R7"]),
    ],
)
def test_the_split_is_as_the_mapping_says(tmp_path, split, tested):
    loaded = mapped(tmp_path, MAPPING + f"split: {split}\n")
    assert loaded.frame["return_line_id"][loaded.split.test].tolist() == tested
    assert (loaded.split.train ^ loaded.split.test).all()


def test_an_owner_who_is_tested_is_not_trained_on(tmp_path):
    loaded = mapped(tmp_path, MAPPING + "groups: {customer: owner}\nsplit: {test_from: 2026-01-06}\n")
    owners = loaded.frame["customer_id"]
    assert set(owners[loaded.split.train]) == {"B", "C", "D"}


def test_counts_are_absolute_and_sales_stand_beside_them(tmp_path):
    frame = pd.DataFrame(
        {
            "id": ["C1", "2", "3"],
            "q": [-2, 5, 7],
            "t": ["2026-01-03", "2026-01-01", "2026-01-02"],
            "region": "EU",
        }
    )
    mapping = """
where: [{column: id, startswith: C}]
time: {event: t}
constants: {family: toys}
count: q
sales: {where: [{column: q, from: 1}], quantity: q}
"""
    loaded = mapped(tmp_path, mapping, frame=frame, purpose="volume")
    assert loaded.counts.tolist() == [2.0]
    assert loaded.sales["quantity"].tolist() == [5.0, 7.0]
    assert loaded.sales.columns.tolist() == ["region", "family", "sold_at", "quantity"]


def test_an_attribute_may_bear_a_canonical_name(tmp_path):
    frame = CLAIMS.assign(reason="broke while dancing")
    loaded = mapped(tmp_path, MAPPING.replace("{text:", "{reason: text, text:"), frame=frame)
    assert loaded.frame["attr_reason"][0] == "broke while dancing"
    assert "reason" not in loaded.frame


def broken(**columns) -> pd.DataFrame:
    frame = CLAIMS.astype(object)
    for name, value in columns.items():
        frame.loc[3, name] = value
    return frame


@pytest.mark.parametrize(
    ("frame", "mapping", "sentence"),
    [
        (CLAIMS.drop(columns="store"), MAPPING, r"claims\.csv: column 'store', row 1"),
        (broken(when="someday"), MAPPING, r"claims\.csv: column 'when', row 4: 'someday' is not a date"),
        (broken(price="dear"), MAPPING, r"claims\.csv: column 'price', row 4: 'dear' is not a number"),
        (broken(price="inf"), MAPPING, r"claims\.csv: column 'price', row 4: .* not a finite number"),
        (broken(outcome="Lost"), MAPPING, r"claims\.csv: column 'outcome', row 4: label 'Lost'"),
        (broken(claim_no="R0"), MAPPING, r"claims\.csv: column 'return_line_id', row 4: 'R0' occurs twice"),
        (broken(claim_no=None), MAPPING, r"claims\.csv: column 'return_line_id', row 4: the id is missing"),
        (
            CLAIMS.assign(reason="BROKE"),
            MAPPING,
            r"claims\.csv: column 'reason', row 1: 'BROKE' is no reason code",
        ),
        (CLAIMS.assign(opened="maybe"), MAPPING, r"claims\.csv: column 'opened', row 1: 'maybe' is neither"),
        (
            CLAIMS.assign(outcome="Fixed"),
            MAPPING,
            r"claims\.csv: column 'outcome', row 1: every label is the same",
        ),
        (CLAIMS.iloc[:0], MAPPING, r"claims\.csv: the table has no rows"),
        (CLAIMS, MAPPING + "where: [{column: store, equals: S9}]\n", r"claims\.csv: no row is left"),
        (CLAIMS, MAPPING + "lable: {}\n", r"mapping\.yaml: lable"),
        (CLAIMS, MAPPING + "where: [{column: store, equal: S1}]\n", r"mapping\.yaml: where\.0\.equal"),
        (CLAIMS, MAPPING + "split: {test_fraction: 2}\n", r"mapping\.yaml: split\.test_fraction"),
        (CLAIMS, MAPPING + "split: {within: store}\n", "mapping file: split"),
        (CLAIMS, MAPPING.replace("store: site", "store: shop"), "'shop' is no canonical column"),
        (CLAIMS, MAPPING.replace("time: {event: when}", ""), "split by time needs `time.event`"),
        (CLAIMS, MAPPING + "constants: {colour: red}\n", "'colour' is neither a canonical column nor"),
        (CLAIMS, "[", r"mapping\.yaml: is not YAML"),
    ],
)
def test_a_refusal_names_its_place(tmp_path, frame, mapping, sentence):
    with pytest.raises(BadInputError, match=sentence):
        mapped(tmp_path, mapping, frame=frame)


def test_rows_are_counted_in_the_file_even_after_a_filter(tmp_path):
    with pytest.raises(BadInputError, match=r"column 'price', row 4"):
        mapped(tmp_path, MAPPING + "where: [{column: store, equals: S2}]\n", frame=broken(price="dear"))


@pytest.mark.parametrize("name", ["nowhere.csv", "claims.xlsx"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path, name):
    (tmp_path / "claims.xlsx").write_text("x")
    with pytest.raises(BadInputError, match=name):
        load(tmp_path / name, None, purpose="score")


def test_a_parquet_file_that_is_none_is_refused(tmp_path):
    (tmp_path / "claims.parquet").write_text("not parquet")
    with pytest.raises(BadInputError, match=r"claims\.parquet: cannot be read"):
        load(tmp_path / "claims.parquet", None, purpose="score")


def test_without_data_and_table_there_is_nothing_to_read():
    with pytest.raises(BadInputError, match="no table to read"):
        load(None, None, purpose="score")


@pytest.mark.parametrize("name", ["openrepair", "vehicle_claims", "online_retail"])
def test_the_example_mappings_are_valid(name):
    assert read_mapping(EXAMPLES / f"{name}.yaml").table


def test_a_line_without_an_id_is_named_by_its_row(tmp_path):
    loaded = mapped(tmp_path, MAPPING.replace("claim_no: return_line_id, ", ""), purpose="score")
    assert loaded.frame["return_line_id"].tolist() == [str(row) for row in range(1, 11)]
