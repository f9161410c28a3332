"""Sales lines, and which of them come back why and when."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from training.simulator.draws.people import Customers, Groups, draw_rows
from training.simulator.laws.catalogue import FAMILIES, SKUS_PER_FAMILY, Array, Catalogue
from training.simulator.laws.claims import ABUSE, CAUSES, acceptance, era, lag_law, window
from training.simulator.laws.market import CHANNEL_SHARE, REGIONS, Market
from training.simulator.laws.people import ABUSE_BY_STATE, DAYS_A_WEEK, TASTE, TYPES

CONTRACT_QUANTITY: Final = np.array([0.12, 0.30, 0.55])  # geometric tail of the quantity, by channel
SHOP_HOURS: Final = (7 / 24, 21 / 24)
REQUEST_HOURS: Final = (8 / 24, 20 / 24)


@dataclass(frozen=True, slots=True)
class Sales:
    """Sales lines as arrays of one length; `sold` in days since the start of the world."""

    customer: Array
    product: Array
    family: Array
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


@dataclass(frozen=True, slots=True)
class Scene:
    """All that stands before the first sale: products, their rates of return, the market and the people."""

    catalogue: Catalogue
    rates: Array  # (products, channels, types, causes)
    market: Market
    groups: Groups
    customers: Customers


def draw_sales(scene: Scene, rng: np.random.Generator) -> Sales:
    """Draw every customer's sales, a Poisson process given the market, and what comes back of them."""
    customer, family, day = _draw_cells(scene, rng)
    count, kind = customer.size, scene.customers.kind[customer]
    product = family * SKUS_PER_FAMILY + rng.integers(SKUS_PER_FAMILY, size=count)
    channel = rng.choice(CHANNEL_SHARE.size, count, p=CHANNEL_SHARE)
    rates = scene.rates[product, channel, kind]
    cause = draw_rows(np.column_stack([1 - rates.sum(axis=1), rates]), rng) - 1
    return Sales(
        customer=customer,
        product=product,
        family=family,
        channel=channel,
        region=scene.groups.region[scene.customers.group[customer]],
        price=(scene.catalogue.price[product] * rng.uniform(0.8, 1.0, count)).round(2),
        quantity=rng.geometric(1 - CONTRACT_QUANTITY[channel]),
        sold=day + rng.uniform(*SHOP_HOURS, count),
        cause=cause,
        requested=_requested(scene, (customer, family, day, cause), rng),
    )


def _draw_cells(scene: Scene, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Draw customer, family and day of every sale."""
    customers, demand = scene.customers, scene.market.demand
    region = scene.groups.region[customers.group]
    found = []
    for place in range(REGIONS.size):
        for kind in range(len(TYPES)):
            members = np.flatnonzero((region == place) & (customers.kind == kind))
            cumulative = np.cumsum(demand[place] * TASTE[kind][:, None])
            bought = rng.poisson(customers.level[members] * cumulative[-1])
            cell = np.searchsorted(cumulative, rng.random(bought.sum()) * cumulative[-1], side="right")
            found.append((np.repeat(members, bought), *np.divmod(cell, scene.market.days)))
    customer, family, day = (np.concatenate(parts) for parts in zip(*found, strict=True))
    assert family.size == 0 or family.max() < len(FAMILIES)
    return customer, family, day


def _requested(scene: Scene, sale: tuple[Array, Array, Array, Array], rng: np.random.Generator) -> Array:
    """Return when each sale comes back: infinity if it never does, comes too late, or a ring lies low."""
    customer, family, day, cause = sale
    law = lag_law()
    lag = np.zeros(cause.size, int)
    for number in range(len(CAUSES)):
        rows = np.flatnonzero(cause == number)
        lag[rows] = np.searchsorted(np.cumsum(law[number]), rng.random(rows.size), side="right")
    back, limit = day + lag, window(scene.market.extended[day])[np.arange(cause.size), cause]
    comes = (cause >= 0) & (lag <= limit) & (back < scene.market.days)
    abuse = np.flatnonzero(comes & (cause == ABUSE))
    share = acceptance()[era(back[abuse]), scene.customers.kind[customer[abuse]], family[abuse]]
    on = scene.groups.on[scene.customers.group[customer[abuse]], back[abuse] // DAYS_A_WEEK]
    comes[abuse] = rng.random(abuse.size) < share * ABUSE_BY_STATE[on.astype(int)]
    return np.where(comes, back + rng.uniform(*REQUEST_HOURS, cause.size), np.inf)
