"""The best possible predictions: what a mind that knew the laws of the world, and no secret, would say.

Knowable at the moment of the request are the line itself, the public market, earlier lines of the same
customer, address and device, and what had been learned of them: grades written down, verdicts on fraud. Not
knowable are sales that were kept. What happens to a line then depends on the rest only through its cause, so
the sums are exact, given that the figures of the world (rates, laws, brand quality) are known. A model must
estimate those from data, so its ratio to this truth stays below one.

Labels are meant as they are written down: with the noise of a site's codes and the flips of verdicts. The
probability of `fraud` holds given that the line is investigated; that of a grade given that somebody
inspects; that of a disposition counts the lines that nobody looks at.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from scipy.special import ndtr

from training.simulator.draws.lines import World, case_of
from training.simulator.laws.catalogue import Array, family_figure
from training.simulator.laws.condition import GRADES, code_law, grade_law
from training.simulator.laws.delays import delay_law
from training.simulator.laws.fraud import verdict_law
from training.simulator.laws.handling import (
    DISPOSITIONS,
    MINUTES_SIGMA,
    RECOVERY_SIGMA,
    SPEEDS,
    UNGRADED,
    inspected_share,
    median_minutes,
    policy,
    recovery_scale,
)
from training.simulator.laws.people import TYPES
from training.simulator.truth.alternatives import alternatives
from training.simulator.truth.record import Posterior, posterior

BISECTIONS: Final = 24  # to a millionth of the spread
WEEKS_OF_DELAY: Final = 4  # that a value can still fall between request and inspection


def truth(world: World) -> pd.DataFrame:
    """Compute, per return line, the exact predictive distribution of each label at the request.

    Returns
    -------
    DataFrame
        p_<grade> (given an inspection), p_<disposition>, given_grade_p_<disposition> (the grade known),
        p_fraud, minutes_p50/p90, recovered_mean/p10/p50/p90 (given the disposition), propensity,
        investigation_propensity, p_type_<type>, p_ring, and the hidden latent_type, latent_cause,
        latent_grade, latent_ring and latent_on. What every alternative would recover: expected_<disposition>
        at the request, given_grade_expected_<disposition> once inspected, both NaN where it may not be
        chosen, and value_<disposition> of what is really there, zero where the grade written down forbids
        it; weekly_loss is the share of its value that waiting a week costs.
    """
    claims, outcomes = world.claims, world.outcomes
    known, rows = posterior(world), np.arange(world.rows.size)
    marks, case = claims.marks, case_of(world.returned, claims, world.scene)
    found = np.einsum("nu,nug->ng", known.cause, grade_law(marks.group, marks.lag, marks.opened))
    # P(grade found, grade written down); then nobody may look.
    both = found[:, :, None] * code_law(claims.site, marks.day)
    looked = inspected_share(world.returned.price, case.absent)
    written = np.column_stack([looked[:, None] * both.sum(axis=1), 1 - looked])
    decided = policy(case)
    columns = {f"p_{name}": both.sum(axis=1)[:, k] for k, name in enumerate(GRADES)}
    columns |= {
        f"p_{name}": np.einsum("ng,ng->n", written, decided[:, :, d]) for d, name in enumerate(DISPOSITIONS)
    }
    told = decided[rows, outcomes.code]
    columns |= {f"given_grade_p_{name}": told[:, d] for d, name in enumerate(DISPOSITIONS)}
    columns["p_fraud"] = known.cause @ verdict_law()
    columns |= _minutes(found, median_minutes(case.family, marks.day))
    chosen = decided[rows, :, outcomes.disposition]
    graded = looked[:, None] * np.einsum("nfw,nw->nf", both, chosen[:, :UNGRADED])
    graded = np.column_stack([graded, (1 - looked) * chosen[:, UNGRADED]])
    graded = graded / graded.sum(axis=1, keepdims=True)
    weeks = _weeks_law(world)
    columns |= _recovered(world, graded, weeks)
    columns |= alternatives(world, both, decided > 0, weeks)
    columns["weekly_loss"] = family_figure("weekly_loss")[case.family]
    return pd.DataFrame(columns | _hidden(world, known))


def _hidden(world: World, known: Posterior) -> dict[str, Array]:
    """What the world knows of itself, and how much of it can be told."""
    returned, outcomes, groups = world.returned, world.outcomes, world.scene.groups
    group = world.customers.group[returned.customer]
    kind = known.kind
    return {
        "propensity": outcomes.propensity,
        "investigation_propensity": outcomes.investigated_share,
        **{f"p_type_{name}": kind[:, z] for z, name in enumerate(TYPES)},
        "p_ring": known.ring.sum(axis=(1, 2)),
        "latent_type": world.customers.kind[returned.customer],
        "latent_cause": returned.cause,
        "latent_grade": outcomes.grade,
        "latent_ring": groups.ring[group],
        "latent_on": groups.on[group, world.claims.marks.day // 7],
    }


def _minutes(grade: Array, median: Array) -> dict[str, Array]:
    """Quantiles of the minutes: a mixture of log-normals over grades and equally frequent inspectors."""
    n = len(grade)
    weights = np.repeat(grade / SPEEDS.size, SPEEDS.size, axis=1)
    logs = np.log(median).reshape(n, -1)
    spread = MINUTES_SIGMA
    return {
        f"minutes_p{round(100 * q)}": _mixture_quantile(weights, logs, q=np.full(n, q), sigma=spread)
        for q in (0.5, 0.9)
    }


def _weeks_law(world: World) -> Array:
    """P(so many more whole weeks of age at inspection than at the request), shape (n, WEEKS_OF_DELAY + 1)."""
    law = delay_law()
    lag = np.arange(7)[:, None]
    weeks = (lag + np.arange(law.shape[2])) // 7  # by lag modulo a week and delay
    table = np.stack([law @ (weeks == k).T for k in range(WEEKS_OF_DELAY + 1)], axis=-1)
    claims = world.claims
    return np.asarray(table[claims.weekday, claims.site, claims.marks.lag % 7])


def _recovered(world: World, grade: Array, weeks: Array) -> dict[str, Array]:
    """Mean and quantiles of what is recovered: an atom at zero beside log-normals over grades and delays."""
    case = case_of(world.returned, world.claims, world.scene)
    kept = (1 - family_figure("weekly_loss")[case.family])[:, None] ** np.arange(WEEKS_OF_DELAY + 1)
    value = (case.value * world.claims.quantity)[:, None, None] * kept[:, None, :]
    every = np.arange(UNGRADED + 1)[None, :, None]
    nothing, median = recovery_scale(world.outcomes.disposition[:, None, None], every, value)
    weights = (grade[:, :, None] * weeks[:, None, :] * (1 - nothing)).reshape(len(grade), -1)
    median = median.reshape(weights.shape)
    paid = weights.sum(axis=1)
    result = {"recovered_mean": (weights * median).sum(axis=1) * np.exp(RECOVERY_SIGMA**2 / 2)}
    logs = np.log(np.maximum(median, 1e-12))
    for q in (0.1, 0.5, 0.9):
        beyond = np.divide(q - (1 - paid), paid, out=np.zeros_like(paid), where=paid > 0)
        quantile = _mixture_quantile(
            weights / np.maximum(paid, 1e-12)[:, None], logs, q=np.maximum(beyond, 1e-9), sigma=RECOVERY_SIGMA
        )
        result[f"recovered_p{round(100 * q)}"] = np.where(beyond > 0, quantile, 0.0)
    return result


def _mixture_quantile(weights: Array, logs: Array, *, q: Array, sigma: float) -> Array:
    """Quantiles of mixtures of log-normals with one sigma, by bisection on the log scale."""
    low, high = logs.min(axis=1) - 6 * sigma, logs.max(axis=1) + 6 * sigma
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        below = (weights * ndtr((middle[:, None] - logs) / sigma)).sum(axis=1) < q
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray(np.exp((low + high) / 2))
