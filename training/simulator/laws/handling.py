"""What becomes of a return: inspection, the versions of the disposition policy, recovery and minutes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import softmax

from features.returns import Disposition, Grade, Reason
from training.simulator.laws.catalogue import FAMILY_NAMES, GROUP, GROUPS, REPAIRABLE, Array, family_figure
from training.simulator.laws.claims import REASONS
from training.simulator.laws.condition import GRADES
from training.simulator.laws.market import ACQUIRED_SITE, DAYS

_D: Final = Disposition
DISPOSITIONS: Final = (
    _D.RESTOCK, _D.REPACKAGE_RESTOCK, _D.OPEN_BOX_RESALE, _D.REFURBISH, _D.PARTS_HARVEST, _D.RETURN_TO_VENDOR,
    _D.LIQUIDATE, _D.DONATE, _D.RECYCLE, _D.DESTROY, _D.NO_RETURN_KEEP, _D.MISSING,
)  # fmt: skip
UNGRADED: Final = len(GRADES)  # the row of the tables below for what nobody inspected
# Share of the present value recovered, by disposition and grade NEW_SEALED A B C D E UNGRADED
# (grades after metrics.md: A 80-100, B 40-65, C 20-40, D 5-15, E 0-5 per cent).
RECOVERY: Final = np.array(
    [
        [0.90, 0.84, 0.52, 0.30, 0.10, 0.02, 0.0],
        [0.86, 0.82, 0.58, 0.34, 0.10, 0.02, 0.0],
        [0.75, 0.73, 0.62, 0.40, 0.10, 0.02, 0.0],
        [0.74, 0.72, 0.68, 0.56, 0.38, 0.05, 0.0],
        [0.30, 0.30, 0.28, 0.26, 0.24, 0.14, 0.0],
        [0.70, 0.66, 0.60, 0.50, 0.42, 0.18, 0.0],
        [0.38, 0.36, 0.30, 0.22, 0.10, 0.03, 0.04],
        [0.12, 0.12, 0.10, 0.07, 0.02, 0.01, 0.0],
        [0.04, 0.04, 0.04, 0.04, 0.04, 0.03, 0.0],
        [0.0] * 7,
        [0.0] * 7,
        [0.0] * 7,
    ]
)
ZERO_RECOVERY: Final = np.array([0.02, 0.04, 0.06, 0.10, 0.15, 0.08, 0.12, 0.5, 0.6, 1.0, 1.0, 1.0])
RECOVERY_SIGMA: Final = 0.25
COST: Final = np.array([2, 5, 6, 14, 9, 6, 3, 2, 2, 2, 0, 0], float)  # dollars a unit; planning default
TEMPERATURE: Final = 0.03  # of the policy, in shares of the value
POLICY_FROM: Final = (0.0, 0.42 * DAYS)  # days on which versions 1 and 2 came into force
# Leaning towards a disposition, by version: the second refurbishes less and sells more as open box.
HABIT: Final = np.array(
    [
        [0.05, 0.05, 0.10, 0.46, 0.14, 0.16, 0.0, 0.0, 0.08, 0.20, 0.2, 0.0],
        [0.05, 0.05, 0.17, 0.39, 0.14, 0.16, 0.0, 0.0, 0.08, 0.20, 0.2, 0.0],
    ]
)
ACQUIRED_SITE_HABIT: Final = np.array([0, 0, -0.1, -0.15, 0, 0, 0.2, 0, 0, 0, 0, 0])
KEEP_BELOW_DOLLARS: Final = 35.0
CHEAP_LINES_INSPECTED: Final = 0.85  # cheap lines are often credited without a look, all others never
_VENDOR_REASONS: Final = ("DEFECTIVE", "WARRANTY_CLAIM", "NOT_AS_DESCRIBED", "DAMAGED_IN_TRANSIT")
# Claims without goods: nothing arrives, and nobody can look at it.
NO_GOODS: Final = np.array([reason in {Reason.NOT_RECEIVED, Reason.SHORT_SHIPPED} for reason in REASONS])
VENDOR_REASON: Final = np.array([str(reason) in _VENDOR_REASONS for reason in REASONS])

GRADE_MINUTES: Final = np.array([0.55, 1.0, 1.25, 1.5, 1.9, 1.3])  # times the family's median
SPEEDS: Final = np.array([0.75, 1.0, 1.35, 0.75, 1.0, 1.35])  # of the inspectors of a site
MINUTES_SIGMA: Final = 0.4
TENURE_DAYS: Final = 540  # after which somebody new takes the place
LEARNING: Final = 0.35  # extra time of somebody new, shrinking by e-folds of LEARNING_DAYS
LEARNING_DAYS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Case:
    """What the policy looks at, line by line; all of it is known at the request."""

    family: Array
    site: Array
    day: Array
    value: Array  # present value of a unit, dollars
    vendor: Array  # bool: the supplier takes this item back for the stated reason
    absent: Array  # bool: nothing comes back, it is missing, and that is certain

    @property
    def version(self) -> Array:
        """Index of the version of the policy in force when the return was asked for."""
        return np.asarray(np.searchsorted(POLICY_FROM, self.day, side="right") - 1)


def inspected_share(price: Array, absent: Array) -> Array:
    """P(a person looks at it), from the price alone: a logged choice, independent of anything hidden."""
    return np.asarray(~absent * np.where(price < KEEP_BELOW_DOLLARS, CHEAP_LINES_INSPECTED, 1.0))


def present_value(family: Array, price: Array, days_since_sale: Array) -> Array:
    """What a unit like new is worth, dollars: it loses a share of its value every whole week."""
    return np.asarray(price * (1 - family_figure("weekly_loss")[family]) ** (days_since_sale // 7))


def policy(case: Case) -> Array:
    """P(disposition | grade written down, what is known), shape (n, grades + UNGRADED, dispositions).

    Softmax of the net share of value each allowed disposition recovers, plus habit: the
    stochastic policy that the world's history was logged under.
    """
    share = RECOVERY.T[None] * (1 - ZERO_RECOVERY) - (COST / (case.value[:, None] + 10))[:, None, :]
    habit = HABIT[case.version] + (case.site == ACQUIRED_SITE)[:, None] * ACQUIRED_SITE_HABIT
    logits = (share + habit[:, None, :]) / TEMPERATURE
    allowed = _allowed(case.family, case.vendor, case.absent)
    return np.asarray(softmax(np.where(allowed, logits, -np.inf), axis=2))


def _allowed(family: Array, vendor: Array, absent: Array) -> Array:
    at = {disposition: column for column, disposition in enumerate(DISPOSITIONS)}
    first = {grade: position for position, grade in enumerate(GRADES)}
    ok = np.ones((family.size, UNGRADED + 1, len(DISPOSITIONS)), bool)
    perishable = GROUP[family] == GROUPS.index("perishable")
    ok[:, first[Grade.A] :, at[_D.RESTOCK]] = False
    ok[:, first[Grade.C] :, at[_D.REPACKAGE_RESTOCK]] = False
    ok[:, first[Grade.D] :, at[_D.OPEN_BOX_RESALE]] = False
    ok[:, :, [at[_D.REFURBISH], at[_D.PARTS_HARVEST]]] &= REPAIRABLE[family][:, None, None]
    ok[:, :, at[_D.RETURN_TO_VENDOR]] &= vendor[:, None]
    ok[:, :, at[_D.DESTROY]] &= perishable[:, None]
    ok[:, first[Grade.E], [at[_D.REFURBISH], at[_D.LIQUIDATE]]] = False
    ok[:, : first[Grade.E], [at[_D.PARTS_HARVEST], at[_D.RECYCLE]]] = False
    # What was opened and is eaten, drunk or taken is never sold again.
    for sold in (_D.RESTOCK, _D.REPACKAGE_RESTOCK, _D.OPEN_BOX_RESALE, _D.LIQUIDATE):
        ok[:, 1:, at[sold]] &= ~perishable[:, None]
    ok[:, :UNGRADED, [at[_D.NO_RETURN_KEEP], at[_D.MISSING]]] = False
    # Worn safety gear is destroyed, spent batteries recycled: nobody may or wants to buy them.
    safety, batteries = (FAMILY_NAMES[family] == name for name in ("safety", "batteries"))
    worn = slice(first[Grade.C], first[Grade.E] + 1)
    ok[:, worn, :] &= ~(safety | batteries)[:, None, None]
    ok[:, worn, at[_D.DESTROY]] |= safety[:, None]
    ok[:, worn, at[_D.RECYCLE]] |= batteries[:, None]
    # Worn clothes are given away, other worn goods liquidated.
    clothes = GROUP[family] == GROUPS.index("apparel")
    ok[:, :, at[_D.DONATE]] = False
    ok[:, first[Grade.D], at[_D.DONATE]] = clothes
    ok[:, first[Grade.D], at[_D.LIQUIDATE]] &= ~clothes
    # What nobody looks at is left with the customer, or never came.
    ok[:, UNGRADED, :] = False
    ok[:, UNGRADED, at[_D.NO_RETURN_KEEP]] = ~absent
    ok[:, UNGRADED, at[_D.MISSING]] = absent
    return ok


def recovery_scale(disposition: Array, grade: Array, value: Array) -> tuple[Array, Array]:
    """Return P(nothing recovered) and the median of what is recovered otherwise, in units of `value`."""
    median = RECOVERY[disposition, grade] * value * np.exp(-(RECOVERY_SIGMA**2) / 2)
    nothing = np.where(median > 0, ZERO_RECOVERY[disposition], 1.0)
    return nothing, np.asarray(median)


def pace(day: Array) -> Array:
    """How slow every inspector of a site is on a day, relative to the median, shape (n, inspectors)."""
    learning = 1 + LEARNING * np.exp(-_tenure(day) / LEARNING_DAYS)
    return np.asarray(SPEEDS * learning)


def generation(day: Array) -> Array:
    """How many people held each place before on a day, shape (n, inspectors)."""
    return np.asarray((day[:, None] + _offset()) // TENURE_DAYS)


def _tenure(day: Array) -> Array:
    return np.asarray((day[:, None] + _offset()) % TENURE_DAYS)


def _offset() -> Array:
    return np.arange(SPEEDS.size) * (TENURE_DAYS // SPEEDS.size)


def median_minutes(family: Array, day: Array) -> Array:
    """Median inspection minutes by grade and inspector, shape (n, grades, inspectors)."""
    minutes = family_figure("minutes")[family][:, None] * GRADE_MINUTES
    return np.asarray(minutes[:, :, None] * pace(day)[:, None, :])
