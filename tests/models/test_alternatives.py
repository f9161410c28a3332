"""Alternatives: a known grade asks the recovery model, an unknown one weighs what each grade brought."""

import numpy as np
import pytest

from features.table import take
from models import alternatives, condition, economics, recovery
from models.economics import DISPOSITIONS


@pytest.fixture
def models(world, quick):
    train, later = world()
    rng = np.random.default_rng(1)
    graded = condition.fit(train, train["grade"], rng=rng, params=quick)
    return graded, recovery.fit(train, train["recovered"], rng=rng, params=quick), later


def blind(table):
    return {name: values for name, values in table.items() if name != "grade"}


def place(name: str) -> int:
    return DISPOSITIONS.index(name)


def test_an_item_that_will_be_found_worn_is_worth_less_before_anybody_looked(models):
    graded, brought, later = models
    fresh, old = (
        blind(take(later, np.flatnonzero((later["family"] == "apparel") & late)))
        for late in (
            (later["requested_at"] - later["sold_at"]) < np.timedelta64(20, "D"),
            (later["requested_at"] - later["sold_at"]) > np.timedelta64(40, "D"),
        )
    )
    worth = [alternatives.weigh(t, condition=graded, recovery=brought).mean for t in (fresh, old)]
    shares = [w[:, place("RESTOCK")].mean() for w in worth]
    assert shares[0] > 3 * max(shares[1], 1.0)


def test_before_inspection_the_mean_is_the_grades_mixture(models):
    graded, brought, later = models
    table = blind(take(later, np.arange(50)))
    found = alternatives.weigh(table, condition=graded, recovery=brought).mean
    chances = alternatives.grades(table, graded)
    pure = np.stack(
        [
            economics.net(
                economics.gross(
                    np.tile(row, (50, 1)), alternatives.value_by_now(table, brought.costs), brought.costs
                ),
                np.full(50, np.nan),
                brought.costs,
            ).mean
            for row in np.eye(len(economics.GRADES))
        ]
    )
    np.testing.assert_allclose(found, np.einsum("ng,gnd->nd", chances, pure))


def test_a_line_is_answered_the_same_alone_and_among_others_of_both_kinds(models):
    graded, brought, later = models
    mixed = {**later, "grade": np.where(np.arange(len(later["grade"])) % 2, later["grade"], None)}
    whole = alternatives.weigh(mixed, condition=graded, recovery=brought).mean
    for row in range(6):
        alone = alternatives.weigh(take(mixed, np.array([row])), condition=graded, recovery=brought).mean
        np.testing.assert_allclose(alone[0], whole[row])


def test_without_any_model_the_published_priors_answer(models):
    *_, later = models
    found = alternatives.weigh(take(later, np.arange(4)), condition=None, recovery=None)
    assert np.isfinite(found.mean).all()
    assert alternatives.costs_of(None) is economics.DEFAULT
