"""Disposition and condition: honest probabilities, sets that cover, views for each moment, exact reloads."""

import json

import lightgbm
import numpy as np
import pytest

from features.encoding import Encoder
from features.returns import BadInputError
from features.table import take
from models import boosting, condition, disposition
from models.calibration import fit_scaling


def without(table, *names: str):
    return {name: values for name, values in table.items() if name not in names}


@pytest.fixture
def fitted(world, quick):
    train, later = world()
    return disposition.fit(train, train["disposition"], rng=np.random.default_rng(1), params=quick), later


def test_probabilities_sum_to_one_over_every_class(fitted):
    model, later = fitted
    prediction = model.predict(later)
    assert prediction.classes == ("LIQUIDATE", "RECYCLE", "RESTOCK")
    np.testing.assert_allclose(prediction.probabilities.sum(axis=1), 1.0)


def test_it_beats_the_most_frequent_class(fitted):
    model, later = fitted
    truth = later["disposition"]
    majority = max((truth == name).mean() for name in model.classes)
    assert (model.predict(without(later, "grade")).likely == truth).mean() > majority + 0.2


def test_probabilities_mean_what_they_say(fitted):
    model, later = fitted
    prediction = model.predict(without(later, "grade"))
    for place, name in enumerate(prediction.classes):
        assert prediction.probabilities[:, place].mean() == pytest.approx(
            (later["disposition"] == name).mean(), abs=0.05
        )


def test_sets_cover_each_class_in_about_nine_of_ten(fitted):
    model, later = fitted
    prediction = model.predict(without(later, "grade"))
    for place, name in enumerate(prediction.classes):
        assert prediction.sets[later["disposition"] == name, place].mean() > 0.8


def test_the_grade_sharpens_what_is_known(fitted):
    model, later = fitted
    before, after = model.predict(without(later, "grade")), model.predict(later)
    assert (after.likely == later["disposition"]).mean() > (before.likely == later["disposition"]).mean()


def test_inspected_and_uninspected_lines_may_be_mixed(fitted):
    model, later = fitted
    mixed = {**later, "grade": np.where(np.arange(len(later["grade"])) % 2, later["grade"], None)}
    together = model.predict(mixed)
    for row in range(6):
        alone = model.predict(take(mixed, np.array([row])))
        np.testing.assert_array_equal(alone.probabilities[0], together.probabilities[row])
        np.testing.assert_array_equal(alone.sets[0], together.sets[row])


def test_a_model_read_back_predicts_the_same_to_the_last_bit(fitted, tmp_path):
    model, later = fitted
    model.save(tmp_path)
    again = disposition.load(tmp_path)
    np.testing.assert_array_equal(again.predict(later).probabilities, model.predict(later).probabilities)
    assert again.digest == model.digest
    assert not list(tmp_path.glob("*.pkl"))


def test_the_same_data_seed_and_code_give_the_same_model(world, quick, fitted):
    model, later = fitted
    train, _ = world()
    again = disposition.fit(train, train["disposition"], rng=np.random.default_rng(1), params=quick)
    assert again.digest == model.digest
    np.testing.assert_array_equal(again.predict(later).probabilities, model.predict(later).probabilities)


def test_a_tampered_model_is_refused(fitted, tmp_path):
    model, _ = fitted
    model.save(tmp_path)
    saved = json.loads((tmp_path / "model.json").read_text())
    saved["numbers"]["calibration"]["intake"]["scaling"]["temperature"] *= 2
    (tmp_path / "model.json").write_text(json.dumps(saved))
    with pytest.raises(BadInputError, match="differ from what was saved"):
        disposition.load(tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(BadInputError, match=r"no model\.json"):
        disposition.load(tmp_path)


def test_a_model_of_another_task_is_refused(fitted, tmp_path):
    model, _ = fitted
    model.save(tmp_path)
    with pytest.raises(BadInputError, match="no condition model"):
        condition.load(tmp_path)


def test_a_strange_family_is_outside_the_domain(fitted):
    model, later = fitted
    assert model.in_domain(later).mean() > 0.95
    strange = {**later, "family": np.full(len(later["family"]), "submarines", object)}
    assert not model.in_domain(strange).any()


def test_the_condition_is_foretold_without_looking_at_it(world, quick):
    train, later = world()
    model = condition.fit(train, train["grade"], rng=np.random.default_rng(1), params=quick)
    assert "grade" not in model.bundle.views["intake"].encoder.names
    assert (model.predict(later).likely == later["grade"]).mean() > 0.75


def test_rows_without_a_label_teach_nothing(world, quick):
    train, later = world()
    some = np.where(np.arange(len(train["disposition"])) < 1500, train["disposition"], None)
    part = take(train, np.arange(1500))
    first = disposition.fit(train, some, rng=np.random.default_rng(1), params=quick)
    second = disposition.fit(part, part["disposition"], rng=np.random.default_rng(1), params=quick)
    np.testing.assert_array_equal(first.predict(later).probabilities, second.predict(later).probabilities)


def test_too_few_rows_are_refused(world, quick):
    train, _ = world()
    few = take(train, np.arange(10))
    with pytest.raises(BadInputError, match="too few"):
        disposition.fit(few, few["disposition"], rng=np.random.default_rng(1), params=quick)


def test_no_rows_give_no_predictions(fitted):
    model, later = fitted
    assert model.predict(take(later, np.arange(0))).probabilities.shape == (0, 3)


def test_every_one_of_many_rows_is_learned_from_and_later_ones_are_judged_by_trees_that_had_not_seen_them(
    world, quick, monkeypatch
):
    train, later = world()
    monkeypatch.setattr(boosting, "MANY_ROWS", 1000)
    judged, learned = [], []
    grow = lightgbm.train
    monkeypatch.setattr(
        disposition, "fit_scaling", lambda raw, own: judged.append(raw) or fit_scaling(raw, own)
    )
    monkeypatch.setattr(
        lightgbm,
        "train",
        lambda params, data, *rest, **more: learned.append(data.label) or grow(params, data, *rest, **more),
    )
    model = disposition.fit(train, train["disposition"], rng=np.random.default_rng(1), params=quick)
    view, codes = (
        model.bundle.views[disposition.INTAKE],
        np.unique(train["disposition"], return_inverse=True)[1],
    )
    order = np.argsort(train["requested_at"], kind="stable")
    parts = [order[int(len(order) * boosting.LATER_SLICE) :][part::2] for part in range(2)]
    scores = np.array_split(judged[0], 2)
    for booster, raw, part, seen in zip(view.boosters["classes"], scores, parts, learned, strict=False):
        np.testing.assert_array_equal(np.delete(codes, part), seen)
        np.testing.assert_allclose(booster.predict(view.matrix(take(train, part)), raw_score=True), raw)
    assert (model.predict(later).likely == later["disposition"]).mean() > 0.75


def test_a_request_is_encoded_once_for_its_prediction_and_its_domain(fitted, monkeypatch):
    model, later = fitted
    request, encoded = take(later, np.array([3])), []
    original = Encoder.matrix
    monkeypatch.setattr(Encoder, "matrix", lambda self, table: encoded.append(table) or original(self, table))
    assert model.in_domain(request).shape == model.predict(request).likely.shape
    assert len(encoded) == 1
