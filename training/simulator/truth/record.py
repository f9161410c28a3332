"""What records tell: the exact posterior of the hidden type and cause of every return line.

Knowable is the line itself, every earlier line of the same customer, address or device, what inspection
and investigation had found by then, and the market. Goods that were kept are never seen, so they
are summed over, and so are the accounts of a group that have not asked for anything yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from scipy.special import gammaln, logsumexp

from training.simulator.draws.lines import World
from training.simulator.laws.catalogue import Array
from training.simulator.laws.people import (
    DAYS_A_WEEK,
    HOUSEHOLD_SIZE_SHARE,
    HOUSEHOLD_SIZES,
    LEVEL_BY_TYPE,
    LEVELS,
    PROFESSIONAL,
    RING_SHARE,
    TIE_BY_KIND,
    TYPE_SHARE,
    log_appearance,
)
from training.simulator.truth.evidence import Evidence, evidence
from training.simulator.truth.flow import flow
from training.simulator.truth.rings import LEVEL, LOG_SHARE, SIZE, Moments, Seen, log_forward

PAIRS_AT_ONCE: Final = 400_000


@dataclass(frozen=True, slots=True)
class Posterior:
    """What is known of every line at its request: arrays of n lines."""

    ordinary: Array  # P(ordinary group, type, cause), shape (n, types, causes)
    ring: Array  # P(ring, state, cause), shape (n, states, causes)

    @property
    def cause(self) -> Array:
        """P(cause), shape (n, causes)."""
        return np.asarray(self.ordinary.sum(axis=1) + self.ring.sum(axis=1))

    @property
    def kind(self) -> Array:
        """P(type), shape (n, types); the members of rings are professionals."""
        kind = self.ordinary.sum(axis=2)
        kind[:, PROFESSIONAL] += self.ring.sum(axis=(1, 2))
        return np.asarray(kind)


@dataclass(frozen=True, slots=True)
class _Past:
    """What the group's earlier lines come to, line by line."""

    accounts: Array  # seen so far, the asking one included
    lines: Array  # of the group
    own_lines: Array  # of the same account
    own: Array  # their log-likelihood by type, (n, types)
    others: Array  # log P(lines of the other accounts seen | ordinary)
    ring_appearance: Array  # log P(how the accounts seen look | professional)
    seen: Seen


def posterior(world: World) -> Posterior:
    """Weigh every hypothesis about every line by all that is knowable when it is asked for."""
    known, streams = evidence(world), flow(world.scene)
    now = Moments(world.returned.region, world.returned.requested)
    expected = streams.until(now.region, now.moment)
    past = _past(world, known, expected)
    tied = np.where((past.accounts > 1)[:, None], np.log(TIE_BY_KIND[:, _tie(world)]).T, 0.0)
    ordinary = (
        known.own + (_log_member(world, past, expected) + _log_household(past, expected)[:, None])[:, :, None]
    )
    ring = known.ring + _log_ring(past, log_forward(now, past.seen, streams))[:, :, None]
    ordinary = ordinary + (tied[:, 0] + np.log(1 - RING_SHARE))[:, None, None]
    ring = ring + (tied[:, 1] + np.log(RING_SHARE))[:, None, None]
    total = np.logaddexp(logsumexp(ordinary, axis=(1, 2)), logsumexp(ring, axis=(1, 2)))[:, None, None]
    return Posterior(np.exp(ordinary - total), np.exp(ring - total))


def _tie(world: World) -> Array:
    return np.asarray(world.scene.groups.tie[world.customers.group[world.returned.customer]])


def _log_member(world: World, past: _Past, expected: Array) -> Array:
    """Log P(type, appearance and record of the asking account | ordinary group), shape (n, types)."""
    customers = world.customers
    looks = log_appearance(customers.tier, customers.account_age)[world.returned.customer]
    return np.asarray(np.log(TYPE_SHARE) + looks + past.own + _log_levels(past.own_lines + 1, expected))


def _log_levels(lines: Array, expected: Array) -> Array:
    """Log P(so many lines | type) with the level summed over, up to what levels share, shape (n, types)."""
    terms = np.log(LEVEL_BY_TYPE) + lines[:, None, None] * np.log(LEVELS) - expected[:, :, None] * LEVELS
    return np.asarray(logsumexp(terms, axis=2))


