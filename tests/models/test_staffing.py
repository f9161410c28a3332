"""The labour plan follows the published formulas, figure by figure."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.returns import BadInputError
from models.staffing import (
    Site,
    Work,
    cost,
    critical_ratio,
    divided,
    dock_doors,
    doors_in_an_hour,
    heads,
    hours,
    minutes_of,
    plan,
    quantile,
    storage_positions,
)

PLAIN = Site(
    allowance=0.2,
    utilisation=0.8,
    shift_hours=7.5,
    units_per_truck=100,
    peak=2.0,
    open_minutes=600,
    turn_minutes=60,
    door_utilisation=0.8,
    redundancy=0.25,
    dwell_days=4,
    units_per_pallet=50,
    fill=0.8,
)


def work(*minutes: float) -> Work:
    """Every unit of a family takes the same time."""
    return Work(np.array(minutes), np.zeros(len(minutes)))


def rng() -> np.random.Generator:
    """The same chance every time."""
    return np.random.default_rng(0)


def test_labour_hours_are_volume_by_rate_with_allowance_and_utilisation():
    """100 units at 12 UPH and 60 at 6 UPH are 18.33 hours; times 1.2, over 0.8, that is 27.5."""
    paths = np.array([[[100], [60]]])
    assert hours(paths, np.array([5.0, 10.0]), site=PLAIN) == pytest.approx(np.array([[27.5]]))


def test_heads_are_hours_over_the_productive_shift_rounded_up():
    """27.5 hours are 3.67 shifts of 7.5 hours: four people; 22.5 hours are exactly three."""
    assert heads(27.5, site=PLAIN) == 4
    assert heads(22.5, site=PLAIN) == 3
    assert heads(0.0, site=PLAIN) == 0


def test_dock_doors_follow_trucks_peak_turns_and_redundancy():
    """10 trucks, at peak 20; eight turns a door: 2.5 doors; with a quarter more 3.125: four."""
    assert dock_doors(1000, site=PLAIN) == 4


def test_storage_positions_follow_littles_law():
    """1,000 units a day for 4 days are 4,000, or 80 pallets; at 80 % fill 100 positions."""
    assert storage_positions(1000, site=PLAIN) == 100
    assert storage_positions(1001, site=PLAIN) == 101


def test_the_critical_ratio_is_the_newsvendors():
    """An hour short that costs three times an idle one wants a plan that suffices three days in four."""
    assert critical_ratio(short=90, idle=30) == 0.75


def test_a_plan_is_a_quantile_of_the_sum_and_not_a_sum_of_quantiles():
    """Two families that never peak together need hands for one peak."""
    paths = np.array([[[10], [0]], [[0], [10]]] * 5)
    (day,) = plan(paths, work(6.0, 6.0), site=PLAIN, service_level=0.9, rng=rng())
    assert day.units == 10
    assert day.hours == pytest.approx(10 * 0.1 * 1.2 / 0.8)


def test_a_plan_gives_every_day_its_figures():
    """A certain future of 1,000 units a day needs what the single formulas say."""
    paths = np.full((20, 1, 3), 1000)
    for day in plan(paths, work(5.0), site=PLAIN, service_level=0.8, rng=rng()):
        assert (day.units, day.heads, day.doors, day.positions) == (1000, 17, 4, 100)
        assert day.hours == pytest.approx(125.0)


def test_a_surge_is_held_for_its_whole_dwell():
    """A single day of 1,000 fills a quarter of the four-day stock, and stays in it for four days."""
    paths = np.zeros((5, 1, 6), dtype=np.int64)
    paths[:, :, 1] = 1000
    held = [day.positions for day in plan(paths, work(5.0), site=PLAIN, service_level=0.5, rng=rng())]
    assert held[1] > held[0]
    assert held[1] >= held[4] >= 25
    assert held[5] < held[4]


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=40), st.floats(0.05, 0.9), st.floats(0.01, 0.09))
def test_more_service_never_needs_less(volumes: list[int], level: float, more: float):
    """Quantiles rise with the service level and are volumes that were drawn."""
    paths = np.array(volumes)[:, None]
    low, high = quantile(paths, level)[0], quantile(paths, level + more)[0]
    assert low <= high
    assert low in volumes


def test_unknown_families_take_the_given_minutes():
    """Order follows the families asked for."""
    assert minutes_of(("b", "a"), {"a": 3.0}, otherwise=7.0).tolist() == [7.0, 3.0]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("shift_hours", 0.0), ("utilisation", 1.2), ("fill", 0.0), ("peak", float("nan")), ("dwell_days", -1.0)],
)
def test_an_impossible_site_is_refused_by_name(parameter: str, value: Any):
    """A division by nothing is caught where the number is given."""
    with pytest.raises(BadInputError, match=parameter):
        Site(**{parameter: value})


def test_a_service_level_outside_chance_and_minutes_without_a_family_are_refused():
    """Certainty cannot be planned for, and every family needs its minutes."""
    paths = np.ones((2, 2, 1), dtype=np.int64)
    with pytest.raises(BadInputError, match="service level"):
        plan(paths, work(1.0, 1.0), site=PLAIN, service_level=1.0, rng=rng())
    with pytest.raises(BadInputError, match="each family"):
        plan(paths, work(1.0, 1.0, 1.0), site=PLAIN, rng=rng())
    with pytest.raises(BadInputError, match="positive"):
        critical_ratio(short=0, idle=1)


def test_work_that_lies_there_is_done_on_the_first_day():
    """600 minutes of backlog are ten direct hours more on the first day, and none on the second."""
    paths = np.full((20, 1, 2), 100)
    first, second = plan(paths, work(6.0), site=PLAIN, service_level=0.8, backlog=600, rng=rng())
    assert first.hours - second.hours == pytest.approx(10 * 1.2 / 0.8)


def test_minutes_that_scatter_need_more_hands_than_their_mean():
    """A log-normal of median 6 and ninth decile 18 has a mean of 8.7; its scatter comes on top."""
    scattered = Work.of_quantiles(np.array([6.0]), np.array([18.0]))
    assert scattered.mean[0] == pytest.approx(6 * np.exp((np.log(3) / 1.2816) ** 2 / 2))
    paths = np.full((4000, 1, 1), 50)
    (loose,) = plan(paths, scattered, site=PLAIN, service_level=0.9, rng=rng())
    (exact,) = plan(paths, work(float(scattered.mean[0])), site=PLAIN, service_level=0.9, rng=rng())
    assert loose.hours > exact.hours * 1.1


def test_the_critical_ratio_plans_at_the_least_cost():
    """No other number of hours costs less on average than the newsvendor's quantile."""
    need = rng().gamma(4.0, 10.0, 4000)
    best = float(np.quantile(need, PLAIN.service_level))
    assert all(
        cost(need, best, site=PLAIN) <= cost(need, best * off, site=PLAIN) for off in (0.8, 0.95, 1.05, 1.3)
    )


def test_a_day_is_divided_whole_and_doors_follow_the_hour():
    """Shifts add up to the day; two trucks an hour at .8 turns are 2.5 doors, and a quarter more 3.1."""
    assert sum(divided(12.0, {"early": 0.6, "late": 0.6}).values()) == pytest.approx(12.0)
    assert doors_in_an_hour(200, site=PLAIN) == 4
    with pytest.raises(BadInputError, match="shares of a day"):
        divided(12.0, {"early": 0.0})
