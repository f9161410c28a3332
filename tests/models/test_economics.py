"""Economics: what alternatives are worth, what waiting costs, what comes first."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.returns import Disposition
from models import economics
from models.economics import DISPOSITIONS, GRADES, Costs, Outcome, Past

SHARES = st.lists(st.floats(0.01, 1), min_size=6, max_size=6)


def place(name: str) -> int:
    return DISPOSITIONS.index(name)


def test_a_sealed_item_goes_back_to_stock_at_full_value():
    sealed = economics.certain(np.array(["NEW_SEALED"], object))
    worth = economics.gross(sealed, np.array([100.0]))
    assert worth.mean[0].argmax() == place("RESTOCK")
    assert worth.mean[0, place("RESTOCK")] == 100.0


def test_an_item_beyond_repair_is_not_worth_repairing():
    worth = economics.net(
        economics.gross(economics.certain(np.array(["E"], object)), np.array([100.0])), np.array([2.0])
    )
    assert worth.mean[0, place("REPAIR")] < worth.mean[0, place("RECYCLE")]


@given(SHARES)
def test_expectation_lies_between_the_worst_and_best_grade(raw):
    condition = np.array([raw]) / sum(raw)
    mixed = economics.gross(condition, np.array([100.0]))
    single = [
        economics.gross(economics.certain(np.array([g], object)), np.array([100.0])).mean for g in GRADES
    ]
    assert (mixed.mean >= np.min(single, axis=0) - 1e-9).all()
    assert (mixed.mean <= np.max(single, axis=0) + 1e-9).all()
    assert (mixed.p10 <= mixed.p90).all()


def test_once_inspected_there_is_no_range_left():
    worth = economics.gross(economics.certain(np.array(["B"], object)), np.array([80.0]))
    np.testing.assert_allclose(worth.p10, worth.p90)
    np.testing.assert_allclose(worth.mean, worth.p90)


def test_an_ungraded_item_may_be_anything():
    np.testing.assert_allclose(economics.certain(np.array([None, "UNGRADED"], object)), 1 / len(GRADES))


def test_work_and_freight_come_off():
    costs = Costs(labour_per_minute=1.0, freight_fixed=5.0, freight_per_kg=2.0)
    spent = economics.expenses(("RESTOCK", "RETURN_TO_VENDOR", "NO_RETURN_KEEP"), np.array([3.0]), costs)
    np.testing.assert_allclose(spent, [[3.0, 8.0 + 5.0 + 6.0, 0.0]])


def test_an_unknown_weight_is_the_planning_default():
    known, unknown = (
        economics.expenses(("TRANSFER_SITE",), np.array([w])) for w in (Costs().weight_kg, np.nan)
    )
    np.testing.assert_array_equal(known, unknown)


def test_what_was_learned_outranks_the_prior_and_the_prior_fills_gaps():
    prior = economics.gross(economics.certain(np.array(["A"], object)), np.array([100.0]))
    nothing = np.full_like(prior.mean, np.nan)
    nothing[0, place("RESTOCK")] = 42.0
    both = economics.learned_or(prior, Outcome(tuple(Disposition), nothing, nothing, nothing))
    assert both.mean[0, place("RESTOCK")] == 42.0
    assert both.mean[0, place("REFURBISH")] == prior.mean[0, place("REFURBISH")]


def test_electronics_lose_value_faster_than_tools():
    family = np.array(["electronics", "power_tools", "unheard of"], object)
    left = economics.decay(family, np.array([28.0, 28.0, 28.0]))
    assert left[0] < left[2] < left[1] < 1.0
    assert left[0] == pytest.approx(0.945, abs=0.01)


def test_what_melts_fastest_per_minute_of_work_comes_first():
    family = np.array(["electronics", "hand_tools", "electronics"], object)
    cost = economics.cost_of_delay(np.array([500.0, 500.0, 500.0]), family)
    order = np.argsort(-economics.priority(cost, np.array([10.0, 10.0, 30.0])))
    assert order.tolist() == [0, 2, 1]


def test_what_is_worth_nothing_costs_nothing_to_keep_waiting():
    assert economics.cost_of_delay(np.array([-5.0]), np.array(["food"], object))[0] == 0.0


def test_fraud_costs_its_probability_times_the_credit():
    assert economics.fraud_loss(np.array([0.25]), np.array([400.0]))[0] == 100.0


def past(rng: np.random.Generator, n: int = 6000, weekly: float = 0.03) -> Past:
    """Lines of one family: sealed ones restocked at nine tenths, others sold open at half, both melting."""
    sealed, weeks = rng.random(n) < 0.5, rng.uniform(0, 12, n)
    share = np.where(sealed, 0.9, 0.5) * (1 - weekly) ** weeks * rng.lognormal(0, 0.1, n)
    return Past(
        share,
        np.where(sealed, "RESTOCK", "OPEN_BOX_RESALE").astype(object),
        np.where(sealed, "NEW_SEALED", "B").astype(object),
        np.full(n, "electronics", object),
        weeks,
    )


def test_shares_and_loss_of_value_are_learned_from_what_lines_brought(rng):
    learned = economics.learn(past(rng))
    assert learned.decay_per_week["electronics"] == pytest.approx(0.03, abs=0.002)
    assert learned.shares["RESTOCK"][0] == pytest.approx(0.9, abs=0.02)
    assert learned.shares["OPEN_BOX_RESALE"][GRADES.index("B")] == pytest.approx(0.5, abs=0.02)


def test_what_was_never_done_at_a_grade_is_worth_nothing_there_and_what_was_never_done_keeps_its_default(rng):
    learned = economics.learn(past(rng))
    assert learned.shares["RESTOCK"][GRADES.index("B")] == 0.0
    assert learned.shares["REFURBISH"] == Costs().shares["REFURBISH"]
    assert learned.decay_per_week["power_tools"] == Costs().decay_per_week["power_tools"]


def test_a_handful_of_lines_teaches_no_shares_and_next_to_nothing_of_the_loss(rng):
    learned = economics.learn(past(rng, n=30))
    assert learned.shares == Costs().shares
    usual = Costs().decay_per_week["electronics"]
    assert abs(learned.decay_per_week["electronics"] - usual) < 0.012
    assert economics.learn(past(rng, n=10)) == Costs()


def test_lines_under_a_wrong_grade_do_not_bend_the_loss(rng):
    lines = past(rng)
    wrong = (lines.weeks > 8) & (rng.random(len(lines.weeks)) < 0.15)
    bent = replace(lines, share=np.where(wrong, lines.share * 5, lines.share))
    assert economics.learn(bent).decay_per_week["electronics"] == pytest.approx(0.03, abs=0.006)


def test_goods_that_seem_to_gain_value_are_taken_to_lose_little_never_nothing(rng):
    gaining = past(rng, n=200, weekly=-0.002)
    assert 0 < economics.learn(gaining).decay_per_week["electronics"] < 0.005


@given(st.integers(0, 2**31), st.integers(1, 3000))
def test_what_is_learned_is_a_share_and_a_loss_that_can_be(seed, rows):
    learned = economics.learn(past(np.random.default_rng(seed), n=rows))
    assert all(0 <= rate < 1 for rate in learned.decay_per_week.values())
    assert all(share >= 0 for shares in learned.shares.values() for share in shares)


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0.1, 8)), min_size=1, max_size=6))
def test_no_other_order_waits_more_cheaply_than_the_c_mu_rule(jobs):
    cost, minutes = (np.array(column) for column in zip(*jobs, strict=True))
    ruled = economics.delay(cost, minutes, np.argsort(-economics.priority(cost, minutes), kind="stable"))
    others = (economics.delay(cost, minutes, np.array(order)) for order in permutations(range(len(jobs))))
    assert all(ruled <= other + 1e-6 for other in others)
