"""Customers and what they buy: seasonal, regional sales of which some will come back."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final

import numpy as np
import pandas as pd

from training.simulator.behaviour import (
    ACCOUNT_AGE_DAYS,
    AGE_BIN_BY_TYPE,
    CHANNEL_SHARE,
    LAG_MEDIAN_DAYS,
    LAG_SIGMA,
    TASTE,
    TIER_BY_TYPE,
    TYPE_SHARE,
    TYPES,
    return_rates,
)
from training.simulator.catalogue import FAMILIES, SKUS_PER_FAMILY, Array, Catalogue, family_figure

REGIONS: Final = np.array(["US-SOUTH", "US-WEST", "US-NORTHEAST", "US-MIDWEST"], object)
REGION_SHARE: Final = np.array([0.30, 0.25, 0.25, 0.20])
SITES: Final = np.array(["DAL1", "RNO1", "EWR1", "CHI1"], object)
ACQUIRED_SITE: Final = 3
ACQUIRED_AFTER_SHARE: Final = 0.5  # of the simulated days; until then the Midwest returns to Dallas
DAYS: Final = 1096
SALES_PER_CUSTOMER: Final = 10.0
YEARLY_TREND: Final = 1.06
WEEKDAY: Final = np.array([1.15, 1.10, 1.05, 1.05, 1.10, 0.85, 0.70])
MONTH: Final = np.array([0.92, 0.92, 0.98, 1.0, 1.02, 1.0, 0.98, 0.98, 0.98, 1.0, 1.02, 1.30])
GIFT_DAYS: Final = (10, 28)  # of December
GIFT_PEAK: Final = 1.75
# Who sells what where, relative to the family's share: hvac to the South, lighting to the North-East, ...
REGION_TASTE: Final = 1 + 0.35 * np.sin(np.arange(4)[:, None] * 2.1 + np.arange(len(FAMILIES)) * 1.3)
CONTRACT_QUANTITY: Final = np.array([0.12, 0.30, 0.55])  # geometric tail of the quantity, by channel


@dataclass(frozen=True, slots=True)
class Customers:
    """Customers as arrays; `kind` indexes TYPES and is hidden from every model."""

    kind: Array
    tier: Array
    account_age: Array  # days, at the start of the world
    region: Array
    activity: Array  # relative rate of buying; sums to one


@dataclass(frozen=True, slots=True)
class Sales:
    """Sales lines as arrays of one length; `sold` in days since the start of the world."""

    customer: Array
    product: Array
    family: Array
    brand_rank: Array
    channel: Array
    region: Array
    price: Array  # paid, dollars a unit
    quantity: Array
    sold: Array
    cause: Array  # why it will come back, -1 if never; hidden
    requested: Array  # days since the start of the world, inf if never

    def take(self, rows: Array) -> Sales:
        """Return the chosen lines."""
        return Sales(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def draw_customers(count: int, rng: np.random.Generator) -> Customers:
    """Draw customers with their hidden type and what it hints at: tier and age of the account."""
    kind = rng.choice(len(TYPES), count, p=TYPE_SHARE)
    age_bin = (rng.random(count) > AGE_BIN_BY_TYPE[kind, 0]).astype(int)
    low, high = ACCOUNT_AGE_DAYS[age_bin], ACCOUNT_AGE_DAYS[age_bin + 1]
    activity = rng.gamma(1.2, size=count)
    return Customers(
        kind=kind,
        tier=draw_rows(TIER_BY_TYPE[kind], rng),
        account_age=rng.uniform(low, high),
        region=rng.choice(REGIONS.size, count, p=REGION_SHARE),
        activity=activity / activity.sum(),
    )


def draw_rows(probabilities: Array, rng: np.random.Generator) -> Array:
    """Draw one column per row of a matrix of probabilities."""
    cumulative = np.cumsum(probabilities, axis=-1)
    drawn = (rng.random(len(probabilities))[:, None] * cumulative[:, -1:] > cumulative).sum(axis=1)
    return np.asarray(drawn)


def family_law() -> Array:
    """P(family bought | type, region), shape (types, regions, families)."""
    law = family_figure("share") * TASTE[:, None, :] * REGION_TASTE[None]
    return np.asarray(law / law.sum(axis=2, keepdims=True))


def draw_sales(
    count: int, *, customers: Customers, catalogue: Catalogue, start: datetime, rng: np.random.Generator
) -> Sales:
    """Draw independent sales lines and, for each, whether, why and when it comes back."""
    customer = rng.choice(customers.kind.size, count, p=customers.activity)
    kind, region = customers.kind[customer], customers.region[customer]
    family = draw_rows(family_law()[kind, region], rng)
    product = family * SKUS_PER_FAMILY + rng.integers(SKUS_PER_FAMILY, size=count)
    channel = rng.choice(CHANNEL_SHARE.size, count, p=CHANNEL_SHARE)
    price = (catalogue.price[product] * rng.uniform(0.8, 1.0, count)).round(2)
    sold = rng.choice(DAYS, count, p=day_weights(start)) + rng.uniform(7 / 24, 21 / 24, count)
    rank = catalogue.brand_rank[product]
    rates = return_rates(family, rank, channel, price)[np.arange(count), kind]
    cause = draw_rows(np.column_stack([1 - rates.sum(axis=1), rates]), rng) - 1
    lag = rng.lognormal(np.log(LAG_MEDIAN_DAYS[cause]), LAG_SIGMA[cause]) + 1e-4
    return Sales(
        customer=customer, product=product, family=family, brand_rank=rank, channel=channel, region=region,
        price=price, quantity=1 + rng.geometric(1 - CONTRACT_QUANTITY[channel]) - 1, sold=sold, cause=cause,
        requested=np.where(cause >= 0, sold + lag, np.inf),
    )  # fmt: skip


def day_weights(start: datetime) -> Array:
    """Share of the sales on every day: trend, month, weekday and the days of gifts."""
    days = pd.date_range(start, periods=DAYS, freq="D")
    december = (days.month == 12) & (days.day >= GIFT_DAYS[0]) & (days.day <= GIFT_DAYS[1])  # noqa: PLR2004
    weights = MONTH[days.month - 1] * WEEKDAY[days.dayofweek] * YEARLY_TREND ** (np.arange(DAYS) / 365.25)
    weights = weights * np.where(december, GIFT_PEAK, 1.0)
    return np.asarray(weights / weights.sum())


def receiving_site(region: Array, day: Array, rng: np.random.Generator) -> Array:
    """Index of the site that receives: the region's own once acquired, some strays elsewhere."""
    home = np.where((region == ACQUIRED_SITE) & (day < ACQUIRED_AFTER_SHARE * DAYS), 0, region)
    strays = rng.random(region.size) < 0.04  # noqa: PLR2004  planning default
    return np.where(strays, rng.integers(ACQUIRED_SITE, size=region.size), home)
