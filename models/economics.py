"""What predictions are worth: recovery of every alternative, loss to fraud, cost of waiting, priority.

Pure functions over arrays. Amounts are floats in major units of the line's own currency: they rank
alternatives and are never posted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import HuberRegressor

from features.returns import Disposition, Grade

Floats = npt.NDArray[np.float64]

GRADES: Final = tuple(grade for grade in Grade if grade is not Grade.UNGRADED)
DISPOSITIONS: Final = tuple(Disposition)

# Share of the line's value recovered at once, for NEW_SEALED, A, B, C, D, E. Resale by grade: middles of
# published ranges (80-100, 40-65, 20-40, 5-15, 0-5 %; a secondary source, so a prior); the rest are planning
# defaults until a recovery model has learned better ones. What is not listed recovers nothing.
SHARES: Final[Mapping[str, tuple[float, ...]]] = MappingProxyType(
    {
        # Worn goods put back as new come back once more: that is why the shares fall so fast.
        "RESTOCK": (1.00, 0.90, 0.30, 0.05, 0.00, 0.00),
        "REPACKAGE_RESTOCK": (0.97, 0.90, 0.45, 0.25, 0.00, 0.00),
        "OPEN_BOX_RESALE": (0.85, 0.80, 0.525, 0.30, 0.03, 0.00),
        "REFURBISH": (0.75, 0.75, 0.65, 0.55, 0.38, 0.05),
        "REPAIR": (0.70, 0.70, 0.60, 0.50, 0.36, 0.05),
        "PARTS_HARVEST": (0.15, 0.15, 0.15, 0.14, 0.10, 0.04),
        "RETURN_TO_VENDOR": (0.70, 0.65, 0.50, 0.45, 0.40, 0.20),
        "TRANSFER_SITE": (0.90, 0.80, 0.45, 0.25, 0.08, 0.02),
        "LIQUIDATE": (0.30, 0.28, 0.22, 0.15, 0.05, 0.025),
        "RECYCLE": (0.01, 0.01, 0.01, 0.01, 0.01, 0.01),
    }
)
# Minutes of work after inspection; planning defaults, no published figure.
MINUTES: Final[Mapping[str, float]] = MappingProxyType(
    {
        "RESTOCK": 3.0,
        "REPACKAGE_RESTOCK": 8.0,
        "OPEN_BOX_RESALE": 10.0,
        "REFURBISH": 25.0,
        "REPAIR": 45.0,
        "PARTS_HARVEST": 25.0,
        "RETURN_TO_VENDOR": 8.0,
        "RETURN_TO_CUSTOMER": 6.0,
        "TRANSFER_SITE": 5.0,
        "LIQUIDATE": 3.0,
        "DONATE": 4.0,
        "RECYCLE": 3.0,
        "DESTROY": 5.0,
        "QUARANTINE": 4.0,
        "HAZMAT_HANDOFF": 15.0,
    }
)
SHIPPED: Final = frozenset({"RETURN_TO_VENDOR", "RETURN_TO_CUSTOMER", "TRANSFER_SITE", "HAZMAT_HANDOFF"})
# Value lost a week: electronics 4-8 % a month (CBRE), power tools 1 % a month; others planning defaults.
DECAY: Final[Mapping[str, float]] = MappingProxyType(
    {"electronics": 0.014, "apparel": 0.01, "food": 0.05, "power_tools": 0.0023, "hand_tools": 0.0023}
)
HOURS_PER_WEEK: Final = 168.0
DAYS_PER_WEEK: Final = 7.0
MIN_ROWS: Final = 20
"""Lines of a disposition at a grade; what fewer of them brought says little."""
DECAY_FACTOR: Final = 2.5  # by how much defaults of the loss a week may be too high or low; planning default
LEAST_DECAY, MOST_DECAY = 1e-4, 0.2  # share a week; steeper is an accident of few lines
LEAST_SCALE: Final = 1e-6  # of logarithms: lines that agree to the last digit still leave a doubt


@dataclass(frozen=True, slots=True)
class Costs:
    """What work, freight and waiting cost; one's own figures replace the planning defaults."""

    labour_per_minute: float = 0.50  # currency a minute: 30 an hour with overhead; planning default
    freight_fixed: float = 4.0  # currency a parcel; planning default
    freight_per_kg: float = 1.2  # currency a kg; planning default
    weight_kg: float = 2.0  # where the weight is unknown; planning default
    decay_per_week: Mapping[str, float] = field(default_factory=lambda: DECAY)  # share of value, by family
    decay_otherwise: float = 0.005  # share of value a week; planning default
    shares: Mapping[str, tuple[float, ...]] = field(default_factory=lambda: SHARES)
    minutes: Mapping[str, float] = field(default_factory=lambda: MINUTES)


