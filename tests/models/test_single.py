"""One row through LightGBM's quick way is the row through its interface, to the last bit."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest

from models.single import SingleRow


@pytest.mark.parametrize("objective", [{"objective": "binary"}, {"objective": "multiclass", "num_class": 4}])
def test_one_row_is_scored_to_the_last_bit_as_by_the_interface(objective: dict[str, object]) -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(300, 6)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    labels = rng.integers(0, 2 if objective["objective"] == "binary" else 4, 300)
    settings = {**objective, "num_leaves": 7, "verbose": -1, "num_threads": 1, "min_data_in_leaf": 5}
    booster = lightgbm.train(settings, lightgbm.Dataset(rows, labels), 20)
    score = SingleRow(booster)

    for row in rows[:50]:
        told = booster.predict(row[None, :], raw_score=True, num_threads=1)
        np.testing.assert_array_equal(score(row), np.ravel(told))
