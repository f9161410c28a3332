"""The ranker learns which readings are right, and is the same after saving."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from features.documents.document import Proposal
from features.documents.readings.candidates import FEATURES
from features.documents.readings.labels import OWN_LABEL
from features.returns import BadInputError
from models.fields import FieldRanker, cases_of, chosen_of, fit, load

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
    sheaves = [
        ([reading], [known], f"layout {document % 8}")
        for reading, known, document in zip(found, right, documents, strict=True)
    ]
    return fit(cases_of(sheaves), rng=np.random.default_rng(1))


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


def test_a_name_told_by_place_keeps_what_the_rules_think(ranker: FieldRanker):
    name = replace(a_reading((0.0,) * len(FEATURES), method="layout", score=0.4), type="text")
    assert ranker([name]) == [pytest.approx(0.4)]


def test_a_reading_under_a_label_of_the_papers_own_is_never_accepted(ranker: FieldRanker):
    own = (OWN_LABEL, *(1.0,) * (len(FEATURES) - 1))
    assert ranker([a_reading(own, score=1.0)])[0] < ranker.accept


@pytest.mark.parametrize(
    "better", [{"score": 0.9}, {"confidence": 1.0}, {"echoes": 2}], ids=["place", "print", "said twice"]
)
def test_more_that_speaks_for_a_reading_never_makes_it_less_believed(ranker: FieldRanker, better: dict):
    for reading in readings(100)[0]:
        doubtful = replace(reading, score=0.4, confidence=0.6, echoes=0)
        assert ranker([replace(doubtful, **better)])[0] >= ranker([doubtful])[0]


def test_what_is_accepted_is_as_precise_as_promised(ranker: FieldRanker):
    found, right, _ = readings(2000)
    beliefs = np.array([ranker([reading])[0] for reading in found])
    accepted = beliefs >= ranker.accept
    assert accepted.mean() > 0.3
    assert np.array(right)[accepted].mean() >= 0.99


def test_one_reading_of_every_field_is_chosen():
    found, right, _ = readings(4)
    known = cases_of([(found[:2], right[:2], "a"), (found[2:], right[2:], "b")])
    assert chosen_of(known, np.array([0.1, 0.9, 0.8, 0.2])).tolist() == [1, 2]


def test_no_readings_get_no_probabilities(ranker: FieldRanker):
    assert ranker([]) == []
