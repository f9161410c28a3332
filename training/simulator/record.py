"""What a customer's record tells: the exact posterior of the hidden type and cause of every return line.

Goods kept so far are evidence just as goods returned are, and labels count from the moment they were known.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
from scipy.special import logsumexp, softmax

from training.simulator.behaviour import (
    ABUSE,
    ACCOUNT_AGE_DAYS,
    AGE_BIN_BY_TYPE,
    FRAUD_FOUND,
    NOTE_BY_CAUSE,
    OPENED,
    SERIAL_DIFFERS,
    TIER_BY_TYPE,
    TYPE_SHARE,
    TYPES,
    grade_law,
    lag_cdf,
    lag_density,
    reason_law,
    return_rates,
)
from training.simulator.catalogue import Array
from training.simulator.lines import Claims, World
from training.simulator.sales import Customers, Sales, family_law

PAIRS_AT_ONCE: Final = 200_000


def posterior(world: World) -> Array:
    """P(type, cause | all that is knowable when the line is asked for), shape (n, types, causes)."""
    own = _log_claim(world.returned, world.claims)
    logits = own + _log_record(world, own)[:, :, None]
    flat = softmax(logits.reshape(len(logits), -1), axis=1)
    return np.asarray(flat.reshape(logits.shape))


def _log_claim(returned: Sales, claims: Claims) -> Array:
    """Log-likelihood of coming back as claimed, for every (type, cause)."""
    rates = return_rates(returned.family, returned.brand_rank, returned.channel, returned.price)
    reason = reason_law()[claims.group, :, :, claims.reason]
    differs = np.where(claims.serial_differs[:, None], SERIAL_DIFFERS, 1 - SERIAL_DIFFERS)
    seen = lag_density(claims.lag) * NOTE_BY_CAUSE[:, claims.note].T
    seen = seen * np.where(claims.opened[:, None], OPENED, 1 - OPENED)
    seen = seen * np.where(claims.serialized[:, None], differs, 1.0)
    with np.errstate(divide="ignore"):  # an impossible cause has likelihood zero
        return np.asarray(np.log(rates) + np.log(reason) + np.log(seen)[:, None, :])


def _log_prior(customers: Customers) -> Array:
    """Log P(type | tier, age of the account), up to a constant."""
    age_bin = np.clip(np.searchsorted(ACCOUNT_AGE_DAYS, customers.account_age) - 1, 0, 1)
    return np.asarray(np.log(TYPE_SHARE * TIER_BY_TYPE[:, customers.tier].T * AGE_BIN_BY_TYPE[:, age_bin].T))


def _log_record(world: World, own: Array) -> Array:
    """Log P(type, the customer's other sales as they stood at the request), shape (n, types)."""
    sales, returned, customers = world.sales, world.returned, world.customers
    bought = np.log(family_law()).transpose(1, 2, 0)[sales.region, sales.family]
    evidence = _log_returned(world, own)
    line_of = np.full(sales.sold.size, -1)
    line_of[world.rows] = np.arange(world.rows.size)
    order = np.lexsort((sales.sold, sales.customer))
    # A customer's sales stand side by side: first, then as many as were made before the request.
    key = np.searchsorted(sales.customer[order], returned.customer)
    record = _log_prior(customers)[returned.customer] + bought[world.rows]
    rank = np.empty(order.size, int)
    rank[order] = np.arange(order.size)
    ends = np.searchsorted(sales.customer[order], returned.customer, side="right")
    for chunk in _chunks(ends - key):
        line, sale = _pairs(key[chunk], ends[chunk], order)
        line = line + chunk.start
        now = returned.requested[line]
        past = (sales.sold[sale] <= now) & (sale != world.rows[line])
        line, sale, now = line[past], sale[past], now[past]
        weight = bought[sale] + _log_standing(world, sale, now, line_of, evidence)
        np.add.at(record, line, weight)
    return record


def _log_standing(world: World, sale: Array, now: Array, line_of: Array, evidence: Array) -> Array:
    """Log-likelihood by type of how other sales stood `now`: kept, or back with what was known of it."""
    sales, outcomes = world.sales, world.outcomes
    result = np.empty((sale.size, len(TYPES)))
    back = sales.requested[sale] <= now
    line = line_of[sale[back]]
    known = (outcomes.label_known[line] <= now[back]).astype(int) + (outcomes.fraud_known[line] <= now[back])
    result[back] = evidence[known, line]
    kept = sale[~back]
    rates = return_rates(sales.family[kept], sales.brand_rank[kept], sales.channel[kept], sales.price[kept])
    gone = lag_cdf(now[~back] - sales.sold[kept])
    result[~back] = np.log1p(-np.einsum("nzu,nu->nz", rates, gone))
    return result


def _log_returned(world: World, own: Array) -> Array:
    """Log-likelihood by type of claim, claim and grade, and both with the fraud label: (3, n, types)."""
    claims, outcomes = world.claims, world.outcomes
    laws = grade_law(claims.group, claims.lag, claims.acquired, claims.opened)
    laws = np.concatenate([laws, np.ones((*laws.shape[:2], 1))], axis=2)  # nobody looked: no evidence
    graded = own + np.log(laws[np.arange(len(own)), :, outcomes.grade])[:, None, :]
    proven = np.where(np.arange(own.shape[2]) == ABUSE, FRAUD_FOUND, 0.0)
    label = np.where(
        np.isnan(outcomes.fraud)[:, None], 1.0, np.where(outcomes.fraud[:, None] == 1, proven, 1 - proven)
    )
    with np.errstate(divide="ignore"):
        judged = graded + np.log(label)[:, None, :]
    return np.stack([logsumexp(table, axis=2) for table in (own, graded, judged)])


def _chunks(sizes: Array) -> list[slice]:
    """Slices of lines whose pairs together fit in memory."""
    block = np.cumsum(sizes) // PAIRS_AT_ONCE
    edges = np.flatnonzero(np.diff(block)) + 1
    bounds = [0, *edges.tolist(), sizes.size]
    return [slice(a, b) for a, b in pairwise(bounds)]


def _pairs(first: Array, last: Array, order: Array) -> tuple[Array, Array]:
    """Every (line, sale of the same customer): positions of lines, and sales."""
    count = last - first
    line = np.repeat(np.arange(count.size), count)
    within = np.arange(line.size) - np.repeat(np.cumsum(count) - count, count)
    return line, order[first[line] + within]
