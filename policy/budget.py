"""How choosy a rule that only a model drives has to be, so that a day's reviews last the day."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction

DAY = 24 * 60 * 60  # seconds


def review_threshold(cost: int, *, budget: int, used: int, elapsed: Fraction) -> int:
    """The expected loss above which a review is worth one of those that are left.

    Within its pace (a budget used up as evenly as the day passes) that is the cost of a review. Ahead of it,
    every review that is used too early makes the rest dearer: cost x (1 + ahead / left). Using more or having
    a smaller budget never lowers it; later in the day never raises it. Where nothing is left the fact
    `fraud.reviews_left` closes the rule, whatever the threshold.

    Parameters
    ----------
    cost : int
        Cost of a review and of its friction, minor units.
    budget, used : int
        Reviews of the site and day, and those that were asked for so far.
    elapsed : Fraction
        Share of the day that has passed, 0 to 1.
    """
    ahead = max(used - budget * elapsed, Fraction(0))
    left = max(budget - used, 1)
    return int(cost * (1 + ahead / left))


def elapsed(now: datetime) -> Fraction:
    """The share of its day that has passed at `now`."""
    return Fraction(now.hour * 3600 + now.minute * 60 + now.second, DAY)
