"""The ranker learns which readings are right, and is the same after saving."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from features.documents.candidates import FEATURES
from features.documents.document import Proposal
from features.returns import BadInputError
from models.fields import FieldRanker, fit, load

SQUARE = ((0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0))


def a_reading(features: tuple[float, ...], *, method: str = "right", score: float = 0.5) -> Proposal:
    return Proposal(
        name="item",
        label="Item",
        raw="A1",
        value="A1",
        type="identifier",
        currency=None,
        parsed=True,
        page=1,
        polygon=SQUARE,
        method=method,
        confidence=1.0,
        score=score,
        features=features,
    )


def readings(count: int) -> tuple[list[Proposal], list[bool], list[int]]:
    """Return readings that are right exactly where the first feature is high."""
    rng = np.random.default_rng(4)
    numbers = rng.uniform(size=(count, len(FEATURES)))
    found = [a_reading(tuple(row)) for row in numbers.tolist()]
    return found, (numbers[:, 0] > 0.5).tolist(), [number // 10 for number in range(count)]


@pytest.fixture(scope="module")
def ranker() -> FieldRanker:
    found, right, documents = readings(600)
    return fit(found, right, documents=documents, rng=np.random.default_rng(1))


def test_right_readings_are_believed_more_than_wrong_ones(ranker: FieldRanker):
    found, right, _ = readings(200)
    beliefs = np.array(ranker(found))
    assert beliefs[np.array(right)].mean() > 0.8
    assert beliefs[~np.array(right)].mean() < 0.2


def test_a_saved_ranker_gives_the_same_probabilities(ranker: FieldRanker, tmp_path: Path):
    ranker.save(tmp_path)
    again = load(tmp_path)
    found, _, _ = readings(50)
    assert again(found) == ranker(found)
    assert again.digest == ranker.digest


def test_a_ranker_for_other_features_is_refused(ranker: FieldRanker, tmp_path: Path):
    ranker.save(tmp_path)
    model = tmp_path / "model.json"
    model.write_text(model.read_text().replace('"match"', '"mismatch"'))
    with pytest.raises(BadInputError, match="train it again"):
        load(tmp_path)


def test_a_reading_told_by_place_keeps_what_the_rules_think(ranker: FieldRanker):
    assert ranker([a_reading((0.0,) * len(FEATURES), method="layout", score=0.7)]) == [pytest.approx(0.7)]


def test_no_readings_get_no_probabilities(ranker: FieldRanker):
    assert ranker([]) == []
