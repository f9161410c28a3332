"""Bad input is trained on where it can be, else refused with a sentence; it never gives a wrong number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.returns import BadInputError
from models import workload
from training.answers import answers
from training.datasets import read
from training.simulator.world import simulate
from training.train import fit

START = datetime(2023, 11, 1, tzinfo=UTC)
QUICK = replace(workload.PARAMS, max_rounds=30)
FUTURE = pd.Timestamp("2199-01-01", tz="UTC")
Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture(scope="module")
def returns() -> pd.DataFrame:
    """The returns of a small world."""
    return simulate(returns=1500, rng=np.random.default_rng(8), start=START).returns


def minutes_of(frame: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Train on a table as it is, and answer its test rows."""
    frame.to_parquet(folder / "table.parquet")
    dataset = read("workload", data=folder / "table.parquet", mapping=None)
    model = fit("workload", dataset.train, attributes={}, params=QUICK, seed=0)
    return answers("workload", model, dataset.test.table)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda t: t.assign(family="apparel", price_paid=10.0), id="constant columns"),
        pytest.param(lambda t: t.assign(customer_id=None, sku=None, supplier_id=None), id="no history"),
        pytest.param(lambda t: t.assign(site=None, reason=None), id="nothing known of places and reasons"),
        pytest.param(lambda t: t.drop(columns=["customer_note", "channel"]), id="columns that are not there"),
    ],
)
def test_what_says_nothing_is_trained_without(returns: pd.DataFrame, change: Change, tmp_path: Path):
    """Columns without information leave a model with the others; its answers stay sound."""
    said = minutes_of(change(returns), tmp_path)
    assert np.isfinite(said.to_numpy()).all()
    assert (said["p50"] <= said["p90"]).all()


def test_a_request_from_the_future_teaches_nothing(returns: pd.DataFrame, tmp_path: Path):
    """A row of the year 2199 is tested like any late row; no row of training stands in its year."""
    late = returns.assign(requested_at=returns["requested_at"].where(returns.index != 700, FUTURE))
    late.to_parquet(tmp_path / "table.parquet")
    dataset = read("workload", data=tmp_path / "table.parquet", mapping=None)
    assert np.datetime64(FUTURE.tz_localize(None), "us") not in dataset.train.table["requested_at"]


def test_a_label_that_becomes_known_in_the_future_is_not_learned(returns: pd.DataFrame, tmp_path: Path):
    """Where no label was known in time there is nothing to train on, and that is said."""
    returns.assign(label_known_at=FUTURE).to_parquet(tmp_path / "table.parquet")
    with pytest.raises(BadInputError, match=r"table\.parquet: no labelled rows are left"):
        read("workload", data=tmp_path / "table.parquet", mapping=None)


def test_a_category_that_training_never_met_is_answered_and_marked(returns: pd.DataFrame, tmp_path: Path):
    """An unknown family or site gets finite minutes and is outside the model's domain."""
    returns.to_parquet(tmp_path / "table.parquet")
    dataset = read("workload", data=tmp_path / "table.parquet", mapping=None)
    model = fit("workload", dataset.train, attributes={}, params=QUICK, seed=0)
    strange = {**dataset.test.table, "family": np.full(len(dataset.test.y), "submarines", object)}
    assert np.isfinite(answers("workload", model, strange).to_numpy()).all()
    assert not model.in_domain(strange).any()


@pytest.mark.parametrize(
    ("change", "task", "said"),
    [
        (lambda t: pd.concat([t, t.iloc[[7]]]), "recovery", r"column 'return_line_id', row 1501: .* twice"),
        (lambda t: t.assign(grade="A"), "condition", r"column 'grade', row \d+: every label is the same"),
        (lambda t: t.assign(fraud=False), "fraud", r"column 'fraud', row \d+: every label is the same"),
        (
            lambda t: t.drop(columns="minutes"),
            "workload",
            r"column 'minutes', row 1: there is no such column",
        ),
        (lambda t: t.drop(columns="requested_at"), "workload", r"a split by time needs"),
        (
            lambda t: t.assign(price_paid=np.inf),
            "workload",
            r"column 'price_paid', row \d+: 'inf' is not a fin",
        ),
        (lambda t: t.assign(minutes=None), "workload", r"no row is left"),
        (lambda t: t.iloc[:0], "workload", r"the table has no rows"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(
    returns: pd.DataFrame, change: Change, task: str, said: str, tmp_path: Path
):
    """One sentence that names the file and, where there is one, the column and the row."""
    change(returns).to_parquet(tmp_path / "table.parquet")
    with pytest.raises(BadInputError, match=rf"table\.parquet: {said}"):
        read(task, data=tmp_path / "table.parquet", mapping=None)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", b""),
        ("header.csv", b"minutes,site\n"),
        ("latin.csv", "minutes,site\n1,Zürich\n".encode("latin-1")),
        ("no.parquet", b"hello"),
        ("no.csv.gz", b"hello"),
        ("table.xlsx", b"hello"),
    ],
)
def test_what_is_no_table_is_refused_by_its_name(name: str, content: bytes, tmp_path: Path):
    """Empty, of another encoding, or of another kind."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInputError, match=name):
        read("workload", data=tmp_path / name, mapping=None)
