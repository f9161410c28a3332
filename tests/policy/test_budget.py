"""The more of a day's reviews is used up, the more the next must be worth; hard rules never yield."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from features.returns import Disposition, Money, Stage
from policy.budget import elapsed, review_threshold
from policy.guardrails import judge
from policy.policies import DEFAULT_RULES, PolicySet
from policy.verdict import Proposal, Verdict
from tests.policy.conftest import PLAIN

POLICIES = PolicySet.load(DEFAULT_RULES)
COST, BUDGET = 1500, 40
MOMENTS = st.fractions(0, 1)
COUNTS = st.integers(0, 60)


def _rules_asked(loss: int, band: str, used: int, moment: Fraction) -> set[str]:
    threshold = review_threshold(COST, budget=BUDGET, used=used, elapsed=moment)
    facts = {
        **PLAIN,
        "fraud.band": band,
        "fraud.expected_loss": loss,
        "fraud.reviews_left": max(BUDGET - used, 0),
        "fraud.review_threshold": threshold,
    }
    proposal = Proposal(Stage.AUTHORIZATION, facts, Money(11_900, "USD"), (Disposition.RECYCLE,))
    return {needed.rule for needed in judge(POLICIES, proposal, site="DAL1").approvals}


@given(used=COUNTS, more=COUNTS, moment=MOMENTS, loss=st.integers(0, 200_000))
def test_the_more_reviews_are_used_the_fewer_are_asked_for(
    used: int, more: int, moment: Fraction, loss: int
) -> None:
    assert _rules_asked(loss, "medium", used + more, moment) <= _rules_asked(loss, "medium", used, moment)


@given(used=COUNTS, moment=MOMENTS, loss=st.integers(0, 200_000))
def test_a_high_band_is_reviewed_however_little_is_left(used: int, moment: Fraction, loss: int) -> None:
    assert "FIN-11" in _rules_asked(loss, "high", used, moment)


@given(used=COUNTS, left=COUNTS, moment=MOMENTS, rest=MOMENTS)
def test_a_larger_budget_or_a_later_hour_never_raises_the_threshold(
    used: int, left: int, moment: Fraction, rest: Fraction
) -> None:
    now = review_threshold(COST, budget=BUDGET, used=used, elapsed=moment)
    later = moment + (1 - moment) * rest
    assert review_threshold(COST, budget=BUDGET, used=used, elapsed=later) <= now
    assert review_threshold(COST, budget=BUDGET + left, used=used, elapsed=moment) <= now


@given(used=COUNTS, moment=MOMENTS)
def test_within_the_pace_of_the_day_a_review_must_beat_its_own_cost_and_no_more(
    used: int, moment: Fraction
) -> None:
    threshold = review_threshold(COST, budget=BUDGET, used=used, elapsed=moment)
    assert threshold >= COST
    assert (threshold == COST) or used > BUDGET * moment


def test_half_the_budget_gone_at_dawn_makes_the_rest_dearer() -> None:
    dawn = elapsed(datetime(2026, 11, 20, 6, tzinfo=UTC))
    assert dawn == Fraction(1, 4)
    assert review_threshold(COST, budget=40, used=20, elapsed=dawn) == 2250  # ten ahead, twenty left


def test_rules_that_no_model_drives_never_look_at_the_budget(judged: Callable[..., Verdict]) -> None:
    spent = {"fraud.reviews_left": 0, "fraud.review_threshold": 10**9}
    for facts in ({"models.in_domain": False}, {"item.recalled": True}, {"credit.without_return": True}):
        assert judged({**facts, **spent}).approvals == judged(facts).approvals
    named = {rule.id for rule in POLICIES.rules if rule.when and "fraud.reviews_left" in rule.when.references}
    assert named == {"FIN-11"}
