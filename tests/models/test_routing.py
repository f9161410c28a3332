"""Routing: never more than a site holds, no hazardous goods where they may not go, prices that plan ahead."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.routing import NOWHERE, Lines, Site, assign, choose

NEAR = Site("DAL1", "US-SOUTH", capacity=1.0)
FAR = Site("RNO1", "US-WEST", capacity=5.0, hazmat=True)


def lines(recovery, *, units=None, hazmat=None, weight=None) -> Lines:
    n = len(recovery)
    return Lines(
        recovery=np.array(recovery, float),
        weight_kg=np.array(weight or [1.0] * n, float),
        units=np.array(units or [1.0] * n, float),
        region=np.array(["US-SOUTH"] * n, object),
        hazmat=np.array(hazmat or [False] * n),
    )


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-20, 100), st.integers(1, 4), st.booleans()), min_size=1, max_size=12),
    st.lists(st.integers(0, 8), min_size=2, max_size=4),
)
def test_no_plan_exceeds_capacity_or_permission(returns, capacities):
    recovery, units, hazmat = zip(*returns, strict=True)
    sites = tuple(
        Site(f"S{i}", "US-SOUTH" if i % 2 else "US-WEST", float(c), hazmat=i == 0)
        for i, c in enumerate(capacities)
    )
    batch = lines(recovery, units=list(units), hazmat=list(hazmat))
    plan = assign(batch, sites)
    for place, site in enumerate(sites):
        assert batch.units[plan.site == place].sum() <= site.capacity
        assert site.hazmat or not batch.hazmat[plan.site == place].any()
    assert (plan.prices >= -1e-9).all()


def test_a_return_stays_near_while_there_is_room():
    assert assign(lines([50.0]), (NEAR, FAR)).site.tolist() == [0]


def test_the_scarce_place_goes_to_the_return_that_is_dearest_to_ship():
    assert assign(lines([50.0, 50.0], weight=[1.0, 20.0]), (NEAR, FAR)).site.tolist() == [1, 0]


def test_hazardous_goods_travel_to_where_they_are_allowed():
    assert assign(lines([50.0], hazmat=[True]), (NEAR, FAR)).site.tolist() == [1]


def test_where_nothing_is_free_a_return_stays_unassigned():
    assert assign(lines([50.0] * 3), (NEAR,)).site.tolist().count(NOWHERE) == 2


def test_a_place_that_is_fought_over_has_a_price():
    plan = assign(lines([50.0] * 4, weight=[1.0, 5.0, 10.0, 20.0]), (NEAR, FAR))
    assert plan.prices[0] > 0
    assert plan.prices[1] == 0


def test_a_single_return_pays_the_price_of_the_place_it_takes():
    light = lines([50.0], weight=[1.0])
    assert choose(light, (NEAR, FAR), prices=np.zeros(2)) == 0
    assert choose(light, (NEAR, FAR), prices=np.array([10.0, 0.0])) == 1


def test_a_single_return_never_takes_a_place_that_is_not_there():
    full = Site("DAL1", "US-SOUTH", capacity=0.0)
    assert choose(lines([50.0]), (full,), prices=np.zeros(1)) == NOWHERE
