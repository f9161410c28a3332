"""Who trains and who tests: nothing that was not known by then, and nothing of one row in both."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.returns import BadInputError
from training.datasets import digest, read
from training.simulator.world import simulate, write

START = datetime(2023, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small world on disk."""
    folder = tmp_path_factory.mktemp("world")
    write(simulate(returns=800, rng=np.random.default_rng(2), start=START), folder, seed=2)
    return folder


def test_the_latest_fifth_tests(world: Path):
    """Every test row was asked for after every training row."""
    dataset = read("disposition", data=world, mapping=None)
    assert len(dataset.test.y) == 160
    assert dataset.train.table["requested_at"].max() < dataset.test.table["requested_at"].min()


@pytest.mark.parametrize(("task", "known"), [("disposition", "label_known_at"), ("fraud", "fraud_known_at")])
def test_no_training_label_became_known_in_the_test_period(world: Path, task: str, known: str):
    """On the first test day, every training label had been known."""
    dataset = read(task, data=world, mapping=None)
    assert dataset.train.table[known].max() <= dataset.test.table["requested_at"].min()


def test_what_became_known_after_the_date_is_not_used(world: Path):
    """With --as-of, no row was asked for or labelled later, and the latest fifth of the rest tests."""
    moment = datetime(2025, 6, 1, tzinfo=UTC)
    dataset = read("fraud", data=world, mapping=None, as_of=moment)
    limit = np.datetime64(moment.replace(tzinfo=None), "us")
    for rows in (dataset.train, dataset.test):
        assert rows.table["requested_at"].max() <= limit
        assert rows.table["fraud_known_at"].max() <= limit
    assert len(dataset.test.y) > 30


def test_a_date_before_all_labels_is_refused(world: Path):
    """There is nothing to learn before the first return."""
    with pytest.raises(BadInputError, match="later --as-of"):
        read("fraud", data=world, mapping=None, as_of=datetime(2023, 11, 2, tzinfo=UTC))


def test_the_truth_lies_beside_its_rows(world: Path):
    """Exact predictions come in the order of the rows, whatever the split."""
    dataset = read("fraud", data=world, mapping=None)
    assert dataset.test.truth is not None
    assert dataset.test.truth.index.tolist() == dataset.test.table["return_line_id"].tolist()


def test_the_digest_changes_with_a_single_cell(world: Path, tmp_path: Path):
    """Two tables that differ have two digests; the same bytes have one."""
    frame = pd.read_parquet(world / "returns.parquet")
    frame.to_parquet(tmp_path / "a.parquet")
    frame.assign(recovered=frame["recovered"] + 0.01).to_parquet(tmp_path / "b.parquet")
    assert digest(tmp_path / "a.parquet", None) == digest(tmp_path / "a.parquet", None)
    assert digest(tmp_path / "a.parquet", None) != digest(tmp_path / "b.parquet", None)
