"""From nothing to a champion in the service's store, by the commands that a data scientist types."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from tests.journeys.laboratory import Laboratory

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    """A home with a simulated history and a trained challenger."""
    laboratory = Laboratory(tmp_path_factory.mktemp("lab"))
    laboratory.must("simulate", "--returns", 2000, "--seed", 4, "--out", "world")
    laboratory.must("train", "workload", "--data", "world")
    return laboratory


def test_the_list_of_commands_is_quick_and_whole(laboratory: Laboratory):
    """Every command of the contract is listed, without importing what they need."""
    text = laboratory.must("--help")
    for command in ("simulate", "train", "evaluate", "promote", "rollback", "score", "forecast", "backtest"):
        assert command in text


def test_a_challenger_becomes_champion_and_the_flip_is_reversible(laboratory: Laboratory):
    """Promotion puts files and card into the service's store; a rollback needs an earlier champion."""
    assert "recoup-workload version 1 is champion" in laboratory.must("promote", "workload")
    kept = laboratory.home / "bentoml" / "models" / "recoup-workload" / "1"
    facts = json.loads((kept / "card.json").read_text())
    assert facts["version"] == "1"
    assert facts["digest"].startswith("sha256:")
    assert facts["metrics"]["pinball_p50"] < facts["metrics"]["baseline_pinball_p50"]
    refused = laboratory.run("rollback", "workload")
    assert refused.returncode == 2
    assert "no earlier champion" in refused.stderr
    laboratory.must("train", "workload", "--data", "world")
    assert "version 2 is champion" in laboratory.must("promote", "workload")
    assert (kept.parent / "latest").read_text() == "2"
    assert "version 1 is champion again" in laboratory.must("rollback", "workload")
    assert (kept.parent / "latest").read_text() == "1"


def test_evaluate_prints_one_object_on_its_last_line(laboratory: Laboratory):
    """The figures of the contract, in a table and as JSON."""
    lines = laboratory.must("evaluate", "workload", "--json").splitlines()
    figures = json.loads(lines[-1])
    assert {"rows", "mae", "pinball_p50", "pinball_p90", "coverage_90", "bayes_ratio_pinball_p50"} <= set(
        figures
    )
    assert figures["pinball_p50_lo"] <= figures["pinball_p50"] <= figures["pinball_p50_hi"]
    assert max(map(len, lines[1:-1])) <= 80


def test_score_answers_every_row_in_order(laboratory: Laboratory):
    """One row out for each row in, keyed by the return line."""
    laboratory.must("score", "workload", "--data", "world", "--out", "scores.parquet")
    scores = pd.read_parquet(laboratory.home / "scores.parquet")
    returns = pd.read_parquet(laboratory.home / "world" / "returns.parquet")
    assert scores["return_line_id"].tolist() == returns["return_line_id"].tolist()
    assert (scores["p50"] <= scores["p90"]).all()