DEFAULT: Final = Costs()


@dataclass(frozen=True, slots=True)
class Past:
    """What lines brought that were disposed of: arrays of shape (n,).

    Parameters
    ----------
    share : ndarray
        Recovered amount over the line's value when it was sold.
    weeks : ndarray
        From the sale to the request; NaN where unknown.
    """

    share: Floats
    disposition: npt.NDArray[Any]
    grade: npt.NDArray[Any]
    family: npt.NDArray[Any]
    weeks: Floats


def learn(past: Past, costs: Costs = DEFAULT) -> Costs:
    """Replace planning defaults by what lines brought: shares by grade, loss of value by family.

    A disposition that was never chosen keeps its default. One that was, but never at a grade, is taken to
    be impossible there: past choices tell what the goods of a grade allow.
    """
    weekly = {**costs.decay_per_week, **_decay_of(past, costs)}
    learned = replace(costs, decay_per_week=weekly)
    left = decay(past.family, DAYS_PER_WEEK * np.nan_to_num(past.weeks), learned)
    found = {str(name): _shares_of(past, past.share / left, name) for name in DISPOSITIONS}
    shares = {name: by_grade for name, by_grade in found.items() if by_grade is not None}
    return replace(learned, shares={**costs.shares, **shares})


def _shares_of(past: Past, share: Floats, disposition: str) -> tuple[float, ...] | None:
    """Return the mean share by grade, zero where it was hardly ever done; None where it never was."""
    done = past.disposition == disposition
    cells = [done & (past.grade == grade) for grade in GRADES]
    if max(int(cell.sum()) for cell in cells) < MIN_ROWS:
        return None
    return tuple(float(share[cell].mean()) if cell.sum() >= MIN_ROWS else 0.0 for cell in cells)


def _decay_of(past: Past, costs: Costs) -> dict[str, float]:
    """Return the share of value lost a week, by family: the slope of log shares within grade and outcome.

    Few lines, or lines of one age, tell little: each slope is weighed with the default, of which the order of
    magnitude is trusted. A line under a wrong grade lies far off and pulls no harder than others do.
    """
    paid = (past.share > 0) & np.isfinite(past.weeks)
    family = pd.Series(past.family[paid])
    lines = pd.DataFrame({"weeks": past.weeks[paid], "log": np.log(past.share[paid])})
    cell = [family, past.grade[paid], past.disposition[paid]]
    within = lines - lines.groupby(cell, dropna=False).transform("mean")
    rates = {}
    for name, rows in within.groupby(family):
        if len(rows) >= MIN_ROWS and float((rows["weeks"] ** 2).sum()) > 0:
            slope, error = _slope(rows["weeks"].to_numpy(), rows["log"].to_numpy())
            usual = costs.decay_per_week.get(str(name), costs.decay_otherwise)
            rates[str(name)] = _weighed(slope, error, usual)
    return rates


def _slope(x: Floats, y: Floats) -> tuple[float, float]:
    """Return Huber's slope through the origin, and its standard error."""
    line = HuberRegressor(fit_intercept=False, alpha=0.0).fit(x[:, None], y)
    most = line.epsilon * max(float(line.scale_), LEAST_SCALE)
    off = y - line.coef_[0] * x
    inside = float((np.abs(off) <= most).mean())
    error = np.sqrt((np.clip(off, -most, most) ** 2).mean() / (x**2).sum()) / max(inside, 1 / len(x))
    return float(line.coef_[0]), float(error)


def _weighed(slope: float, error: float, usual: float) -> float:
    """Return the mean of the loss a week, given what lines say of its logarithm and how far defaults err."""
    rates = np.geomspace(LEAST_DECAY, MOST_DECAY, 2_000)
    evidence = -0.5 * ((np.log1p(-rates) - slope) / max(error, LEAST_SCALE)) ** 2
    prior = -0.5 * (np.log(rates / max(usual, LEAST_DECAY)) / np.log(DECAY_FACTOR)) ** 2
    weight = np.exp(evidence + prior - (evidence + prior).max())
    return float((weight * rates).sum() / weight.sum())


@dataclass(frozen=True, slots=True)
class Outcome:
    """What each disposition is expected to bring, net; shape (n, dispositions), major currency units."""

    dispositions: tuple[str, ...]
    mean: Floats
    p10: Floats
    p90: Floats


