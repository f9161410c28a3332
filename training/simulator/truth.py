"""The best possible predictions: what a mind that knew the laws of the world, and no secret, would say.

Knowable at the moment of the request are the master data, every sale and every return asked for so far, and
every label known by then. The hidden type of a customer is filtered exactly from that customer's record:
goods kept so far count as evidence just as goods returned do. What happens to a line then depends on
the rest only through (type, cause) of the line, so the sum over those 24 states is exact, given that the
figures of the world (rates, laws, brand quality) are known. A model must estimate those from data,
so its ratio to this truth stays below one.

The posterior of the label `fraud` is that an inspection would prove fraud; that of a grade holds given
that somebody inspects; that of a disposition counts the lines that nobody looks at.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from scipy.special import ndtr

from training.simulator.behaviour import ABUSE, FRAUD_FOUND, GRADES, TYPES, grade_law
from training.simulator.catalogue import Array, family_figure
from training.simulator.lines import World, policy_inputs
from training.simulator.outcomes import (
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
from training.simulator.record import posterior

BISECTIONS: Final = 30


def truth(world: World) -> pd.DataFrame:
    """Compute, per return line, the exact predictive distribution of each label at the request.

    Returns
    -------
    DataFrame
        p_<grade> (given an inspection), p_<disposition>, given_grade_p_<disposition> (the grade known),
        p_fraud, minutes_p50/p90, recovered_mean/p10/p50/p90 (given the disposition), propensity,
        p_type_<type>, and the hidden latent_type and latent_cause. What every alternative would recover:
        expected_<disposition> at the request, given_grade_expected_<disposition> once inspected, both NaN
        where it may not be chosen, and value_<disposition> of what is really there, zero where its grade
        forbids it; weekly_loss is the share of its value that waiting a week costs.
    """
    returned, claims, outcomes = world.returned, world.claims, world.outcomes
    joint = posterior(world)
    cause = joint.sum(axis=1)
    laws = grade_law(claims.group, claims.lag, claims.acquired, claims.opened)
    grade = np.einsum("nu,nug->ng", cause, laws)
    family, value, switches = policy_inputs(returned, claims, world.catalogue)
    decided = policy(family, value, **switches)
    looked = inspected_share(returned.price, ~switches["absent"])[:, None]
    full = np.concatenate([looked * grade, 1 - looked], axis=1)
    columns = {f"p_{name}": grade[:, k] for k, name in enumerate(GRADES)}
    columns |= {
        f"p_{name}": np.einsum("ng,ng->n", full, decided[:, :, d]) for d, name in enumerate(DISPOSITIONS)
    }
    told = decided[np.arange(value.size), outcomes.grade]
    columns |= {f"given_grade_p_{name}": told[:, d] for d, name in enumerate(DISPOSITIONS)}
    columns["p_fraud"] = cause[:, ABUSE] * FRAUD_FOUND
    columns |= _minutes(grade, median_minutes(family))
    chosen = full * decided[np.arange(value.size), :, outcomes.disposition]
    chosen = chosen / chosen.sum(axis=1, keepdims=True)
    columns |= _recovered(chosen, outcomes.disposition, value * claims.quantity)
    columns |= _alternatives(grade, outcomes.grade, decided > 0, value * claims.quantity)
    columns["weekly_loss"] = family_figure("weekly_loss")[family]
    columns["propensity"] = outcomes.propensity
    columns |= {f"p_type_{name}": joint[:, z].sum(axis=1) for z, name in enumerate(TYPES)}
    columns["latent_type"] = world.customers.kind[returned.customer]
    columns["latent_cause"] = returned.cause
    return pd.DataFrame(columns)


def _minutes(grade: Array, median: Array) -> dict[str, Array]:
    """Quantiles of the minutes: a mixture of log-normals over grades and equally frequent speeds."""
    n = len(grade)
    weights = np.repeat(grade / SPEEDS.size, SPEEDS.size, axis=1)
    logs = np.log(median).reshape(n, -1)
    spread = MINUTES_SIGMA
    return {
        f"minutes_p{round(100 * q)}": _mixture_quantile(weights, logs, q=np.full(n, q), sigma=spread)
        for q in (0.5, 0.9)
    }


def _recovered(grade: Array, disposition: Array, value: Array) -> dict[str, Array]:
    """Mean and quantiles of what is recovered: an atom at zero beside log-normals over the grades."""
    every = np.arange(UNGRADED + 1)
    nothing, median = recovery_scale(disposition[:, None], every[None], value[:, None])
    weights = grade * (1 - nothing)
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


def _alternatives(chances: Array, found: Array, allowed: Array, value: Array) -> dict[str, Array]:
    """What each disposition would recover: expected at the request, once graded, and of what is there.

    Parameters
    ----------
    chances : ndarray of shape (n, grades)
    found : ndarray of shape (n,)
        Index of the grade; UNGRADED where nobody looked.
    allowed : ndarray of shape (n, grades + UNGRADED, dispositions), bool
    """
    every = np.arange(UNGRADED + 1)
    columns = {}
    for d, name in enumerate(DISPOSITIONS):
        nothing, median = recovery_scale(np.full(1, d)[:, None], every[None], value[:, None])
        mean = np.where(allowed[:, :, d], (1 - nothing) * median * np.exp(RECOVERY_SIGMA**2 / 2), 0.0)
        there, may = mean[np.arange(value.size), found], allowed[np.arange(value.size), found, d]
        ever = allowed[:, :UNGRADED, d].any(axis=1)
        columns[f"expected_{name}"] = np.where(ever, (chances * mean[:, :UNGRADED]).sum(axis=1), np.nan)
        columns[f"given_grade_expected_{name}"] = np.where(may, there, np.nan)
        columns[f"value_{name}"] = there
    return columns


def _mixture_quantile(weights: Array, logs: Array, *, q: Array, sigma: float) -> Array:
    """Quantiles of mixtures of log-normals with one sigma, by bisection on the log scale."""
    low, high = logs.min(axis=1) - 6 * sigma, logs.max(axis=1) + 6 * sigma
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        below = (weights * ndtr((middle[:, None] - logs) / sigma)).sum(axis=1) < q
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray(np.exp((low + high) / 2))
