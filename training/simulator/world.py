"""A world of N returns: drawn from one generator, written as tables beside its exact truth."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from features.returns import BadInputError
from training.simulator.draws.lines import World, draw_claims, draw_outcomes
from training.simulator.draws.people import draw_customers, draw_groups
from training.simulator.draws.sales import Scene, draw_sales
from training.simulator.events import lifecycle
from training.simulator.frames import market_frame, returns_frame, sales_frame
from training.simulator.laws.catalogue import Array, Catalogue, draw_catalogue
from training.simulator.laws.claims import rate_table
from training.simulator.laws.market import DAYS, REGION_SHARE, Market, draw_market
from training.simulator.laws.people import (
    ABUSE_BY_STATE,
    HOUSEHOLD_SIZE_SHARE,
    HOUSEHOLD_SIZES,
    LEVEL_BY_TYPE,
    LEVELS,
    PROFESSIONAL,
    RING_LEVEL_SHARE,
    RING_LEVELS,
    RING_SHARE,
    RING_SIZE_SHARE,
    RING_SIZES,
    STATIONARY,
    TYPE_SHARE,
)
from training.simulator.parameters import parameters
from training.simulator.truth.flow import Flow, flow
from training.simulator.truth.predict import truth

SPARE: Final = 12.0  # days beyond DAYS that are laid out, in standard deviations of the number of returns
FEW: Final = 60  # returns more than asked for, so that a tiny world is not stretched over many years
TABLES: Final = ("returns", "sales", "market", "events", "truth")
IDS: Final = (
    *("id", "return_line_id", "rma_number", "order_number", "invoice_number"),
    *("customer_id", "address_id", "device_id", "serial", "serial_shipped", "serial_found"),
)


@dataclass(frozen=True, slots=True)
class Tables:
    """The written form of a world."""

    returns: pd.DataFrame
    sales: pd.DataFrame
    market: pd.DataFrame
    events: pd.DataFrame
    truth: pd.DataFrame
    parameters: dict[str, Any]


def simulate(*, returns: int, rng: np.random.Generator, start: datetime) -> Tables:
    """Simulate sales over DAYS days from `start` until exactly `returns` of them have come back.

    Raises
    ------
    BadInputError
        If `returns` is not at least one.
    """
    if returns < 1:
        raise BadInputError(
            f"--returns {returns}: a world needs at least one return; give a positive number."
        )
    return tables_of(draw_world(returns, rng=rng, start=start), rng)


def tables_of(world: World, rng: np.random.Generator, *, block: int | None = None) -> Tables:
    """Write a world down as tables; the ids of a block are its own."""
    frame, sales = returns_frame(world), sales_frame(world, rng)
    if block is not None:
        frame, sales = (_of_block(table, block) for table in (frame, sales))
    exact = truth(world)
    exact.insert(0, "return_line_id", frame["return_line_id"])
    events = lifecycle(frame, rng)
    return Tables(
        returns=frame.drop(columns="propensity"),
        sales=sales,
        market=market_frame(world),
        events=events if block is None else _of_block(events, block),
        truth=exact,
        parameters={"returns": len(frame), **parameters(world)},
    )


def _of_block(table: pd.DataFrame, block: int) -> pd.DataFrame:
    """Return the table with the block's number in every id: RMA-0000007/1 becomes RMA-b003-0000007/1."""
    named = {
        name: table[name].str.replace("-", f"-b{block:03d}-", n=1, regex=False)
        for name in IDS
        if name in table
    }
    return table.assign(**named)


@dataclass(frozen=True, slots=True)
class Ground:
    """What is there before anybody buys: the products, their market, and how often they come back."""

    catalogue: Catalogue
    market: Market
    rates: Array


def draw_ground(returns: int, *, rng: np.random.Generator, start: datetime) -> Ground:
    """Draw the ground of a world, or of a block, of so many returns."""
    days = int(DAYS * (1 + _spare(returns)))
    catalogue = draw_catalogue(rng)
    return Ground(catalogue, draw_market(days, start=start, rng=rng), rate_table(catalogue))


def draw_world(returns: int, *, rng: np.random.Generator, start: datetime) -> World:
    """Draw the arrays of a world that ends with its Nth return: about DAYS days, less in tiny worlds."""
    return draw_people(returns, rng=rng, ground=draw_ground(returns, rng=rng, start=start))


def draw_people(returns: int, *, rng: np.random.Generator, ground: Ground) -> World:
    """Draw who buys on a ground, what comes back of it and what becomes of that, up to the Nth return.

    The end is a moment that anybody could name when it came, so it biases nothing.
    """
    catalogue, market, rates = ground.catalogue, ground.market, ground.rates
    days = market.demand.shape[2]
    nobody = draw_groups(0, days=days, rng=rng)
    scene = Scene(catalogue, rates, market, nobody, draw_customers(nobody, rng))
    count = int((returns * (1 + _spare(returns) / 3) + FEW) / _returns_of_a_group(flow(scene)))
    sales = None
    while sales is None or np.isfinite(sales.requested).sum() < returns:
        groups = draw_groups(count, days=days, rng=rng)
        scene = Scene(catalogue, rates, market, groups, draw_customers(groups, rng))
        sales = draw_sales(scene, rng)
    end = np.partition(sales.requested, returns - 1)[returns - 1]
    sales = sales.take(np.argsort(sales.sold, kind="stable")[: int((sales.sold <= end).sum())])
    rows = np.flatnonzero(sales.requested <= end)
    rows = rows[np.argsort(sales.requested[rows], kind="stable")]
    returned = sales.take(rows)
    claims = draw_claims(returned, scene, rng)
    return World(scene, sales, rows, claims, draw_outcomes(returned, claims, scene, rng))


def _spare(returns: int) -> float:
    return float(min(1.0, SPARE / np.sqrt(returns)))


def _returns_of_a_group(streams: Flow) -> float:
    """Expected returns of a group of accounts within DAYS."""
    honest, abuse = (
        table[:, :, :DAYS].sum(axis=2).T @ REGION_SHARE for table in (streams.honest, streams.abuse)
    )
    levels = TYPE_SHARE * (LEVEL_BY_TYPE @ LEVELS)
    household = HOUSEHOLD_SIZES @ HOUSEHOLD_SIZE_SHARE * (levels @ (honest + abuse))
    members = (RING_SIZES @ RING_SIZE_SHARE) * (RING_LEVELS @ RING_LEVEL_SHARE)
    ring = members * (honest[PROFESSIONAL] + abuse[PROFESSIONAL] * (STATIONARY @ ABUSE_BY_STATE))
    return float((1 - RING_SHARE) * household + RING_SHARE * ring)


def write(tables: Tables, out: Path, *, seed: int) -> None:
    """Write returns, sales, market, events and truth as parquet, and world.json, into the folder `out`.

    Raises
    ------
    BadInputError
        If the folder holds a world in blocks.
    """
    if (out / f"{TABLES[0]}.parquet").is_dir():
        raise BadInputError(f"{out}: this folder holds a world in blocks; remove it, or name another --out.")
    out.mkdir(parents=True, exist_ok=True)
    for name in TABLES:
        getattr(tables, name).to_parquet(out / f"{name}.parquet", index=False)
    (out / "world.json").write_text(json.dumps({"seed": seed, **tables.parameters}, indent=1) + "\n")
