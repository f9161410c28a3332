"""A table in parts gives the answers that it gives at once, and is refused where it is refused at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from distributed import Client
from distributed.protocol.pickle import dumps, loads

from features.history import HISTORY, offline
from features.mapping import load as load_table
from features.returns import BadInputError
from features.table import Table, rows, take
from models import fraud
from training.answers import CARD, answers, load
from training.datasets import read
from training.forecasting.backtest import origins_of, rolled
from training.forecasting.history import panel_of
from training.scale import parts, scoring, worlds
from training.scale.cluster import Cluster, each
from training.scale.history import Exchange
from training.scale.parts import parts_of
from training.scale.scoring import Work, merged, score
from training.scale.worlds import Blocks
from training.simulator.world import simulate, write
from training.train import Wanted, fit

RETURNS = 1500
QUICK = replace(fraud.PARAMS, max_rounds=20, bags=1)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    start = datetime(2023, 11, 1, tzinfo=UTC)
    write(simulate(returns=RETURNS, rng=np.random.default_rng(5), start=start), folder, seed=5)
    return folder


@pytest.fixture(scope="module")
def table(world) -> Table:
    return load_table(world, None, purpose="score").table


@pytest.fixture(scope="module")
def model(world, tmp_path_factory) -> Path:
    """A saved fraud model: what it says depends on the past of customers, addresses, products and sites."""
    folder = tmp_path_factory.mktemp("model")
    fitted = fit("fraud", read("fraud", data=world, mapping=None).train, attributes={}, params=QUICK, seed=0)
    fitted.save(folder)
    (folder / CARD).write_text(json.dumps({"task": "fraud", "digest": fitted.digest}))
    return folder


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None) as client:
        yield client


@pytest.fixture
def small(monkeypatch) -> None:
    """Batches and buckets of which this small table has many."""
    monkeypatch.setattr(parts, "ROWS", 170)
    monkeypatch.setattr(scoring, "ROWS_OF_A_BUCKET", 400)


def in_parts(frame: pd.DataFrame, folder: Path, *, count: int) -> Path:
    """Write a table as a folder of parts, named as Dask names them."""
    folder.mkdir()
    for place, cut in enumerate(np.array_split(np.arange(len(frame)), count)):
        frame.iloc[cut].to_parquet(folder / f"part.{place}.parquet", index=False)
    return folder


@pytest.fixture
def work_of(model, tmp_path, small) -> Callable[..., Work]:
    """Make the work of scoring a table, of many batches and buckets, to a folder that is not there yet."""

    def make(table: Path, *, out: str = "out", mapping: Path | None = None) -> Work:
        return Work.of(table, mapping=mapping, model=model, out=tmp_path / out)

    return make


def scores(work: Work) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(work.target(part)) for part in work.parts], ignore_index=True)


def at_once(table: Table, model: Path) -> pd.DataFrame:
    found = answers("fraud", load(model), table)
    found.insert(0, "return_line_id", table["return_line_id"])
    return found


@pytest.fixture(scope="module")
def expected(table, model) -> pd.DataFrame:
    return at_once(table, model)


@pytest.mark.parametrize("cut", ["one file", "row groups", "a folder"])
def test_the_answers_are_those_without_parts_row_for_row(world, expected, client, work_of, tmp_path, cut):
    """To the last bit, whatever the parts."""
    source = world / "returns.parquet"
    if cut == "row groups":
        pq.write_table(pq.read_table(source), tmp_path / "groups.parquet", row_group_size=333)
        source = tmp_path / "groups.parquet"
    if cut == "a folder":
        source = in_parts(pd.read_parquet(source), tmp_path / "parts", count=12)
    work = work_of(source)
    assert score(work, client) == RETURNS
    pd.testing.assert_frame_equal(scores(work), expected, check_exact=True)
    assert {path.name for path in work.out.iterdir()} == {"_work.json", *(part.name for part in work.parts)}


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_parts_become_one_file_in_order(world, expected, client, work_of, tmp_path, suffix):
    out = tmp_path / f"scores{suffix}"
    work = work_of(in_parts(pd.read_parquet(world / "returns.parquet"), tmp_path / "parts", count=3))
    score(work, client)
    merged(work, out)
    found = pd.read_parquet(out) if suffix == ".parquet" else pd.read_csv(out, float_precision="round_trip")
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert not work.out.exists()


def test_every_figure_of_the_past_is_that_of_the_whole_table(table, tmp_path):
    """In any order of the rows, with entities and times that are missing, cut anywhere."""
    rng = np.random.default_rng(2)
    mixed = dict(take(table, rng.permutation(rows(table))))
    for name, missing in (
        ("customer_id", None),
        ("address_id", None),
        ("requested_at", np.datetime64("NaT")),
    ):
        mixed[name] = np.where(rng.random(rows(table)) < 0.1, missing, mixed[name])
    mixed["requested_at"] = mixed["requested_at"].astype("datetime64[us]")
    canonical = {name: values for name, values in mixed.items() if name not in HISTORY}
    cuts = np.array_split(np.arange(rows(table)), [100, 101, 900])
    exchange = Exchange(tmp_path, HISTORY, batches=len(cuts), buckets=5)
    for batch, places in enumerate(cuts):
        exchange.spread(batch, take(canonical, places), places)
    for entity in exchange.entities:
        for bucket in range(exchange.buckets):
            exchange.join(entity, bucket)
    expected = offline(canonical)
    for batch, places in enumerate(cuts):
        found = exchange.gather(batch, take(canonical, places))
        for name in HISTORY:
            np.testing.assert_array_equal(found[name], expected[name][places], err_msg=name)


def test_finished_parts_are_kept_by_a_rerun(world, expected, client, work_of, tmp_path):
    """Only what is missing is written again."""
    source = in_parts(pd.read_parquet(world / "returns.parquet"), tmp_path / "parts", count=4)
    work = work_of(source)
    score(work, client)
    lost, *kept = (work.target(part) for part in work.parts)
    lost.unlink()
    before = [path.stat().st_mtime_ns for path in kept]
    score(work, client)
    assert [path.stat().st_mtime_ns for path in kept] == before
    pd.testing.assert_frame_equal(scores(work), expected, check_exact=True)


def test_scores_of_another_table_are_not_mixed_in(world, client, work_of, tmp_path):
    source = world / "returns.parquet"
    score(work_of(source), client)
    other = in_parts(pd.read_parquet(source), tmp_path / "parts", count=2)
    with pytest.raises(BadInputError, match="another table or model"):
        score(work_of(other), client)


@pytest.mark.parametrize(
    "bad",
    [
        (
            "return_line_id",
            "RMA-0000003/1",
            r"column 'return_line_id', row 1401: 'RMA-0000003/1' occurs twice",
        ),
        ("reason", "WHIM", r"column 'reason', row 1401: 'WHIM' is no reason code"),
    ],
)
def test_a_bad_row_in_a_late_part_is_refused_before_anything_is_written(
    world, client, work_of, tmp_path, bad
):
    column, value, sentence = bad
    frame = pd.read_parquet(world / "returns.parquet")
    frame.loc[1400, column] = value
    work = work_of(in_parts(frame, tmp_path / "parts", count=5))
    with pytest.raises(BadInputError, match=sentence):
        score(work, client)
    assert not work.out.exists()


def test_a_mapping_chooses_rows_of_every_part(world, model, client, work_of, tmp_path):
    """A part may have none; a table without any is refused."""
    frame = pd.read_parquet(world / "returns.parquet").sort_values("site", ignore_index=True)
    source = in_parts(frame, tmp_path / "parts", count=6)
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text("where: [{column: site, equals: EWR1}]\n")
    work = work_of(source, mapping=mapping)
    score(work, client)
    chosen = at_once(load_table(source, mapping, purpose="score").table, model)
    pd.testing.assert_frame_equal(scores(work), chosen, check_exact=True)
    mapping.write_text("where: [{column: site, equals: nowhere}]\n")
    with pytest.raises(BadInputError, match="no row is left"):
        score(work_of(source, mapping=mapping, out="none"), client)


def test_text_is_not_read_in_parts(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("site\nDAL1\n")
    with pytest.raises(BadInputError, match="only parquet is read in parts"):
        parts_of(path)


def test_parts_without_rows_are_left_out_and_a_table_of_them_is_refused(
    world, expected, client, work_of, tmp_path
):
    frame = pd.read_parquet(world / "returns.parquet")
    source = in_parts(frame, tmp_path / "parts", count=2)
    frame.head(0).to_parquet(source / "part.7.parquet", index=False)
    work = work_of(source)
    assert score(work, client) == RETURNS
    pd.testing.assert_frame_equal(scores(work), expected, check_exact=True)
    for path in source.glob("part.[01].parquet"):
        path.unlink()
    with pytest.raises(BadInputError, match="the table has no rows"):
        work_of(source, out="none")


def no_rivals(y, nodes, panel, *, horizon) -> dict:
    return {}


def test_a_backtest_on_a_cluster_gives_the_same_figures(world, client):
    """Origins go to the workers, and come back in their order."""
    panel = panel_of(world, None, freq="D", levels=("region",))
    at = origins_of(panel, horizon=7, count=4, step=7)
    ways = ({}, {"over": partial(each, client, label="origins")})
    alone, shared = (rolled(panel, at, horizon=7, seed=1, rivals=no_rivals, **way).figures() for way in ways)
    assert shared == alone


START = datetime(2023, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def at(client) -> Cluster:
    """The cluster as a command finds it, by its address."""
    return Cluster(client.scheduler.address)


def test_a_world_in_blocks_holds_so_many_returns_of_distinct_customers_and_can_be_learned_from(at, tmp_path):
    blocks = Blocks(1100, seed=3, start=START, size=400, out=tmp_path / "world")
    worlds.draw(blocks, at)
    table = load_table(blocks.out, None, purpose="score").table
    assert rows(table) == len(set(table["return_line_id"])) == sum(blocks.sizes) == 1100
    of_block = [
        {customer for customer in table["customer_id"] if f"-b{block:03d}-" in customer} for block in range(3)
    ]
    assert set(table["customer_id"]) == set.union(*of_block)
    assert all(of_block)
    products = pd.DataFrame({name: table[name] for name in ("family", "sku", "brand", "weight_kg")})
    one_each = products.drop_duplicates()
    assert not one_each.duplicated(["family", "sku"]).any(), "blocks share one catalogue"
    dataset = read("workload", data=blocks.out, mapping=None)
    assert dataset.train.truth is not None
    assert not dataset.train.truth.isna().all(axis=1).any(), "every row has its truth"
    assert panel_of(blocks.out, None, freq="D", levels=("region",)).length > 100


def test_a_world_is_the_same_on_any_cluster_and_drawn_again_only_where_it_is_missing(at, tmp_path):
    one, two = (Blocks(900, seed=3, start=START, size=300, out=tmp_path / name) for name in ("one", "two"))
    worlds.draw(one, at)
    for block in (2, 0, 1):
        two.draw(block)
    for table in ("returns", "sales", "events", "truth"):
        pd.testing.assert_frame_equal(
            *(pd.read_parquet(world.out / f"{table}.parquet") for world in (one, two)), check_exact=True
        )
    before = one.part("returns", 0).stat().st_mtime_ns
    worlds.draw(one, at)
    assert one.part("returns", 0).stat().st_mtime_ns == before
    with pytest.raises(BadInputError, match="another world"):
        worlds.draw(replace(one, seed=4), at)
    with pytest.raises(BadInputError, match="holds a world in blocks"):
        write(simulate(returns=20, rng=np.random.default_rng(1), start=START), one.out, seed=1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(BadInputError, match="other files"):
        worlds.draw(replace(one, out=tmp_path / "full"), at)


@pytest.mark.parametrize("task", ["workload", "volume"])
def test_what_a_worker_hands_back_is_what_it_fitted_to_the_last_bit(world, task):
    """As Dask sends it from one process to another, even once it has answered single rows."""
    wanted = Wanted(world, None, None, tune=0, freq="D", seed=1)
    fitted = wanted.candidate(task)
    if task == "workload":
        fitted.model.predict(take(load_table(world, None, purpose="score").table, np.arange(1)))
    sent = loads(dumps(fitted))
    assert sent.model.digest == fitted.model.digest == wanted.candidate(task).model.digest
    assert sent.figures == fitted.figures
    assert (sent.task, sent.origin, sent.params) == (task, fitted.origin, fitted.params)
