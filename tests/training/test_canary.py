"""The canary sings when a feature knows the future, and only then."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from features.columns import COLUMNS, Column
from features.history import offline
from features.table import Table, number, objects
from training.datasets import read
from training.evidence import canary
from training.evidence.canary import changed_features, usual_moment
from training.simulator.world import simulate, write


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """Inspected lines of a small world."""
    folder = tmp_path_factory.mktemp("world")
    start = datetime(2023, 11, 1, tzinfo=UTC)
    write(simulate(returns=1200, rng=np.random.default_rng(6), start=start), folder, seed=6)
    return read("condition", data=folder, mapping=None).train.table


def test_no_declared_feature_knows_the_future(table: Table):
    """Whatever comes after a moment, the features of what was asked before it stay as they are."""
    assert changed_features(COLUMNS, table, at=usual_moment(table)) == ()


@pytest.mark.parametrize("label", ["disposition", "recovered", "minutes", "fraud", "grade"])
def test_a_label_among_the_features_is_found(table: Table, label: str):
    """A column that reads what became of the line itself changes with the future."""
    kind = "number" if label in {"recovered", "minutes"} else "category"
    read_it = number if kind == "number" else objects
    leaky = Column("leaky", kind, (label,), lambda table: read_it(table, label))
    assert changed_features((*COLUMNS, leaky), table, at=usual_moment(table)) == ("leaky",)


def test_a_history_that_counts_later_returns_is_found(table: Table, monkeypatch: pytest.MonkeyPatch):
    """Were a customer's returns counted over the whole table, the canary would name the feature."""

    def counted(table: Table) -> dict[str, np.ndarray]:
        customers = objects(table, "customer_id").astype(str)
        _, place, count = np.unique(customers, return_inverse=True, return_counts=True)
        return {**offline(table), "customer_count_365d": count[place].astype(float)}

    monkeypatch.setattr(canary, "offline", counted)
    assert changed_features(COLUMNS, table, at=usual_moment(table)) == ("customer_count_365d",)
