"""What a review must be worth follows the recorded losses and the reviews left; hard rules never yield."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.returns import Disposition, Money, Stage
from policy.budget import ALWAYS, business_day, days_between, review_threshold, rung, window, zone_of
from policy.guardrails import judge
from policy.policies import DEFAULT_RULES, PolicySet
from policy.timing.calendar import Calendar
from policy.verdict import Proposal, Verdict
from tests.policy.conftest import PLAIN

POLICIES = PolicySet.load(DEFAULT_RULES)
COST, BUDGET = 1500, 40
EVERY_WEEKDAY = Calendar()
CHICAGO = ZoneInfo("America/Chicago")
MOMENTS = st.fractions(0, 1, max_denominator=1000)
REVIEWS = st.integers(0, 60)
LOSSES = st.integers(0, 200_000)
# Losses of some days as they are recorded: by their rung, those of a high band apart.
RECORDED = st.lists(LOSSES | st.just(ALWAYS), max_size=300)


def _counted(losses: list[int]) -> dict[int, int]:
    rungs = [loss if loss == ALWAYS else rung(loss) for loss in losses]
    return {one: rungs.count(one) for one in rungs}


def _threshold(
    losses: list[int], *, left: int = BUDGET, to_come: Fraction = Fraction(1), days: int = 1
) -> int:
    return review_threshold(COST, left=left, to_come=to_come, counts=_counted(losses), days=days)


def _asks(loss: int, band: str, *, left: int, threshold: int) -> bool:
    known = {"fraud.band": band, "fraud.expected_loss": loss}
    budget = {"fraud.reviews_left": left, "fraud.review_threshold": threshold}
    proposal = Proposal(
        Stage.AUTHORIZATION, {**PLAIN, **known, **budget}, Money(11_900, "USD"), (Disposition.RECYCLE,)
    )
    return "FIN-11" in {needed.rule for needed in judge(POLICIES, proposal, site="DAL1").approvals}


def test_the_threshold_is_the_loss_above_which_as_many_come_as_are_left() -> None:
    """A hundred returns a day with losses of 10, 20 … 1,000 USD, forty reviews: those above 600 USD."""
    losses = [1000 * number for number in range(1, 101)]
    assert _threshold(losses * 5, days=5) == 60_999  # kept to two digits: the rung 60,000 to 60,999
    assert _threshold(losses * 5, days=5, to_come=Fraction(1, 2)) == 20_999
    assert _threshold(losses * 5, days=5, left=10) == 90_999
    assert _threshold(losses, days=5) == COST  # twenty a day: there is time for all of them


def test_returns_that_are_reviewed_in_any_case_take_their_share_first() -> None:
    losses = [1000 * number for number in range(1, 101)]
    assert _threshold([*losses, *[ALWAYS] * 30]) == 90_999
    assert _threshold([*losses, *[ALWAYS] * 300]) == 100_000 + 9_999  # not even they fit in


def test_a_site_without_recorded_losses_asks_for_what_is_worth_its_cost() -> None:
    assert _threshold([], days=0) == COST


@given(losses=RECORDED, left=REVIEWS, days=st.integers(1, 20), to_come=MOMENTS)
def test_no_more_reviews_are_expected_than_are_left(
    losses: list[int], left: int, days: int, to_come: Fraction
) -> None:
    threshold = _threshold(losses, left=left, days=days, to_come=to_come)
    chosen = sum(loss > threshold for loss in losses)
    in_any_case = losses.count(ALWAYS)
    assert threshold >= COST
    assert chosen == in_any_case or Fraction(chosen, days) * to_come <= left


@given(losses=RECORDED, left=REVIEWS, fewer=REVIEWS, to_come=MOMENTS, passed=MOMENTS)
def test_more_reviews_left_or_a_later_hour_never_raise_the_threshold(
    losses: list[int], left: int, fewer: int, to_come: Fraction, passed: Fraction
) -> None:
    now = _threshold(losses, left=left, to_come=to_come)
    assert _threshold(losses, left=left + fewer, to_come=to_come) <= now
    assert _threshold(losses, left=left, to_come=to_come * (1 - passed)) <= now


@given(losses=RECORDED, left=REVIEWS, fewer=REVIEWS, to_come=MOMENTS, loss=LOSSES)
def test_the_fewer_reviews_are_left_the_fewer_are_asked_for(
    losses: list[int], left: int, fewer: int, to_come: Fraction, loss: int
) -> None:
    then, now = (
        _asks(loss, "medium", left=each, threshold=_threshold(losses, left=each, to_come=to_come))
        for each in (left, left + fewer)
    )
    assert then <= now


@given(losses=RECORDED, left=REVIEWS, to_come=MOMENTS, loss=LOSSES)
def test_a_high_band_is_reviewed_however_little_is_left(
    losses: list[int], left: int, to_come: Fraction, loss: int
) -> None:
    assert _asks(loss, "high", left=left, threshold=_threshold(losses, left=left, to_come=to_come))


@given(loss=st.integers(0, 10**12))
def test_a_rung_is_the_loss_to_two_digits(loss: int) -> None:
    assert rung(loss) <= loss < rung(loss) * 1.1 + 1
    assert rung(rung(loss)) == rung(loss)
    assert len(str(rung(loss)).rstrip("0")) <= 2


@pytest.mark.parametrize(
    ("now", "day", "to_come"),
    [
        (datetime(2026, 11, 20, 18, tzinfo=UTC), date(2026, 11, 20), Fraction(1, 2)),  # noon in Chicago
        (datetime(2026, 11, 20, 5, 59, tzinfo=UTC), date(2026, 11, 19), Fraction(1, 24 * 60)),
        (datetime(2026, 11, 21, 6, tzinfo=UTC), date(2026, 11, 23), Fraction(1)),  # Saturday waits for Monday
        (datetime(2026, 11, 23, 6, tzinfo=UTC), date(2026, 11, 23), Fraction(1, 3)),
        (datetime(2026, 11, 1, 6, tzinfo=UTC), date(2026, 11, 2), Fraction(48, 73)),  # the clocks go back
    ],
)
def test_a_business_day_is_that_of_the_site(now: datetime, day: date, to_come: Fraction) -> None:
    found = business_day(now, zone=CHICAGO, calendar=EVERY_WEEKDAY)
    assert (found.date, found.to_come) == (day, to_come)


def test_returns_of_a_closed_day_wait_for_the_next_open_one() -> None:
    holiday = Calendar(frozenset({date(2026, 11, 26)}))
    thanksgiving = datetime(2026, 11, 26, 18, tzinfo=UTC)
    assert business_day(thanksgiving, zone=CHICAGO, calendar=holiday).date == date(2026, 11, 27)
    assert days_between(date(2026, 11, 23), date(2026, 11, 30), holiday) == 4


def test_the_window_is_twenty_business_days() -> None:
    first = window(date(2026, 11, 20), EVERY_WEEKDAY)
    assert days_between(first, date(2026, 11, 20), EVERY_WEEKDAY) == 20
    assert date(2026, 11, 20) - first == timedelta(days=28)


@pytest.mark.parametrize("register", [{}, {"time_zone": "Nowhere/At-All"}, {"time_zone": 3}])
def test_a_site_without_a_time_zone_keeps_utc(register: dict[str, object]) -> None:
    assert zone_of(register) is UTC or zone_of(register) == ZoneInfo("UTC")


def test_rules_that_no_model_drives_never_look_at_the_budget(judged: Callable[..., Verdict]) -> None:
    spent = {"fraud.reviews_left": 0, "fraud.review_threshold": 10**9}
    for facts in ({"models.in_domain": False}, {"item.recalled": True}, {"credit.without_return": True}):
        assert judged({**facts, **spent}).approvals == judged(facts).approvals
    named = {rule.id for rule in POLICIES.rules if rule.when and "fraud.reviews_left" in rule.when.references}
    assert named == {"FIN-11"}


def test_the_budget_is_somebodys() -> None:
    assert POLICIES.base.budgets == {"fraud_reviewer": BUDGET}
