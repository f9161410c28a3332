"""Drift is measured against a snapshot without rows: what moved is flagged, what chance moves is not."""

import json

import numpy as np
import pytest
from scipy import stats

from models import workload
from models.drift import Shape, Snapshot
from models.drift.shapes import KS_LIMIT, PSI_LIMIT
from models.drift.snapshot import gain_of, inputs_of, snapshot_of
from tests.models.conftest import QUICK, draw


def drift_of(before, after):
    kind = Shape.of_categories if before.dtype == object else Shape.of_numbers
    shape = kind(before)
    return shape.drift(shape.counts(after))


def test_ks_from_the_bins_is_scipys_within_two_hundredths(rng):
    before, after = rng.normal(size=4000), rng.normal(0.3, 1.2, size=900)
    exact = stats.ks_2samp(before, after).statistic
    assert drift_of(before, after).ks == pytest.approx(exact, abs=0.02)


def test_psi_of_two_halves_is_worked_out_by_hand():
    """Half and half against nine to one: (0.9 - 0.5) ln(0.9 / 0.5) + (0.1 - 0.5) ln(0.1 / 0.5)."""
    before = np.array(["a", "b"] * 5000, object)
    after = np.array(["a"] * 9000 + ["b"] * 1000, object)
    by_hand = 0.4 * np.log(1.8) - 0.4 * np.log(0.2)
    assert drift_of(before, after).psi == pytest.approx(by_hand, rel=0.01)


def test_unmoved_columns_stay_below_what_chance_allows(rng):
    """Of 1,000 samples about one may pass; none is flagged, and of few rows neither."""
    shape = Shape.of_numbers(rng.lognormal(size=5000))
    found = [shape.drift(shape.counts(rng.lognormal(size=300))) for _ in range(1000)]
    assert sum(one.psi > one.psi_chance for one in found) <= 10
    assert sum(one.ks > one.ks_chance for one in found) <= 10
    few = [shape.drift(shape.counts(rng.lognormal(size=40))) for _ in range(1000)]
    assert not any(one.moved for one in (*found, *few))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (np.repeat([0.0, 1.0], [900, 100]), np.repeat([0.0, 1.0], [500, 500])),
        (np.full(500, 3.0), np.full(300, 2.0)),
        (np.full(500, 3.0), np.full(300, 4.0)),
        (np.linspace(0, 1, 500), np.linspace(5, 6, 300)),
        (np.linspace(0, 1, 500), np.full(300, np.nan)),
        (np.array(["a", "b"] * 300, object), np.array(["a", "new"] * 300, object)),
        (np.array(["a", "b"] * 300, object), np.array(["a", None] * 300, object)),
    ],
    ids=["flag", "below a constant", "above a constant", "out of range", "missing", "new value", "no value"],
)
def test_a_column_that_moved_is_flagged(before, after):
    assert drift_of(before, after).moved
    assert not drift_of(before, before[::3]).moved


def test_a_small_shift_of_many_rows_is_measured_and_not_flagged(rng):
    """It is certain, and too small to matter: the limits are about size, not about significance."""
    found = drift_of(rng.normal(size=50_000), rng.normal(0.1, size=50_000))
    assert found.ks > found.ks_chance
    assert found.psi < PSI_LIMIT
    assert found.ks < KS_LIMIT
    assert not found.moved


def test_counts_of_batches_add_up_to_the_counts_of_the_whole(rng):
    values = rng.normal(size=1000)
    shape = Shape.of_numbers(values)
    parts = sum(shape.counts(part) for part in np.array_split(values, 7))
    assert (parts == shape.counts(values)).all()


@pytest.fixture(scope="module")
def fitted():
    """The model that fits quickest, with the rows it saw and the later ones."""
    whole = draw(np.random.default_rng(3), 3000)
    before = {name: values[:2000] for name, values in whole.items()}
    after = {name: values[2000:] for name, values in whole.items()}
    model = workload.fit(before, before["minutes"], rng=np.random.default_rng(11), params=QUICK)
    return model, before, after


def snapshot(fitted):
    model, before, after = fitted
    said = model.predict(after)
    return snapshot_of(
        model, "workload", trained=before, judged=after, scores={"p50": said.p50, "p90": said.p90}
    )


def test_a_snapshot_read_back_finds_the_same_drift(fitted, tmp_path):
    model, _, after = fitted
    taken = snapshot(fitted)
    taken.save(tmp_path)
    read = Snapshot.load(tmp_path)
    inputs = inputs_of(model, after)
    scores = {"p50": model.predict(after).p50}
    assert read == taken
    assert read.drift(read.counts(inputs, scores)) == taken.drift(taken.counts(inputs, scores))


def test_a_folder_without_a_snapshot_has_none(tmp_path):
    assert Snapshot.load(tmp_path) is None


def test_later_rows_of_the_same_world_have_not_moved_and_dearer_ones_have(fitted):
    model, _, after = fitted
    taken = snapshot(fitted)

    def moved(table):
        said = model.predict(table)
        found = taken.drift(taken.counts(inputs_of(model, table), {"p50": said.p50, "p90": said.p90}))
        return {name for one in found.values() for name, drift in one.items() if drift.moved}

    assert moved(after) == set()
    assert "price_paid" in moved({**after, "price_paid": after["price_paid"] * 2})
    other = {**after, "family": np.full(len(after["family"]), "electronics", object)}
    assert {"family", "p50"} <= moved(other)


def test_the_gain_says_what_a_model_leans_on(fitted):
    """Minutes follow from the family alone."""
    gain = gain_of(fitted[0])
    assert max(gain, key=gain.get) == "family"
    assert sum(gain.values()) == pytest.approx(1, abs=1e-4)


def test_a_snapshot_holds_no_row(fitted, tmp_path):
    """Shares of bins and edges at fiftieths: no identifier and no free text."""
    snapshot(fitted).save(tmp_path)
    saved = json.loads((tmp_path / "snapshot.json").read_text())
    assert "return_line_id" not in saved["features"]
    assert all(len(shape.get("edges", [])) <= 51 for shape in saved["features"].values())