def decay(family: npt.NDArray[Any], days: Floats, costs: Costs = DEFAULT) -> Floats:
    """Return the share of value that is left after `days` of waiting, shape (n,)."""
    weekly = np.array([costs.decay_per_week.get(name, costs.decay_otherwise) for name in family])
    return np.asarray((1 - weekly) ** (days / DAYS_PER_WEEK))


def gross(condition: Floats, value: Floats, costs: Costs = DEFAULT) -> Outcome:
    """Return p(condition) x value(condition, disposition), before work and freight.

    Parameters
    ----------
    condition : ndarray of shape (n, 6)
        Probability of each of `GRADES`; after inspection a single one.
    value : ndarray of shape (n,)
        What the line is worth by the time it is disposed of, in major units.
    """
    shares = np.array([costs.shares.get(name, (0.0,) * len(GRADES)) for name in DISPOSITIONS]).T
    return Outcome(
        tuple(DISPOSITIONS),
        # Added up grade by grade: a matrix product may round a row otherwise in other company.
        sum(condition[:, [place]] * by_grade for place, by_grade in enumerate(shares)) * value[:, None],
        _quantile(condition, shares, 0.1) * value[:, None],
        _quantile(condition, shares, 0.9) * value[:, None],
    )


def _quantile(condition: Floats, shares: Floats, level: float) -> Floats:
    """Return, for each row and disposition, the lowest share that is reached with probability `level`."""
    worst_first = np.argsort(shares, axis=0, kind="stable")
    reached = np.cumsum(condition[:, worst_first], axis=1) >= level - 1e-9
    place = reached.argmax(axis=1)
    return np.asarray(np.take_along_axis(np.take_along_axis(shares, worst_first, axis=0), place, axis=0))


def learned_or(prior: Outcome, learned: Outcome) -> Outcome:
    """Return what was learned, and the prior where the recovery model never saw a disposition."""
    unseen = np.isnan(learned.mean)
    return Outcome(
        prior.dispositions,
        np.where(unseen, prior.mean, learned.mean),
        np.where(unseen, prior.p10, learned.p10),
        np.where(unseen, prior.p90, learned.p90),
    )


def net(outcome: Outcome, weight_kg: Floats, costs: Costs = DEFAULT) -> Outcome:
    """Take work and freight off every alternative.

    Parameters
    ----------
    weight_kg : ndarray of shape (n,)
        NaN where unknown.
    """
    spent = expenses(outcome.dispositions, weight_kg, costs)
    return Outcome(outcome.dispositions, outcome.mean - spent, outcome.p10 - spent, outcome.p90 - spent)


def expenses(dispositions: tuple[str, ...], weight_kg: Floats, costs: Costs = DEFAULT) -> Floats:
    """Return handling and freight of every alternative, shape (n, dispositions)."""
    work = np.array([costs.minutes.get(name, 0.0) for name in dispositions]) * costs.labour_per_minute
    weight = np.where(np.isnan(weight_kg), costs.weight_kg, weight_kg)
    parcel = costs.freight_fixed + costs.freight_per_kg * weight
    shipped = np.array([name in SHIPPED for name in dispositions], np.float64)
    return np.asarray(work + parcel[:, None] * shipped)


def certain(grade: npt.NDArray[Any]) -> Floats:
    """Return p(condition) once inspected: 1 for the grade found; evenly spread where there is none."""
    found = np.array([[g == name for name in GRADES] for g in grade], np.float64)
    return np.where(found.any(axis=1, keepdims=True), found, 1 / len(GRADES))


def fraud_loss(score: Floats, credit: Floats) -> Floats:
    """Return the expected loss to fraud: its probability times the credit asked."""
    return score * credit


def cost_of_delay(recovery: Floats, family: npt.NDArray[Any], costs: Costs = DEFAULT) -> Floats:
    """Return what an hour of waiting costs, in major units: the value that melts away."""
    weekly = np.array([costs.decay_per_week.get(name, costs.decay_otherwise) for name in family])
    return np.asarray(np.maximum(recovery, 0.0) * weekly / HOURS_PER_WEEK)


def priority(cost_per_hour: Floats, minutes: Floats) -> Floats:
    """Return the place in the queue by the c-mu rule: cost of an hour's delay over expected hours of work."""
    return np.asarray(cost_per_hour / (np.maximum(minutes, 0.1) / 60))


def delay(cost_per_hour: Floats, minutes: Floats, order: npt.NDArray[np.int64]) -> float:
    """Return what waiting costs when one inspector takes the lines in an order, each until it is done."""
    return float((cost_per_hour[order] * np.cumsum(minutes[order])).sum() / 60)
