"""What the true process says of coming returns: every law known, of chance only what has happened by then.

Open sales come back by their own product's and channel's rates, given that they have not come back yet; who
bought is averaged over the types. Coming sales follow the laws of the market: calendar, offers, shocks that
die away and gamma noise, drawn anew for every path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from training.simulator.draws.lines import World
from training.simulator.laws.catalogue import FAMILIES, FAMILY_NAMES, Array, family_figure
from training.simulator.laws.claims import ABUSE, CAUSES, LONGEST, acceptance, era, lag_law, window
from training.simulator.laws.market import (
    CHANNEL_SHARE,
    GAMMA_SHAPE,
    PROMOTION,
    PROMOTION_DAYS,
    PROMOTIONS_A_YEAR,
    REGION_TASTE,
    REGIONS,
    SALES_A_DAY,
    SHOCK_MEMORY,
    SHOCK_SIGMA,
    calendar_factor,
)
from training.simulator.laws.people import LEVEL_BY_TYPE, LEVELS, TASTE, TYPE_SHARE, TYPES

ON_OFFER: Final = PROMOTIONS_A_YEAR * PROMOTION_DAYS / 365
CELLS: Final = tuple((str(region), str(family)) for region in REGIONS for family in FAMILY_NAMES)


@dataclass(frozen=True, slots=True)
class Process:
    """The laws of a world laid out by region, family and day.

    Parameters
    ----------
    steady : ndarray of shape (regions, families, days)
        Expected sales a day without chance: level, calendar.
    rates : ndarray of shape (products, channels, causes)
        P(meant to come back), averaged over who buys.
    share : ndarray of shape (families, causes, days)
        Share of what is meant to come back on a day that is taken: tactics of abuse shift.
    """

    world: World
    steady: Array
    rates: Array
    share: Array

    def paths(self, origin: int, *, horizon: int, paths: int, rng: np.random.Generator) -> Array:
        """Draw returns of every cell after `origin` days; shape (paths, regions * families, horizon)."""
        fixed = self._of_open_sales(origin, horizon)
        coming = self._sales(origin, horizon, paths, rng)
        back = self._of_sales(coming, origin)
        mean = np.maximum(fixed[None] + back, 0.0)
        return np.asarray(rng.poisson(mean).reshape(paths, len(CELLS), horizon))

    def _of_open_sales(self, origin: int, horizon: int) -> Array:
        """Expected returns of what was sold and has not come back, shape (regions, families, horizon)."""
        sales, law = self.world.sales, lag_law()
        day = np.floor(sales.sold).astype(int)
        open_ = (day < origin) & (day >= origin - LONGEST) & (sales.requested >= origin)
        sold, family = day[open_], sales.family[open_]
        region = sales.region[open_]
        rate = self.rates[sales.product[open_], sales.channel[open_]]
        limit = window(self.world.scene.market.extended[sold])
        gone = np.cumsum(law, axis=1)[
            np.arange(len(CAUSES)), np.minimum(np.minimum(origin - 1 - sold[:, None], limit), LONGEST)
        ]
        left = rate / (1 - (rate * gone).sum(1, keepdims=True))
        found = np.zeros((REGIONS.size, len(FAMILIES), horizon))
        for ahead in range(horizon):
            lag = origin + ahead - sold
            inside = (lag[:, None] <= limit) & (lag[:, None] <= LONGEST)
            chance = np.where(inside, law[:, np.minimum(lag, LONGEST)].T, 0.0) * left
            chance = chance * self.share[family, :, origin + ahead]
            np.add.at(found[:, :, ahead], (region, family), chance.sum(1))
        return found

    def _sales(self, origin: int, horizon: int, paths: int, rng: np.random.Generator) -> Array:
        """Draw expected sales of coming days, shape (paths, regions, families, horizon)."""
        shape = (paths, REGIONS.size, len(FAMILIES), horizon)
        weeks = origin // PROMOTION_DAYS + np.arange(-(-horizon // PROMOTION_DAYS) + 1)
        offers = np.where(rng.random((paths, len(FAMILIES), weeks.size)) < ON_OFFER, PROMOTION, 1.0)
        week = (origin + np.arange(horizon)) // PROMOTION_DAYS - weeks[0]
        noise = rng.gamma(GAMMA_SHAPE, 1 / GAMMA_SHAPE, shape)
        innovation = rng.normal(0, SHOCK_SIGMA * np.sqrt(1 - SHOCK_MEMORY**2), shape)
        start = self._shock(origin)
        innovation[..., 0] += SHOCK_MEMORY * start + rng.normal(0, SHOCK_SIGMA / 2, shape[:3])
        shocks = np.exp(lfilter([1.0], [1.0, -SHOCK_MEMORY], innovation, axis=3))
        steady = self.steady[:, :, origin : origin + horizon]
        return np.asarray(steady * offers[:, None][..., week] * noise * shocks)

    def _shock(self, origin: int) -> Array:
        """Filter the last known state of the shocks out of the public market, by its steady gain."""
        market = self.world.scene.market
        usual = self._usual()[:, :, :origin]
        seen = np.log(market.demand[:, :, :origin] / usual)
        seen = seen - seen.mean(2, keepdims=True)
        noise = seen.var() - SHOCK_SIGMA**2
        known = SHOCK_SIGMA**2
        for _ in range(100):  # the Riccati equation settles within days
            ahead = SHOCK_MEMORY**2 * known + SHOCK_SIGMA**2 * (1 - SHOCK_MEMORY**2)
            known = ahead * noise / (ahead + noise)
        gain = ahead / (ahead + noise)
        return np.asarray(lfilter([gain], [1.0, -(1 - gain) * SHOCK_MEMORY], seen, axis=2)[:, :, -1])

    def _usual(self) -> Array:
        return _usual(self.world)

    def _of_sales(self, sales: Array, origin: int) -> Array:
        """Expected returns of coming sales within the horizon, by the mean rates of their family."""
        horizon, law = sales.shape[3], lag_law()
        mean = (
            np.einsum("c,pcu->pu", CHANNEL_SHARE, self.rates).reshape(len(FAMILIES), -1, len(CAUSES)).mean(1)
        )
        found = np.zeros_like(sales)
        for lag in range(1, horizon):
            weight = np.einsum("fu,u,fud->fd", mean, law[:, lag], self.share[:, :, origin : origin + horizon])
            found[..., lag:] += sales[..., :-lag] * weight[:, lag:]
        return found


def process(world: World) -> Process:
    """Lay the laws of a world out."""
    levels = LEVEL_BY_TYPE @ LEVELS * TYPE_SHARE
    bought = levels[:, None] * TASTE  # types, families
    who = bought / bought.sum(0)
    product_family = np.repeat(np.arange(len(FAMILIES)), world.scene.rates.shape[0] // len(FAMILIES))
    rates = np.einsum("pczu,zp->pcu", world.scene.rates, who[:, product_family])
    days = world.scene.market.days + LONGEST
    share = np.ones((len(FAMILIES), len(CAUSES), days))
    abuse = np.einsum("pczu,zp->pzu", world.scene.rates, who[:, product_family])[:, :, ABUSE]
    abuse = abuse.reshape(len(FAMILIES), -1, len(TYPES)).mean(1)
    taken = acceptance()[era(np.arange(days))]  # days, types, families
    share[:, ABUSE] = np.einsum("fz,dzf->fd", abuse / abuse.sum(1, keepdims=True), taken)
    return Process(world, _steady(world), rates, share)


def _usual(world: World) -> Array:
    shares = family_figure("share") * REGION_TASTE
    steady = SALES_A_DAY * shares / shares.sum(axis=1, keepdims=True)
    market = world.scene.market
    dates = pd.date_range(market.start, periods=market.days, freq="D")
    return np.asarray(steady[:, :, None] * calendar_factor(dates))


def _steady(world: World) -> Array:
    """Expected sales of everybody, chance left out: what customers buy of what an ordinary one would."""
    customers, groups = world.scene.customers, world.scene.groups
    region = groups.region[customers.group]
    weight = np.zeros((REGIONS.size, len(FAMILIES)))
    np.add.at(weight, region, customers.level[:, None] * TASTE[customers.kind])
    return _usual(world) * weight[:, :, None]
