"""The encoder: the same matrix from one row, from many and after a reload; strangers are told."""

import json

import numpy as np
import pytest

from features.columns import columns_for, computed, table_of
from features.encoding import Encoder
from features.returns import Money
from features.table import take

ATTRIBUTES = {"brand": "category", "age": "number", "problem": "text"}
WORDS = {
    0: "motor dead smoke burnt smell",
    1: "button loose lid scratched cover",
    2: "kaputt läuft nicht an Kabel",
}


def a_table(rng: np.random.Generator, n: int = 300):
    kind = rng.integers(3, size=n)
    problems = [
        " ".join(rng.permutation(WORDS[k].split())) if k or i % 5 else None for i, k in enumerate(kind)
    ]
    table = {
        "attr_brand": np.array([f"brand{k}" for k in kind], object),
        "attr_age": rng.uniform(0, 20, n),
        "attr_problem": np.array(problems, object),
    }
    return table, np.eye(3)[kind]


def fitted(rng: np.random.Generator):
    table, targets = a_table(rng)
    encoder, matrix = Encoder.fit(columns_for("disposition", table, ATTRIBUTES), table, targets, rng=rng)
    return encoder, matrix, table


def test_an_encoder_read_back_gives_the_same_matrix_to_the_last_bit(rng):
    encoder, _, table = fitted(rng)
    saved = json.loads(json.dumps(encoder.to_json()))
    again = Encoder.from_json(saved, encoder.arrays())
    np.testing.assert_array_equal(again.matrix(table), encoder.matrix(table))
    assert again.digest == encoder.digest


def test_each_row_is_encoded_as_it_is_among_others(rng):
    encoder, _, table = fitted(rng)
    single = np.concatenate([encoder.matrix(take(table, np.array([row]))) for row in range(20)])
    np.testing.assert_array_equal(single, encoder.matrix(take(table, np.arange(20))))


def test_what_was_never_seen_is_missing(rng):
    encoder, _, table = fitted(rng)
    odd = {**take(table, np.array([0])), "attr_brand": np.array(["unheard of"], object)}
    assert np.isnan(encoder.matrix(odd)[0, encoder.names.index("attr_brand")])


def test_a_table_without_a_column_gives_missing_values(rng):
    encoder, _, table = fitted(rng)
    matrix = encoder.matrix({"attr_age": table["attr_age"]})
    assert np.isnan(matrix[:, [name != "attr_age" for name in encoder.names]]).all()


def test_training_texts_are_scored_by_models_that_did_not_see_them(rng):
    encoder, matrix, table = fitted(rng)
    text = [place for place, name in enumerate(encoder.names) if name.startswith("attr_problem")]
    given = ~np.isnan(matrix[:, text[0]])
    assert (matrix[given][:, text] != encoder.matrix(table)[given][:, text]).any()


def test_words_point_to_the_outcome_that_they_came_with(rng):
    encoder, _, _ = fitted(rng)
    asked = {"attr_problem": np.array(["Kabel kaputt", "smoke and a burnt smell", "scratched lid"], object)}
    text = [place for place, name in enumerate(encoder.names) if name.startswith("attr_problem")]
    assert encoder.matrix(asked)[:, text].argmax(axis=1).tolist() == [2, 0, 1]


def test_a_text_column_without_frequent_words_is_left_out(rng):
    table = {"attr_problem": np.array([f"x{i}" for i in range(8)], object), "attr_age": np.arange(8.0)}
    columns = columns_for("fraud", table, ATTRIBUTES)
    encoder, _ = Encoder.fit(columns, table, np.eye(2)[[0, 1] * 4], rng=rng)
    assert encoder.names == ("attr_age",)


@pytest.mark.parametrize(
    ("name", "strange"), [("attr_brand", np.array(["unheard of"], object)), ("attr_age", np.array([900.0]))]
)
def test_a_stranger_is_outside_the_domain(rng, name, strange):
    encoder, _, table = fitted(rng)
    row = take(table, np.array([1]))
    odd = {**row, name: strange}
    assert encoder.in_domain(row, encoder.matrix(row)).all()
    assert not encoder.in_domain(odd, encoder.matrix(odd)).any()


def test_a_missing_value_is_no_stranger(rng):
    encoder, _, table = fitted(rng)
    bare = {"attr_age": table["attr_age"][:3]}
    assert encoder.in_domain(bare, encoder.matrix(bare)).all()


def test_the_snapshot_tells_quantiles_and_missing_share(rng):
    encoder, _, table = fitted(rng)
    shot = encoder.snapshots[encoder.names.index("attr_age")]
    assert shot.quantiles[5] == pytest.approx(float(np.median(table["attr_age"])), rel=1e-5)
    assert shot.missing == 0.0


def test_other_training_rows_make_another_digest(rng):
    first, _, _ = fitted(rng)
    second, _, _ = fitted(rng)
    assert first.digest != second.digest


def test_columns_computed_beforehand_change_nothing(a_line, rng):
    lines = table_of([a_line(quantity=n, credit_requested=Money(n * 100, "USD")) for n in range(1, 40)])
    columns = columns_for("fraud", lines, {})
    encoder, _ = Encoder.fit(columns, lines, np.eye(2)[np.arange(39) % 2], rng=rng)
    shared = computed(lines)
    np.testing.assert_array_equal(encoder.matrix(lines), encoder.matrix(shared))
    for row in ([0], [38]):  # a service asks about one line
        np.testing.assert_array_equal(encoder.matrix(take(lines, row)), encoder.matrix(take(shared, row)))
