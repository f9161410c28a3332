"""How many returns to expect of a customer: the flow of requests by region, type and day, summed exactly.

Sales of a customer are a Poisson process given type, level and market; so are the requests that come of
them. A customer who has not asked for anything is evidence too, by the requests that might have come.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.simulator.draws.sales import REQUEST_HOURS, Scene
from training.simulator.laws.catalogue import FAMILIES, Array
from training.simulator.laws.claims import ABUSE, CAUSES, LONGEST, acceptance, era, lag_law, window
from training.simulator.laws.market import CHANNEL_SHARE, Market
from training.simulator.laws.people import DAYS_A_WEEK, TASTE, TYPES


@dataclass(frozen=True, slots=True)
class Flow:
    """Expected requests of a customer of level 1, by day: shape (regions, types, days)."""

    honest: Array  # for any cause but abuse
    abuse: Array  # of somebody whose state is on

    def until(self, region: Array, moment: Array) -> Array:
        """Expected requests from the start of the world to a moment, shape (n, types); the state on."""
        return _until(self.honest + self.abuse, region, moment, np.zeros_like(region))

    def within_week(self, region: Array, kind: int, moment: Array) -> tuple[Array, Array]:
        """Expected honest and abusive requests of one type from the start of the week to a moment."""
        monday = np.floor(moment).astype(int) // DAYS_A_WEEK * DAYS_A_WEEK
        honest, abuse = (
            _until(table, region, moment, monday)[:, kind] for table in (self.honest, self.abuse)
        )
        return honest, abuse

    def by_week(self, kind: int) -> tuple[Array, Array]:
        """Expected honest and abusive requests of one type in whole weeks, each (regions, weeks)."""
        starts = np.arange(0, self.honest.shape[2], DAYS_A_WEEK)
        honest, abuse = (
            np.add.reduceat(table[:, kind], starts, axis=1) for table in (self.honest, self.abuse)
        )
        return honest, abuse


def flow(scene: Scene) -> Flow:
    """Sum the flow over everything that could have been sold: products, channels, days and lags."""
    coming = returning(scene.market)
    rates = np.einsum("c,pczu->pzu", CHANNEL_SHARE, scene.rates)
    rates = rates.reshape(len(FAMILIES), -1, len(TYPES), len(CAUSES)).mean(axis=1)
    rates = rates * TASTE.T[:, :, None]
    honest = [cause for cause in range(len(CAUSES)) if cause != ABUSE]
    claimed = acceptance()[era(np.arange(scene.market.days))]
    return Flow(
        honest=np.einsum("fzu,rfud->rzd", rates[:, :, honest], coming[:, :, honest]),
        abuse=np.einsum("fz,rfd,dzf->rzd", rates[:, :, ABUSE], coming[:, :, ABUSE], claimed),
    )


def returning(market: Market) -> Array:
    """Demand shifted by the lags of every cause within its window, shape (regions, families, causes, days).

    What would come back on a day if everything sold came back for this cause.
    """
    law, limit = lag_law(), window(market.extended)
    coming = np.zeros((*market.demand.shape[:2], len(CAUSES), market.days))
    for cause in range(len(CAUSES)):
        for lag in range(1, min(LONGEST, market.days - 1) + 1):
            taken = market.demand[:, :, :-lag] * (limit[:-lag, cause] >= lag)
            coming[:, :, cause, lag:] += law[cause, lag] * taken
    return coming


def _until(table: Array, region: Array, moment: Array, start: Array) -> Array:
    """Sum of days from `start` to a moment; within its day requests come evenly over REQUEST_HOURS."""
    before = np.concatenate([np.zeros((*table.shape[:2], 1)), np.cumsum(table, axis=2)], axis=2)
    day = np.floor(moment).astype(int)
    opens, closes = REQUEST_HOURS
    share = np.clip((moment - day - opens) / (closes - opens), 0, 1)[:, None]
    return np.asarray(before[region, :, day] + share * table[region, :, day] - before[region, :, start])
