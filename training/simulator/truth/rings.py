"""The hypothesis of a ring: a forward filter over weeks of its hidden state, for every line at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from training.simulator.laws.catalogue import Array
from training.simulator.laws.people import (
    ABUSE_BY_STATE,
    DAYS_A_WEEK,
    PROFESSIONAL,
    RING_LEVEL_SHARE,
    RING_LEVELS,
    RING_SIZE_SHARE,
    RING_SIZES,
    STATIONARY,
    SWITCH,
)
from training.simulator.truth.flow import Flow

# Every pair of a ring's size and level is one hypothesis.
SIZE: Final = np.repeat(RING_SIZES, RING_LEVELS.size)
LEVEL: Final = np.tile(RING_LEVELS, RING_SIZES.size)
LOG_SHARE: Final = np.log(np.outer(RING_SIZE_SHARE, RING_LEVEL_SHARE).ravel())


@dataclass(frozen=True, slots=True)
class Moments:
    """Where each of n lines stands: region, moment of the request in days, and its week."""

    region: Array
    moment: Array

    @property
    def week(self) -> Array:
        """The week of the request."""
        return np.asarray(np.floor(self.moment).astype(int) // DAYS_A_WEEK)


@dataclass(frozen=True, slots=True)
class Seen:
    """Earlier lines of the same groups: the line that asks, the log-likelihood by state, the week of it."""

    line: Array
    log_likelihood: Array  # (pairs, states)
    week: Array


def log_forward(now: Moments, seen: Seen, flow: Flow) -> Array:
    """Log P(state now, the group's past | ring of a size and level), shape (n, hypotheses, states).

    Without the factors that do not depend on the state: levels of lines, appearance, who else is there.
    """
    honest, abuse = flow.by_week(PROFESSIONAL)
    whole = _expected(honest, abuse)  # (regions, weeks, states)
    begun = _expected(*flow.within_week(now.region, PROFESSIONAL, now.moment))  # (n, states)
    order = np.argsort(-now.week, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    asked = -now.week[order]
    by_week = np.argsort(seen.week, kind="stable")
    edges = np.searchsorted(seen.week[by_week], np.arange(now.week.max(initial=0) + 2))
    alpha = np.tile(STATIONARY, (order.size, SIZE.size, 1))
    scale = np.zeros((order.size, SIZE.size))
    for week in range(now.week.max(initial=-1) + 1):
        # In front the lines asked for after this week, then those asked for within it.
        later, still = np.searchsorted(asked, -week), np.searchsorted(asked, -week, side="right")
        rows = slice(0, still)
        made = by_week[edges[week] : edges[week + 1]]
        told = _told(place[seen.line[made]], seen.log_likelihood[made], int(still))
        expected = whole[now.region[order[rows]], week]
        expected[later:] = begun[order[later:still]]
        step = alpha[rows] @ SWITCH if week else alpha[rows]
        best = told.max(axis=1, keepdims=True)
        step = (
            step * np.exp(-(SIZE * LEVEL)[:, None] * expected[:, None, :]) * np.exp(told - best)[:, None, :]
        )
        total = step.sum(axis=2)
        alpha[rows] = step / total[:, :, None]
        scale[rows] += np.log(total) + best
    return np.asarray((np.log(alpha) + scale[:, :, None])[place])


def _expected(honest: Array, abuse: Array) -> Array:
    """Expected requests of one member of level 1, by state."""
    return np.asarray(honest[..., None] + abuse[..., None] * ABUSE_BY_STATE)


def _told(line: Array, log_likelihood: Array, count: int) -> Array:
    """Sum what the lines made in one week say, by asking line."""
    columns = [np.bincount(line, column, minlength=count)[:count] for column in log_likelihood.T]
    return np.column_stack(columns)
