"""A trained model is judged, logged with its evidence, and the same again from the same seed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.returns import BadInputError
from features.table import Table, objects, take
from models import workload
from models.drift import Snapshot
from models.drift.snapshot import inputs_of
from models.recovery import value_of
from training import promote as promotion
from training.answers import answers, as_request, card, load
from training.datasets import Dataset, read
from training.evaluate import table_of_figures
from training.evidence.gates import Limits, beside_champion, gates_of
from training.promote import PromotionRefusedError, promote
from training.simulator.world import simulate, write
from training.tracking import Registered, Registry
from training.train import Trained, read_volumes, train

SMALL = Limits(segment_rows=40)
NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small world on disk."""
    folder = tmp_path_factory.mktemp("world")
    write(simulate(returns=1500, rng=np.random.default_rng(5), start=NOW), folder, seed=5)
    return folder


@pytest.fixture(scope="module")
def dataset(world: Path) -> Dataset:
    """Minutes of a small world: the task that trains quickest."""
    return read("workload", data=world, mapping=None)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """An empty store of runs and models."""
    return Registry(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture
def fresh(tmp_path: Path) -> Registry:
    """A store of its own, for tests that crown or refuse."""
    return Registry(tmp_path / "mlflow")


@pytest.fixture(scope="module")
def trained(dataset: Dataset, registry: Registry) -> Trained:
    """One challenger."""
    return train(dataset, registry=registry, seed=3, now=NOW)


def test_the_figures_stand_beside_a_baseline_and_the_best_possible(trained: Trained):
    """Every figure has an interval; a small world already beats the bare quantile."""
    figures = trained.figures
    assert figures["pinball_p50"] < figures["baseline_pinball_p50"]
    assert figures["pinball_p50_lo"] <= figures["pinball_p50"] <= figures["pinball_p50_hi"]
    assert 0.9 < figures["bayes_ratio_pinball_p50"] < 1.5


def test_the_same_data_seed_and_code_give_the_same_answers(
    dataset: Dataset, registry: Registry, trained: Trained
):
    """A second training gives another version with the same digest and identical predictions."""
    again = train(dataset, registry=registry, seed=3, now=NOW)
    assert again.registered.version != trained.registered.version
    first, second = load(trained.registered.folder), load(again.registered.folder)
    assert first.digest == second.digest
    pd.testing.assert_frame_equal(
        answers("workload", first, dataset.test.table), answers("workload", second, dataset.test.table)
    )


def test_a_snapshot_of_what_it_learned_from_lies_beside_a_model(trained: Trained, dataset: Dataset):
    """Later rows of the same world are compared with it; the calendar, which always moves, is left out."""
    snapshot = Snapshot.load(trained.registered.folder)
    assert snapshot is not None
    assert snapshot.digest == load(trained.registered.folder).digest
    assert set(snapshot.scores) == {"p50", "p90"}
    assert {"family", "reason", "customer_count_30d"} <= set(snapshot.features)
    assert not {"requested_on", "weekday", "season_sin"} & set(snapshot.features)
    inputs = inputs_of(load(trained.registered.folder), dataset.test.table)
    drift = snapshot.drift(snapshot.counts(inputs, {}))["features"]
    leaned_on = sum(snapshot.gain[name] for name, found in drift.items() if found.moved)
    assert leaned_on < 0.1


def test_the_registered_model_passes_its_gates(registry: Registry, trained: Trained):
    """Signature, digest, reload through MLflow, worth, coverage, leakage and latency all hold."""
    gates = gates_of(trained.registered, None, registry=registry, seed=0)
    assert {gate.name: gate.finding for gate in gates if not gate.passes} == {}
    assert {gate.name for gate in gates} >= {
        "signature",
        "reload",
        "worth",
        "coverage",
        "leakage",
        "canary",
        "latency",
    }


def test_a_limit_that_is_not_met_names_its_gate_and_changes_nothing(fresh: Registry, dataset: Dataset):
    """Limits are values: no model covers everything, so that limit refuses any, and nobody is crowned."""
    trained, strict = train(dataset, registry=fresh, seed=3, now=NOW), Limits(coverage=1.01)
    with pytest.raises(PromotionRefusedError, match=r"not promoted: coverage: 0\.\d+ of what promises 0\.90"):
        promote(trained.registered, registry=fresh, now=NOW, limits=strict)
    assert fresh.champion("workload") is None
    refused = fresh.find("recoup-workload/1")
    assert refused.tags["refused_at"] == NOW.isoformat()
    assert refused.tags["refused_by"].startswith("coverage: ")


def test_a_model_is_non_inferior_to_itself(registry: Registry, trained: Trained, dataset: Dataset):
    """Compared with its own twin, no customer and no site can be worse off."""
    twin = train(dataset, registry=registry, seed=3, now=NOW).registered
    gates = gates_of(twin, trained.registered, registry=registry, seed=0)
    assert "non-inferior" in {gate.name for gate in gates}
    assert all(gate.passes for gate in gates)


def test_a_worse_model_does_not_pass(registry: Registry, trained: Trained, dataset: Dataset):
    """A model that learned from shuffled labels is inferior to the champion and says so."""
    rng = np.random.default_rng(0)
    rows = dataset.train
    shuffled = Dataset(
        dataset.task,
        type(rows)(rows.table, rng.permutation(rows.y), rows.blocks, rows.truth),
        dataset.test,
        dataset.origin,
    )
    worse = train(shuffled, registry=registry, seed=3, now=NOW).registered
    gates = gates_of(worse, trained.registered, registry=registry, seed=0)
    failed = {gate.name for gate in gates if not gate.passes}
    assert "non-inferior" in failed


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The service's store of models, and what happened to it: versions put and withdrawn, in their order."""
    happened: list[str] = []
    monkeypatch.setattr(promotion, "keep_for_service", lambda model: happened.append(f"put {model.version}"))
    monkeypatch.setattr(promotion, "withdraw", lambda model: happened.append(f"withdrawn {model.version}"))
    return happened


def test_the_copy_is_there_before_the_alias_moves_and_goes_again_where_it_cannot(
    fresh: Registry, dataset: Dataset, store: list[str], monkeypatch: pytest.MonkeyPatch
):
    """A service never finds a crowned version missing, nor keeps one that was not crowned."""

    def crown(self: Registry, model: Registered, *, tags: Mapping[str, str]) -> None:
        assert store[-1] == f"put {model.version}"
        raise OSError("the tracking server is gone")

    monkeypatch.setattr(Registry, "crown", crown)
    with pytest.raises(OSError, match="is gone"):
        promote(train(dataset, registry=fresh, seed=3, now=NOW).registered, registry=fresh, now=NOW)
    assert store == ["put 1", "withdrawn 1"]
    assert fresh.champion("workload") is None


def test_promotion_and_rollback_are_recorded_on_the_versions(
    fresh: Registry, dataset: Dataset, store: list[str]
):
    """Who followed whom, through which gates, and who was restored from what."""
    for _ in range(2):
        promote(train(dataset, registry=fresh, seed=3, now=NOW).registered, registry=fresh, now=NOW)
    crowned = fresh.champion("workload")
    assert crowned is not None
    assert crowned.tags["previous_champion"] == "1"
    gates = json.loads(crowned.tags["gates"])
    assert {"non-inferior", "money", "coverage", "canary", "latency", "reload"} <= set(gates)
    assert promotion.rollback("workload", registry=fresh, now=NOW).version == "1"
    assert fresh.find("recoup-workload/1").tags["restored_from"] == "2"
    assert fresh.find("recoup-workload/2").tags["rolled_back_to"] == "1"
    assert store == ["put 1", "put 2", "put 1"]


def test_a_challenger_that_is_worse_at_one_site_is_refused_by_its_name(dataset: Dataset, trained: Trained):
    """Minutes foretold three times too long at one site are no average matter."""
    model = load(trained.registered.folder)

    class Slow:
        def predict(self, table: Table) -> workload.Prediction:
            said = model.predict(table)
            factor = np.where(objects(table, "site") == "DAL1", 3.0, 1.0)
            return workload.Prediction(said.p50 * factor, said.p90 * factor)

    found = beside_champion(Slow(), model, dataset, seed=0, limits=SMALL)
    failed = {gate.name for gate in found if not gate.passes}
    assert "site DAL1" in failed
    assert "site RNO1" not in failed


def test_new_customers_are_a_segment_of_their_own(dataset: Dataset, trained: Trained):
    """A challenger that serves only known customers well is refused for the others."""
    model = load(trained.registered.folder)
    known = set(objects(dataset.train.table, "customer_id").tolist())

    class Clannish:
        def predict(self, table: Table) -> workload.Prediction:
            said = model.predict(table)
            strangers = np.array([name not in known for name in objects(table, "customer_id")])
            factor = np.where(strangers, 6.0, 1.0)
            return workload.Prediction(said.p50 * factor, said.p90 * factor)

    found = {
        gate.name: gate.passes for gate in beside_champion(Clannish(), model, dataset, seed=0, limits=SMALL)
    }
    assert found["new customers"] is False


def test_a_challenger_that_errs_on_dear_lines_costs_money(dataset: Dataset, trained: Trained):
    """The same loss a line on average may be worse where the value lies."""
    model = load(trained.registered.folder)
    dear = np.quantile(value_of(dataset.test.table), 0.9)

    class Careless:
        def predict(self, table: Table) -> workload.Prediction:
            said = model.predict(table)
            factor = np.where(value_of(table) > dear, 5.0, 1.0)
            return workload.Prediction(said.p50 * factor, said.p90 * factor)

    found = {
        gate.name: gate.passes for gate in beside_champion(Careless(), model, dataset, seed=0, limits=SMALL)
    }
    assert found["money"] is False


def test_tuning_is_repeatable_and_leaves_its_choice_in_the_run(dataset: Dataset, registry: Registry):
    """Two trials with one seed choose the same parameters, which are not the usual ones."""
    first, second = (train(dataset, registry=registry, seed=2, tune=2, now=NOW).registered for _ in range(2))
    chosen = [card(one.folder)["params"] for one in (first, second)]
    assert chosen[0] == chosen[1]
    assert chosen[0]["tune"] == 2
    assert chosen[0]["learning_rate"] != workload.PARAMS.learning_rate
    assert card(first.folder)["digest"] == card(second.folder)["digest"]


def test_the_card_tells_where_the_model_comes_from(trained: Trained, dataset: Dataset):
    """JSON for programs, Markdown for people, both beside the model's files."""
    facts = card(trained.registered.folder)
    assert facts["data_hash"] == dataset.origin.digest
    assert facts["seed"] == 3
    assert facts["metrics"]["rows"] == len(dataset.test.y)
    page = (trained.registered.folder / "card.md").read_text()
    assert "recoup-workload" in page
    assert "pinball_p50" in page
    json.dumps(facts)


def test_the_table_of_figures_fits_a_terminal(trained: Trained):
    """No line is wider than 80 columns."""
    text = table_of_figures(trained.figures, title="workload")
    assert max(map(len, text.splitlines())) <= 80


def test_what_mlflow_serves_is_what_the_model_says(registry: Registry, trained: Trained, dataset: Dataset):
    """Rows sent as a client would send them get the answers of the canonical table."""
    some = take(dataset.test.table, np.arange(20))
    served = registry.served(trained.registered, as_request("workload", some))
    here = answers("workload", load(trained.registered.folder), some)
    np.testing.assert_array_equal(served.to_numpy(), here.to_numpy())


def test_no_file_of_a_model_is_a_pickle(trained: Trained):
    """Text, plain arrays and JSON only."""
    suffixes = {path.suffix for path in Path(trained.registered.folder).rglob("*") if path.is_file()}
    assert suffixes <= {".json", ".md", ".txt", ".npz"}


def test_volumes_as_of_a_day_end_with_it(world: Path):
    """Sales and returns of the day itself are known; of the day after, nothing."""
    moment = NOW + timedelta(days=300)
    volumes = read_volumes(world, None, freq="D", as_of=moment)
    whole = read_volumes(world, None, freq="D").panel
    panel = volumes.panel
    assert panel.periods(panel.length - 1, panel.length)[0] == pd.Period("2027-09-15", "D")
    assert np.array_equal(panel.y, whole.y[:, : panel.length])
    assert panel.sales is not None
    assert panel.sales.shape == panel.y.shape
    assert volumes.origin.as_of == moment.isoformat()
    with pytest.raises(BadInputError, match="later --as-of"):
        read_volumes(world, None, freq="D", as_of=NOW - timedelta(days=9))


def test_a_question_to_an_empty_store_makes_no_store(tmp_path: Path):
    """A name that cannot be found leaves the disk as it was."""
    empty = Registry(tmp_path / "mlflow")
    assert empty.champion("fraud") is None
    with pytest.raises(BadInputError, match="no registered model"):
        empty.find("recoup-fraud/3")
    assert not list(tmp_path.iterdir())
