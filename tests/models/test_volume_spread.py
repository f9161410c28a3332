"""The parts of the volume forecast: how paths spread, how methods are blended, how a season is smoothed."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.volume.blend import proven
from models.volume.dispersion import Dispersion, Level, disperse, draw, partitions, recalibrated
from models.volume.reconcile import proven_levels, reconciled
from models.volume.smoothing import smoothings

KEYS = tuple((region, family) for region in ("NORTH", "SOUTH") for family in ("lamps", "tools", "tiles"))


def a_dispersion(*, total: float = 0.0, family: float = 0.0, batch: float = 0.0) -> Dispersion:
    whole = {(False, False): total, (False, True): family}
    levels = tuple(Level(kept, whole.get(kept, 0.0), 0.0) for kept in partitions(KEYS))
    return Dispersion(levels, batch)


@settings(max_examples=20)
@given(st.floats(0.0, 0.2), st.floats(0.0, 4.0), st.integers(0, 1000))
def test_paths_spread_as_the_dispersion_says_around_the_mean(total: float, batch: float, seed: int):
    """Law of total variance: Poisson, batches and the shared level add up."""
    mean = np.full((6, 2), 20.0)
    spread = a_dispersion(total=total, batch=batch)
    paths = draw(mean, spread, KEYS, paths=4000, rng=np.random.default_rng(seed))
    assert paths.mean() == pytest.approx(20, rel=0.05)
    assert paths[:, 0, 0].var() == pytest.approx(20 * (1 + batch) + total * 20**2, rel=0.25)


def test_series_of_one_family_err_together_and_others_do_not():
    """A surprise of a family is shared by its regions on every path, and by no other family."""
    spread = a_dispersion(family=0.1)
    paths = draw(np.full((6, 2), 500.0), spread, KEYS, paths=2000, rng=np.random.default_rng(0))
    together = np.corrcoef(paths[:, :, 0].T)
    assert together[0, 3] > 0.9
    assert abs(together[0, 1]) < 0.1


def test_dispersion_is_found_again_in_what_it_drew():
    """Variances fitted to simulated errors tell a shared level from batches of single series."""
    mean = np.linspace(20.0, 200.0, 6)[:, None] * np.ones((1, 4))
    known = a_dispersion(total=0.05, batch=2.0)
    actual = draw(mean, known, KEYS, paths=600, rng=np.random.default_rng(0)).astype(float)
    found = disperse(actual, np.broadcast_to(mean, actual.shape), KEYS)
    assert found.levels[0].whole == pytest.approx(0.05, rel=0.4)
    assert found.batch == pytest.approx(2.0, rel=0.4)


def test_a_spread_that_is_too_narrow_is_widened_until_it_covers():
    """Recalibration: nine in ten at every level lie below what is said to be their 90 %."""
    mean = np.full((6, 4), 60.0)
    known = a_dispersion(total=0.04, batch=3.0)
    rng = np.random.default_rng(1)
    actual = draw(mean, known, KEYS, paths=300, rng=rng).astype(float)
    narrow = a_dispersion(total=0.013, batch=1.0)
    found = recalibrated(narrow, actual, np.broadcast_to(mean, actual.shape), KEYS)
    paths = draw(mean, found, KEYS, paths=2000, rng=rng)
    for nodes in partitions(KEYS).values():
        one = nodes == nodes[0]
        limit = np.quantile(paths[:, one].sum(1), 0.9, axis=0)
        assert (actual[:, one].sum(1) <= limit).mean() == pytest.approx(0.9, abs=0.03)


def test_a_level_that_groups_the_series_as_another_does_counts_once():
    """A zone that lies in one state adds no partition of its own where the state says the same."""
    keys = (("N", "N1", "a"), ("N", "N1", "b"), ("S", "S1", "a"), ("S", "S1", "b"))
    assert [int(nodes.max()) + 1 for nodes in partitions(keys).values()] == [1, 2, 2, 4]


def test_a_series_takes_the_method_that_foresaw_it_and_a_new_one_the_pooled_weights():
    """Weights sum to one, differ by series, and are there for a series never seen."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(20, 40, size=(30, 2, 4))
    wrong = rng.uniform(20, 40, size=truth.shape)
    first, second = (np.where(np.arange(2)[:, None] == series, truth, wrong) for series in (0, 1))
    blend = proven(truth, {"short": first, "long": second}, (("a",), ("b",)), spans=30)
    assert np.sum(blend.own, axis=1) == pytest.approx([1.0, 1.0])
    assert blend.own[0][0] > blend.own[1][0]
    told = {"short": np.ones((1, 4)), "long": np.ones((1, 4))}
    assert blend.apply((("new",),), told) == pytest.approx(np.ones((1, 4)))


