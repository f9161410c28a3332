"""The true process of returns is true: what it expects comes, as often as its quantiles say."""

from datetime import UTC, datetime

import numpy as np
import pytest

from training.simulator.demand import CELLS, process
from training.simulator.draws.lines import World
from training.simulator.world import draw_world


@pytest.fixture(scope="module")
def world() -> World:
    """A small world, with about five hundred returns a month."""
    return draw_world(20_000, rng=np.random.default_rng(3), start=datetime(2023, 11, 1, tzinfo=UTC))


def test_the_true_process_expects_what_comes(world: World):
    """Over three separate months in all cells: no bias, and hardly more error than Poisson counts have."""
    laws, horizon, misses = process(world), 28, []
    back = world.sales.take(world.rows)
    cell, day = back.region * 12 + back.family, np.floor(back.requested).astype(int)
    for origin in (500, 700, 900):
        drawn = laws.paths(origin, horizon=horizon, paths=200, rng=np.random.default_rng(0))
        mean = drawn.mean(0)
        came = np.zeros_like(mean)
        inside = (day >= origin) & (day < origin + horizon)
        np.add.at(came, (cell[inside], day[inside] - origin), 1.0)
        assert came.sum() == pytest.approx(mean.sum(), rel=0.12)
        misses.append(((came - mean) ** 2).sum() / mean.sum())
    assert 0.9 < np.mean(misses) < 1.2  # customers who return often add a little to Poisson


def test_what_has_come_back_does_not_come_back_again(world: World):
    """A future drawn at the origin knows which sales are still open, and every cell has its name."""
    laws = process(world)
    drawn = laws.paths(600, horizon=7, paths=20, rng=np.random.default_rng(0))
    assert drawn.shape == (20, len(CELLS), 7)
    assert np.array_equal(drawn, laws.paths(600, horizon=7, paths=20, rng=np.random.default_rng(0)))
    assert drawn.min() >= 0
