"""How much is sold where and when: season, weekdays, promotions, holidays, shocks and what is left to chance.

The drawn intensity of every region, family and day is public in this world: it stands for the sales
statistics that everybody can read. Given it, customers buy independently of one another.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import holidays
import numpy as np
import pandas as pd
from scipy.signal import lfilter

from training.simulator.laws.catalogue import FAMILIES, Array, family_figure

REGIONS: Final = np.array(["US-SOUTH", "US-WEST", "US-NORTHEAST", "US-MIDWEST"], object)
REGION_SHARE: Final = np.array([0.30, 0.25, 0.25, 0.20])
SITES: Final = np.array(["DAL1", "RNO1", "EWR1", "CHI1"], object)
ACQUIRED_SITE: Final = 3
STRAYS: Final = 0.04  # of the returns arrive at another site; planning default
DAYS: Final = 1096  # the span that a world aims at
ACQUIRED_FROM: Final = 0.5 * DAYS  # until then the Midwest returns to Dallas
CHANNELS: Final = np.array(["online", "branch", "edi"], object)
CHANNEL_SHARE: Final = np.array([0.45, 0.35, 0.20])
SALES_A_DAY: Final = 0.0096  # of a customer of level 1
YEARLY_TREND: Final = 1.06
WEEKDAY: Final = np.array([1.15, 1.10, 1.05, 1.05, 1.10, 0.85, 0.70])
MONTH: Final = np.array([0.92, 0.92, 0.98, 1.0, 1.02, 1.0, 0.98, 0.98, 0.98, 1.0, 1.02, 1.30])
GIFT_DAYS: Final = (10, 28)  # of December
GIFT_PEAK: Final = 1.9
HOLIDAY: Final = 0.55  # of an ordinary day's sales
PROMOTION_DAYS: Final = 7
PROMOTIONS_A_YEAR: Final = 5  # of every family, each for PROMOTION_DAYS
PROMOTION: Final = 1.45
SHOCK_MEMORY: Final = 0.85  # from one day to the next, of the log
SHOCK_SIGMA: Final = 0.10
GAMMA_SHAPE: Final = 15.0  # of what makes counts negative binomial
# Who sells what where, relative to the family's share: hvac to the South, lighting to the North-East, ...
REGION_TASTE: Final = 1 + 0.35 * np.sin(np.arange(4)[:, None] * 2.1 + np.arange(len(FAMILIES)) * 1.3)
EXTENSION_MONTHS: Final = (11, 12)  # sales of which may come back longer: the season of gifts


@dataclass(frozen=True, slots=True)
class Market:
    """The public environment of a world.

    Parameters
    ----------
    demand : ndarray of shape (regions, families, days)
        Expected sales a day of one ordinary customer of level 1, given every shock.
    extended : ndarray of shape (days,), bool
        Whether what is sold on the day may come back longer.
    """

    start: datetime
    demand: Array
    extended: Array

    @property
    def days(self) -> int:
        """How many days are laid out."""
        return self.extended.size


def draw_market(days: int, *, start: datetime, rng: np.random.Generator) -> Market:
    """Draw shocks, promotions and gamma factors, and lay them over the calendar."""
    dates = pd.date_range(start, periods=days, freq="D")
    shares = family_figure("share") * REGION_TASTE
    steady = SALES_A_DAY * shares / shares.sum(axis=1, keepdims=True)
    shape = (REGIONS.size, len(FAMILIES), days)
    noise = rng.gamma(GAMMA_SHAPE, 1 / GAMMA_SHAPE, shape)
    chance = _promotions(days, rng)[None] * _shocks(shape, rng) * noise
    demand = steady[:, :, None] * calendar_factor(dates) * chance
    return Market(start, demand, np.asarray(dates.month.isin(EXTENSION_MONTHS)))


def calendar_factor(dates: pd.DatetimeIndex) -> Array:
    """What the date alone does to sales: trend, month, weekday, gifts and public holidays."""
    gifts = (dates.month == 12) & (dates.day >= GIFT_DAYS[0]) & (dates.day <= GIFT_DAYS[1])  # noqa: PLR2004
    free = holidays.country_holidays("US", years=range(dates[0].year, dates[-1].year + 1))
    closed = np.array([date in free for date in dates.date])
    factor = (
        MONTH[dates.month - 1] * WEEKDAY[dates.dayofweek] * YEARLY_TREND ** (np.arange(dates.size) / 365.25)
    )
    return np.asarray(factor * np.where(gifts, GIFT_PEAK, 1.0) * np.where(closed, HOLIDAY, 1.0))


def _promotions(days: int, rng: np.random.Generator) -> Array:
    """Factor by family and day: weeks in which a family is on offer."""
    weeks = -(-days // PROMOTION_DAYS)
    on = rng.random((len(FAMILIES), weeks)) < PROMOTIONS_A_YEAR * PROMOTION_DAYS / 365
    return np.where(np.repeat(on, PROMOTION_DAYS, axis=1)[:, :days], PROMOTION, 1.0)


def _shocks(shape: tuple[int, int, int], rng: np.random.Generator) -> Array:
    """Autoregressive factors of mean about one, for every region and family."""
    innovation = rng.normal(0, SHOCK_SIGMA * np.sqrt(1 - SHOCK_MEMORY**2), shape)
    innovation[:, :, 0] = rng.normal(0, SHOCK_SIGMA, shape[:2])
    return np.asarray(np.exp(lfilter([1.0], [1.0, -SHOCK_MEMORY], innovation, axis=2)))


def receiving_site(region: Array, day: Array, rng: np.random.Generator) -> Array:
    """Index of the site that receives: the region's own once acquired, some strays elsewhere."""
    home = np.where((region == ACQUIRED_SITE) & (day < ACQUIRED_FROM), 0, region)
    strays = rng.random(region.size) < STRAYS
    return np.where(strays, rng.integers(ACQUIRED_SITE, size=region.size), home)