def a_past(rng: np.random.Generator) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """One method foresees every total, the other every share of it; neither foresees both."""
    total = rng.uniform(300, 900, size=(24, 1, 4))
    share = rng.dirichlet(np.ones(6), size=24)[:, :, None]
    usual = np.full_like(share, 1 / 6)
    noise = rng.uniform(0.9, 1.1, size=(24, 6, 4))
    return total * share, {"short": total * usual, "long": 600 * share * noise}


def test_levels_are_blended_apart_and_agree():
    """The total follows the method that foresees totals, and stays the sum of what lies below it."""
    actual, found = a_past(np.random.default_rng(0))
    origins = list(range(20, 20 + 4 * 24, 4))
    levels, mean = proven_levels(actual, found, KEYS, origins=origins)
    assert [sum(level.kept) for level in levels] == [0, 1, 1, 2]
    weights = {level.kept: dict(zip(level.blend.names, level.blend.pooled, strict=True)) for level in levels}
    assert weights[False, False]["short"] > weights[True, True]["short"]
    off = lambda told: np.abs((told - actual).sum(1)).mean()  # noqa: E731
    lowest = levels[-1].blend
    alone = np.stack([lowest.apply(KEYS, {name: v[k] for name, v in found.items()}) for k in range(24)])
    assert off(mean) < off(alone)
    assert (mean > 0).all()


def test_a_level_without_error_is_met_exactly_and_a_new_series_is_no_surprise():
    """What is sure is not moved; keys that were not there when weights were learned are reconciled too."""
    actual, found = a_past(np.random.default_rng(1))
    levels, _ = proven_levels(actual, found, KEYS, origins=list(range(20, 20 + 4 * 24, 4)))
    sure = tuple(replace(level, noise=1e-9 if not any(level.kept) else level.noise) for level in levels)
    keys = (*KEYS, ("WEST", "lamps"))
    told = {name: np.concatenate([values[0], values[0][:1]]) for name, values in found.items()}
    total = sure[0].blend.apply(((),), {name: values.sum(0, keepdims=True) for name, values in told.items()})
    assert reconciled(sure, keys, told).sum(0) == pytest.approx(total[0], rel=1e-4)


def test_what_was_learned_of_two_regions_is_drawn_for_one():
    """A panel with fewer nodes than the model knows is no missing key."""
    spread = Dispersion(tuple(Level(kept, 0.1, 0.0) for kept in partitions(KEYS)), 1.0)
    assert draw(np.full((3, 2), 9.0), spread, KEYS[:3], paths=5, rng=np.random.default_rng(0)).shape == (
        5,
        3,
        2,
    )


@pytest.mark.parametrize("kind", ["added", "multiplied"])
def test_smoothing_carries_a_season_on_whether_it_adds_or_multiplies(kind: str):
    """Once two seasons were seen, the third is foreseen; one pass answers for every origin alike."""
    season = np.array([5.0, 20.0, 40.0, 15.0])
    level = np.linspace(1.0, 2.0, 48)
    y = (np.tile(season, 12) * level if kind == "multiplied" else np.tile(season, 12) + 20 * level)[None]
    found = smoothings(y, season=4, horizon=4, origins=[3, 24, 44])
    assert found[44][0] == pytest.approx(y[0, 44:], rel=0.1)
    assert np.array_equal(found[24], smoothings(y[:, :24], season=4, horizon=4, origins=[24])[24])