def _log_household(past: _Past, expected: Array) -> Array:
    """Log P(the other accounts, seen and unseen | ordinary group)."""
    silent = logsumexp(np.log(TYPE_SHARE) + _log_levels(np.zeros(len(expected), int), expected), axis=1)
    sizes = _log_choices(HOUSEHOLD_SIZES, past.accounts) + np.log(HOUSEHOLD_SIZE_SHARE)
    unseen = np.maximum(HOUSEHOLD_SIZES - past.accounts[:, None], 0)
    return np.asarray(past.others + logsumexp(sizes + unseen * silent[:, None], axis=1))


def _log_ring(past: _Past, forward: Array) -> Array:
    """Log P(state, the group's record | ring), sizes and levels summed over, shape (n, states)."""
    weight = LOG_SHARE + _log_choices(SIZE, past.accounts) + (past.lines[:, None] + 1) * np.log(LEVEL)
    return np.asarray(logsumexp(weight[:, :, None] + forward, axis=1) + past.ring_appearance[:, None])


def _log_choices(sizes: Array, accounts: Array) -> Array:
    """Log of the ways in which a group's members can be the accounts seen, shape (n, sizes)."""
    left = sizes - accounts[:, None]
    ways = gammaln(sizes + 1) - gammaln(np.maximum(left, 0) + 1)
    return np.where(left >= 0, ways, -np.inf)


def _past(world: World, known: Evidence, expected: Array) -> _Past:
    """Walk over every line's group, in pieces that fit in memory."""
    customer = world.returned.customer
    group = world.customers.group[customer]
    order = np.lexsort((world.returned.requested, customer, group))
    first = np.searchsorted(group[order], group)
    last = np.searchsorted(group[order], group, side="right")
    pieces = [
        _piece(world, known, expected, _pairs(first, last, order, piece)) for piece in _pieces(last - first)
    ]
    columns = [np.concatenate(parts) for parts in zip(*pieces, strict=True)]
    looks = log_appearance(world.customers.tier, world.customers.account_age)[customer, PROFESSIONAL]
    return _Past(
        accounts=columns[0] + 1,
        lines=columns[1],
        own_lines=columns[2],
        own=columns[3],
        others=columns[4],
        ring_appearance=columns[5] + looks,
        seen=Seen(columns[6], columns[7], columns[8]),
    )


def _piece(
    world: World, known: Evidence, expected: Array, pairs: tuple[slice, Array, Array]
) -> tuple[Array, ...]:
    """The columns of `_Past` for a slice of the lines, `seen` last and in three parts."""
    piece, line, other = pairs
    returned = world.returned
    past = returned.requested[other] < returned.requested[line]
    line, other = line[past], other[past]
    stage = known.stage(other, returned.requested[line])
    told = known.past_own[stage, other]
    # Lines of one account stand side by side, so every run of them is one record.
    account = returned.customer[other]
    begins = np.flatnonzero(np.diff(line, prepend=-1) | np.diff(account, prepend=-1))
    owner, member = line[begins], account[begins]
    counts = np.diff(np.append(begins, line.size))
    record = np.add.reduceat(told, begins, axis=0) if begins.size else np.zeros((0, told.shape[1]))
    own = member == returned.customer[owner]
    looks = log_appearance(world.customers.tier, world.customers.account_age)[member]
    levels = _log_levels(counts, expected[owner])
    other_log = logsumexp(np.log(TYPE_SHARE) + looks + record + levels, axis=1)

    def total(rows: Array, weights: Array) -> Array:
        return np.bincount(rows - piece.start, weights, minlength=piece.stop - piece.start)

    return (
        total(owner, ~own),
        total(owner, counts),
        total(owner[own], counts[own]),
        np.column_stack([total(owner[own], column) for column in record[own].T]),
        total(owner[~own], other_log[~own]),
        total(owner[~own], looks[~own, PROFESSIONAL]),
        line,
        known.past_ring[stage, other],
        np.floor(returned.requested[other]).astype(int) // DAYS_A_WEEK,
    )


def _pieces(sizes: Array) -> list[slice]:
    """Slices of lines whose pairs together fit in memory."""
    block = np.cumsum(sizes) // PAIRS_AT_ONCE
    edges = np.flatnonzero(np.diff(block)) + 1
    bounds = [0, *edges.tolist(), sizes.size]
    return [slice(a, b) for a, b in pairwise(bounds)]


def _pairs(first: Array, last: Array, order: Array, piece: slice) -> tuple[slice, Array, Array]:
    """Every (line of the piece, line of the same group)."""
    count = (last - first)[piece]
    line = np.repeat(np.arange(piece.start, piece.stop), count)
    within = np.arange(line.size) - np.repeat(np.cumsum(count) - count, count)
    return piece, line, order[first[line] + within]
