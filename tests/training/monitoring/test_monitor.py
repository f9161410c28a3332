"""Champions are watched on traffic: a world that moved is flagged with reasons, one that did not is not."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.mapping import load as load_table
from features.returns import BadInputError
from models.drift import Snapshot
from training.answers import asked_first, card, load
from training.datasets import read
from training.monitoring.command import challenger_of
from training.monitoring.report import metrics, page, pictures, report
from training.monitoring.rules import Measure, read_rules, reasons
from training.monitoring.traffic import read_traffic
from training.monitoring.watch import watch
from training.simulator.world import simulate, write
from training.tracking import Registered, Registry
from training.train import train

NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small world on disk."""
    folder = tmp_path_factory.mktemp("world")
    write(simulate(returns=2500, rng=np.random.default_rng(5), start=NOW), folder, seed=5)
    return folder


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A store with a champion of minutes, and a challenger from another seed."""
    return Registry(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture(scope="module")
def champion(world: Path, registry: Registry) -> Registered:
    """The model that trains quickest, crowned."""
    trained = train(read("workload", data=world, mapping=None), registry=registry, seed=3, now=NOW)
    registry.crown(trained.registered, tags={})
    return trained.registered


@pytest.fixture(scope="module")
def traffic(world: Path, champion: Registered) -> pd.DataFrame:
    """The latest fifth of the world as the service would have recorded it: inputs, answers, outcomes."""
    loaded = load_table(world, None, purpose="score")
    until = Snapshot.load(champion.folder).until
    later = loaded.table["requested_at"] > np.datetime64(until)
    table = {name: values[later] for name, values in loaded.table.items()}
    labels = ("disposition", "recovered", "minutes", "fraud", "grade")
    said = asked_first("workload", load(champion.folder), table).add_prefix("said_workload_")
    frame = pd.DataFrame({name: values for name, values in table.items() if name not in labels})
    became = pd.DataFrame({f"became_{name}": table[name] for name in labels})
    asked = {"recommended_at": frame["requested_at"], "digest_workload": card(champion.folder)["digest"]}
    return pd.concat([frame, said, became], axis=1).assign(**asked)


@pytest.fixture
def found(champion: Registered, tmp_path: Path):
    """What is reported about a frame of traffic."""

    def found_of(frame: pd.DataFrame, challenger: Registered | None = None) -> dict:
        path = tmp_path / "traffic.parquet"
        frame.to_parquet(path)
        lines = read_traffic(path)
        return report([watch(champion, challenger, lines)], lines, rules=read_rules(), now=NOW)

    return found_of


def test_a_world_that_did_not_move_gives_no_reason_to_retrain(found, traffic):
    said = found(traffic)["models"]["workload"]
    assert said["retrain"] == {"recommended": False, "reasons": []}
    assert said["performance"]["matured"] == traffic["became_minutes"].notna().sum()
    parts = {part["name"] for part in said["performance"]["segments"]}
    assert {"all", "new customers"} <= parts
    assert any(name.startswith("site ") for name in parts)
    assert any(name.startswith("family ") for name in parts)


def test_recorded_answers_are_made_again_to_the_last_digit(found, traffic):
    """The proof that a later question is the same question: nothing that came since leaks in."""
    again = found(traffic)["models"]["workload"]["reproduced"]
    assert again == {"same": len(traffic), "compared": len(traffic)}


def test_other_goods_move_inputs_and_answers_and_retraining_says_which(found, traffic):
    moved = traffic.assign(family="hvac", weight_kg=traffic["weight_kg"] * 8, sku="NEW-1", brand="Other")
    said = found(moved)["models"]["workload"]
    told = {reason["rule"]: reason["sentence"] for reason in said["retrain"]["reasons"]}
    assert "p50, p90" in told["scores"]
    assert {one["name"] for one in said["features"] if one["moved"]} >= {"family", "weight_kg"}


def test_a_rule_speaks_above_its_limit_and_names_what_it_is_about():
    above, at = Measure(0.31, ("family", "reason")), Measure(0.30, ("family",))
    assert [(one["rule"], one["sentence"]) for one in reasons(read_rules(), {"gain_moved": above})] == [
        (
            "inputs",
            "31% of what the model leans on has moved since training (at most 30%): family, reason.",
        )
    ]
    assert reasons(read_rules(), {"gain_moved": at}) == []


def test_outcomes_that_got_worse_everywhere_are_a_reason_without_any_drift(found, traffic):
    slower = traffic.assign(became_minutes=traffic["became_minutes"] * 2.5)
    said = found(slower)["models"]["workload"]
    assert {reason["rule"] for reason in said["retrain"]["reasons"]} == {"loss", "segment"}


def test_outcomes_that_got_worse_at_one_site_name_it(found, traffic):
    site = traffic["site"].value_counts().index[0]
    minutes = traffic["became_minutes"].where(traffic["site"] != site, traffic["became_minutes"] * 4)
    said = found(traffic.assign(became_minutes=minutes))["models"]["workload"]
    sentences = {reason["rule"]: reason["sentence"] for reason in said["retrain"]["reasons"]}
    assert f"site {site}" in sentences["segment"]


def test_without_outcomes_performance_is_not_guessed(found, traffic):
    said = found(traffic.assign(became_minutes=np.nan))["models"]["workload"]
    assert said["performance"] == {"matured": 0, "figures": {}, "segments": []}
    assert not said["retrain"]["recommended"]


def test_a_challenger_is_asked_the_same_questions(found, traffic, world, registry, champion):
    """Another seed is another model of like worth: some lines differ, neither is surely better."""
    train(read("workload", data=world, mapping=None), registry=registry, seed=4, now=NOW)
    challenger = challenger_of(champion, registry)
    assert challenger is not None
    beside = found(traffic, challenger)["models"]["workload"]["challenger"]
    assert beside["version"] == challenger.version != champion.version
    assert 0 < beside["differs"] < 0.5
    assert beside["matured"] == traffic["became_minutes"].notna().sum()
    assert beside["lo"] <= beside["gain"] <= beside["hi"]


def test_a_report_is_told_in_words_figures_and_pictures(found, traffic, registry, champion):
    said = found(traffic)
    model = said["models"]["workload"]
    assert "no reason to retrain" in page(said)
    assert all(len(line) <= 110 for line in page(said).splitlines())
    assert set(pictures(model)) == {"drift", "segments"}
    # MLflow takes every name.
    registry.note(
        "monitor", params={}, metrics=metrics(model), tags={}, plots={}, texts={"r.json": json.dumps(model)}
    )
    assert metrics(model)["retrain"] == 0.0


def test_what_is_no_traffic_is_refused(tmp_path):
    bare = tmp_path / "bare.parquet"
    pd.DataFrame({"return_line_id": ["a"]}).to_parquet(bare)
    with pytest.raises(
        BadInputError, match="has no column 'requested_at'; write it by `recoup export-traffic`"
    ):
        read_traffic(bare)
    with pytest.raises(BadInputError, match="cannot be read"):
        read_traffic(tmp_path / "none.parquet")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- {id: a, measure: wind, limit: 1, sentence: s, basis: b}", "there is no measure 'wind'"),
        ("- {id: a, measure: gain_moved, limit: much, sentence: s, basis: b}", "holds no list of rules"),
        ("- {id: a, measure: gain_moved, limit: 1, sentence: '{who}', basis: b}", "holds no list of rules"),
    ],
)
def test_rules_that_cannot_be_asked_are_refused(tmp_path, text, says):
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    with pytest.raises(BadInputError, match=says):
        read_rules(path)
