"""Accounts, the groups they belong to and the weekly states of rings, drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.simulator.laws.catalogue import Array
from training.simulator.laws.market import REGION_SHARE, REGIONS
from training.simulator.laws.people import (
    ACCOUNT_AGE_DAYS,
    AGE_BIN_BY_TYPE,
    DAYS_A_WEEK,
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
    SWITCH,
    TIE_BY_KIND,
    TIER_BY_TYPE,
    TIES,
    TYPE_SHARE,
    TYPES,
)


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups of accounts as arrays of one length; only region and tie can ever be seen."""

    ring: Array  # bool
    size: Array
    level: Array  # of a ring's members; NaN elsewhere
    tie: Array  # index into TIES: what the accounts share
    region: Array
    on: Array  # (groups, weeks) bool: whether a ring is on; of other groups always true


@dataclass(frozen=True, slots=True)
class Customers:
    """Accounts as arrays; `kind` indexes TYPES, and like `level` it is hidden from every model."""

    group: Array
    kind: Array
    level: Array
    tier: Array
    account_age: Array  # days, at the start of the world
    address: Array  # numbers that say nothing but who shares them
    device: Array


def draw_rows(probabilities: Array, rng: np.random.Generator) -> Array:
    """Draw one column per row of a matrix of probabilities."""
    cumulative = np.cumsum(probabilities, axis=-1)
    drawn = (rng.random(len(probabilities))[:, None] * cumulative[:, -1:] > cumulative).sum(axis=1)
    return np.asarray(drawn)


def draw_groups(count: int, *, days: int, rng: np.random.Generator) -> Groups:
    """Draw groups, rings among them, and the states of the rings for so many days."""
    ring = rng.random(count) < RING_SHARE
    size = np.where(
        ring,
        rng.choice(RING_SIZES, count, p=RING_SIZE_SHARE),
        rng.choice(HOUSEHOLD_SIZES, count, p=HOUSEHOLD_SIZE_SHARE),
    )
    return Groups(
        ring=ring,
        size=size,
        level=np.where(ring, rng.choice(RING_LEVELS, count, p=RING_LEVEL_SHARE), np.nan),
        tie=draw_rows(TIE_BY_KIND[ring.astype(int)], rng),
        region=rng.choice(REGIONS.size, count, p=REGION_SHARE),
        on=_states(ring, -(-days // DAYS_A_WEEK), rng),
    )


def draw_customers(groups: Groups, rng: np.random.Generator) -> Customers:
    """Draw the accounts of every group with what their type hints at: tier and age of the account."""
    group = rng.permutation(np.repeat(np.arange(groups.size.size), groups.size))
    count, ring = group.size, groups.ring[group]
    kind = np.where(ring, PROFESSIONAL, rng.choice(len(TYPES), count, p=TYPE_SHARE))
    older = (rng.random(count) > AGE_BIN_BY_TYPE[kind, 0]).astype(int)
    own, shared = rng.permutation(2 * count)[:count], groups.tie[group]
    first = np.full(groups.size.size, -1)
    first[group[::-1]] = np.arange(count)[::-1]  # the first account of a group lends its numbers
    common = own[first[group]]
    return Customers(
        group=group,
        kind=kind,
        level=np.where(ring, groups.level[group], LEVELS[draw_rows(LEVEL_BY_TYPE[kind], rng)]),
        tier=draw_rows(TIER_BY_TYPE[kind], rng),
        account_age=rng.uniform(ACCOUNT_AGE_DAYS[older], ACCOUNT_AGE_DAYS[older + 1]),
        address=np.where(shared == TIES.index("device"), own, common),
        device=rng.permutation(2 * count)[np.where(shared == TIES.index("address"), own, common)],
    )


def _states(ring: Array, weeks: int, rng: np.random.Generator) -> Array:
    states = np.ones((ring.size, weeks), bool)
    rings = np.flatnonzero(ring)
    state = (rng.random(rings.size) < STATIONARY[1]).astype(int)
    for week in range(weeks):
        if week:
            state = (rng.random(rings.size) < SWITCH[state, 1]).astype(int)
        states[rings, week] = state == 1
    return states
