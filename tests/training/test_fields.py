"""The ranker of document fields learns from forms that are drawn, and from what people correct."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from features.documents.apart.isolation import extract_apart
from features.documents.intake import Limits
from features.returns import BadInputError
from models.fields import cases_of, together
from training.fields import Sources, calibration_error
from training.simulator import readings
from training.simulator.forms import Form, draw, layouts
from training.simulator.readings import cases, corrected, judged


def a_form(layout: str = "claim_memo") -> Form:
    return draw(layouts()[layout], rng=np.random.default_rng(4))


def test_every_reading_of_a_clean_form_is_known_to_be_right_or_wrong():
    form = a_form()
    found = list(judged(form, extract_apart(form.digital(), kind=None, limits=Limits())))
    plain, *rows = found
    assert len(rows) == len({truth.line for truth in form.truths} - {None})
    for proposals, right, group in found:
        assert len(proposals) == len(right)
        assert group == "claim_memo"
    assert all(all(right) for _, right, _ in rows)
    names = {proposal.name for proposal, right in zip(plain[0], plain[1], strict=True) if right}
    assert {"claim_number", "vendor", "claim_amount"} <= names


def test_forms_once_read_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(readings, "DIGITAL_SHARE", 1.0)
    first = cases(2, seed=1, home=tmp_path, use="train")
    monkeypatch.setattr(readings, "known", lambda *_, **__: pytest.fail("read again"))
    again = cases(2, seed=1, home=tmp_path, use="train")
    assert np.array_equal(first.X, again.X)
    assert first.group.tolist() == again.group.tolist()


def test_what_people_corrected_is_learned_beside_the_forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(readings, "DIGITAL_SHARE", 1.0)
    rows = kept_correction(tmp_path, {"claim_number": "CLM-0", "vendor": "Nobody"})
    both = Sources(2, tmp_path, rows).cases(seed=1)
    alone = Sources(2, tmp_path).cases(seed=1)
    assert len(both.right) > len(alone.right)
    assert not both.right[len(alone.right) :].any()
    assert len(np.unique(both.field)) > len(np.unique(alone.field))


def kept_correction(home: Path, fields: dict[str, str]) -> Path:
    (home / "documents").mkdir(parents=True)
    (home / "documents" / "one.pdf").write_bytes(a_form().digital())
    row = {"document": "doc_1", "file": "one.pdf", "kind": "SUPPLIER_CLAIM", "fields": fields}
    rows = home / "corrections.jsonl"
    rows.write_text(json.dumps(row) + "\n")
    return rows


@pytest.mark.parametrize(
    "line", ["no json", "{}", '{"document": "d", "file": "gone.pdf", "kind": "OTHER", "fields": {}}']
)
def test_a_correction_without_its_document_is_refused_with_its_line(tmp_path: Path, line: str):
    rows = tmp_path / "corrections.jsonl"
    rows.write_text(line + "\n")
    with pytest.raises(BadInputError, match="line 1"):
        list(corrected(rows, tmp_path))


def test_fields_of_two_sources_stay_apart():
    form = a_form()
    found = list(judged(form, extract_apart(form.digital(), kind=None, limits=Limits())))
    one = cases_of(found)
    both = together(one, one)
    assert len(np.unique(both.field)) == 2 * len(np.unique(one.field))


@pytest.mark.parametrize(("sure", "error"), [(1.0, 0.0), (0.75, 0.25)])
def test_calibration_is_how_far_belief_is_from_what_came_true(sure: float, error: float):
    assert calibration_error(np.full(8, sure), np.ones(8, dtype=bool)) == pytest.approx(error)
