"""Why goods come back: hidden customer types and causes, and the laws that tie them to what can be seen.

Everything hidden is discrete (TYPES x CAUSES), so `truth` can sum over it exactly.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.special import ndtr, softmax

from features.returns import Grade, Reason
from training.simulator.catalogue import BRAND_DEFECTS, FAMILIES, FAMILY_NAMES, GROUPS, Array, family_figure

TYPES: Final = ("normal", "serial_returner", "wardrober", "professional")
TYPE_SHARE: Final = np.array([0.948, 0.030, 0.013, 0.009])
CAUSES: Final = ("DEFECT", "DAMAGE", "WRONG_ITEM", "REGRET", "EXCESS", "ABUSE")
ABUSE: Final = CAUSES.index("ABUSE")

CHANNELS: Final = np.array(["online", "branch", "edi"], object)
CHANNEL_SHARE: Final = np.array([0.45, 0.35, 0.20])
# Rates of return by channel, relative to the family's rate; EXCESS is an absolute rate.
DAMAGE_BY_CHANNEL: Final = np.array([1.5, 0.5, 0.8])
WRONG_BY_CHANNEL: Final = np.array([0.016, 0.005, 0.008])
REGRET_BY_CHANNEL: Final = np.array([1.22, 0.78, 0.45])
EXCESS_BY_CHANNEL: Final = np.array([0.0, 0.004, 0.025])

TIERS: Final = np.array(["bronze", "silver", "gold", "platinum"], object)
TIER_BY_TYPE: Final = np.array(
    [[0.45, 0.30, 0.18, 0.07], [0.35, 0.35, 0.20, 0.10], [0.50, 0.35, 0.12, 0.03], [0.75, 0.18, 0.05, 0.02]]
)
ACCOUNT_AGE_DAYS: Final = np.array([0.0, 400.0, 3000.0])  # edges of the bins; uniform inside a bin
AGE_BIN_BY_TYPE: Final = np.array([[0.15, 0.85], [0.20, 0.80], [0.35, 0.65], [0.85, 0.15]])

REGRET_BY_TYPE: Final = np.array([1.0, 3.6, 1.5, 0.8])
ABUSE_BY_TYPE: Final = np.array([0.0007, 0.008, 0.16, 0.20])
# What each type likes to buy, relative to the family's share of sales.
TASTE: Final = np.ones((len(TYPES), len(FAMILIES)))
TASTE[2, FAMILY_NAMES.tolist().index("apparel")] = 4.0
TASTE[3, FAMILY_NAMES.tolist().index("electronics")] = 3.0
TASTE[3, FAMILY_NAMES.tolist().index("power_tools")] = 2.0
MAX_RETURN_RATE: Final = 0.9

LAG_MEDIAN_DAYS: Final = np.array([20.0, 4.0, 5.0, 8.0, 65.0, 16.0])
LAG_SIGMA: Final = np.array([1.8, 0.9, 1.0, 1.38, 0.8, 0.7])

SERIAL_DIFFERS: Final = np.array([0.01, 0.01, 0.05, 0.01, 0.01, 0.25])  # of serialized items, by cause
OPENED: Final = np.array([0.95, 0.55, 0.40, 0.60, 0.05, 0.85])  # of what is sent back, by cause
FRAUD_FOUND: Final = 0.85  # share of abuse that an inspection proves; nothing else is ever "proven"

# Reasons stated, by cause; then how types and product groups bend them. Rows are normalised.
REASONS: Final = tuple(Reason)
_STATED: Final[dict[str, dict[Reason, float]]] = {
    "DEFECT": {
        Reason.DEFECTIVE: 70, Reason.WARRANTY_CLAIM: 14, Reason.NOT_AS_DESCRIBED: 7, Reason.OTHER: 5,
        Reason.UNWANTED: 4,
    },
    "DAMAGE": {
        Reason.DAMAGED_IN_TRANSIT: 62, Reason.DEFECTIVE: 18, Reason.PACKAGING_OR_LABEL: 12,
        Reason.REFUSED_UNDELIVERABLE: 8,
    },
    "WRONG_ITEM": {
        Reason.WRONG_ITEM: 72, Reason.NOT_AS_DESCRIBED: 16, Reason.OVER_SHIPPED: 6,
        Reason.ORDERED_IN_ERROR: 6,
    },
    "REGRET": {
        Reason.UNWANTED: 38, Reason.FIT_SIZE_STYLE: 14, Reason.ORDERED_IN_ERROR: 18,
        Reason.NOT_AS_DESCRIBED: 12, Reason.LATE_DELIVERY: 6, Reason.PRICE_DISPUTE: 4,
        Reason.DEFECTIVE: 4, Reason.OTHER: 4,
    },
    "EXCESS": {Reason.EXCESS_STOCK: 50, Reason.STOCK_ROTATION: 25, Reason.END_OF_SEASON: 25},
    "ABUSE": {
        Reason.DEFECTIVE: 30, Reason.NOT_AS_DESCRIBED: 22, Reason.UNWANTED: 18, Reason.NOT_RECEIVED: 10,
        Reason.FIT_SIZE_STYLE: 10, Reason.OTHER: 10,
    },
}  # fmt: skip

NOTES: Final = np.array(
    [
        None,
        "does not switch on",
        "stops after a few minutes",
        "makes a loud noise and gets hot",
        "box crushed, unit dented",
        "leaking on arrival",
        "got another model than ordered",
        "part missing from the box",
        "changed my mind",
        "does not fit",
        "not needed for the job any more",
        "left over after the season",
        "not what I expected, please refund quickly",
        "never used, refund to another card please",
    ],
    object,
)
_NOTE_WEIGHTS: Final = np.array(
    [
        [40, 22, 16, 12, 1, 3, 1, 3, 1, 0.5, 0.5, 0.5, 1, 0.5],
        [38, 3, 1, 1, 36, 14, 1, 4, 0.5, 0.5, 0.5, 0.5, 1, 0.5],
        [40, 1, 0.5, 0.5, 1, 0.5, 42, 9, 1, 2, 1, 0.5, 1, 0.5],
        [48, 1, 1, 0.5, 0.5, 0.5, 2, 1, 18, 14, 9, 1, 3, 0.5],
        [60, 0.5, 0.5, 0.5, 0.5, 0.5, 1, 1, 2, 0.5, 8, 26, 0.5, 0.5],
        [42, 11, 5, 2, 3, 1, 3, 5, 6, 6, 1, 0.5, 9, 6],
    ]
)
NOTE_BY_CAUSE: Final = _NOTE_WEIGHTS / _NOTE_WEIGHTS.sum(axis=1, keepdims=True)

GRADES: Final = tuple(grade for grade in Grade if grade is not Grade.UNGRADED)
SEVERITY: Final = np.arange(len(GRADES)) - 2.0
# Logits of the grades by cause, best grade first.
GRADE_LOGITS: Final = 2.5 * np.array(
    [
        [-3.0, -2.0, -0.5, 0.4, 1.3, 0.8],
        [-3.0, -2.0, 0.2, 1.1, 0.9, 0.9],
        [1.6, 1.4, 0.2, -1.0, -2.5, -3.5],
        [0.7, 1.3, 1.0, -0.1, -1.25, -0.6],
        [2.6, 1.2, -0.3, -1.2, -3.0, -3.5],
        [-3.0, -0.6, 0.9, 0.9, 0.8, 0.5],
    ]
)
# What the state of the seal adds to them: sealed goods are new, opened ones no longer are.
SEAL_LOGITS: Final = np.array([[4.0, 0.0, -2.0, -2.0, 0.0, 0.0], [-9.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
GROUP_SEVERITY: Final = np.array([0.0, -0.15, 0.25])  # by product group
LAG_SEVERITY: Final = 0.12  # per e-fold of days in use
ACQUIRED_SITE_SEVERITY: Final = 0.35  # CHI1 grades more strictly


def reason_law() -> Array:
    """P(stated reason | group, type, cause), shape (3, 4, 6, 23)."""
    base = np.array([[_STATED[cause].get(reason, 0.0) for reason in REASONS] for cause in CAUSES])
    law = np.tile(base, (len(GROUPS), len(TYPES), 1, 1))
    at = {reason: position for position, reason in enumerate(REASONS)}
    regret = CAUSES.index("REGRET")
    law[:, 1, regret, at[Reason.DEFECTIVE]] += 20  # serial returners call regret a defect: no restocking fee
    law[:, 2, ABUSE, at[Reason.UNWANTED]] += 60  # wardrobers say that it did not suit
    law[:, 3, ABUSE, at[Reason.DEFECTIVE]] += 30
    law[:, 3, ABUSE, at[Reason.NOT_RECEIVED]] += 25
    law[1, :, regret, at[Reason.FIT_SIZE_STYLE]] += 90
    law[1, :, ABUSE, at[Reason.FIT_SIZE_STYLE]] += 50
    law[2, :, regret, at[Reason.EXPIRED_OR_SHORT_DATED]] += 70
    return np.asarray(law / law.sum(axis=-1, keepdims=True))


def return_rates(family: Array, brand_rank: Array, channel: Array, price: Array) -> Array:
    """P(a sale comes back for this cause | type, what was sold), shape (n, types, causes)."""
    lure = family_figure("lure")[family] * np.clip((price / 100) ** 0.4, 0.4, 2.5)
    rates = np.empty((family.size, len(TYPES), len(CAUSES)))
    rates[:, :, 0] = (family_figure("defect")[family] * BRAND_DEFECTS[brand_rank])[:, None]
    rates[:, :, 1] = (family_figure("fragile")[family] * DAMAGE_BY_CHANNEL[channel])[:, None]
    rates[:, :, 2] = WRONG_BY_CHANNEL[channel][:, None]
    regret = family_figure("regret")[family] * REGRET_BY_CHANNEL[channel]
    rates[:, :, 3] = regret[:, None] * REGRET_BY_TYPE
    rates[:, :, 4] = EXCESS_BY_CHANNEL[channel][:, None]
    rates[:, :, 5] = lure[:, None] * ABUSE_BY_TYPE
    total = rates.sum(axis=2, keepdims=True)
    return np.asarray(rates * np.minimum(1.0, MAX_RETURN_RATE / total))


def lag_density(days: Array) -> Array:
    """Density of the days from sale to return by cause, shape (n, causes)."""
    z = (np.log(days)[:, None] - np.log(LAG_MEDIAN_DAYS)) / LAG_SIGMA
    return np.asarray(np.exp(-0.5 * z**2) / (days[:, None] * LAG_SIGMA))  # the common 1/sqrt(2 pi) cancels


def lag_cdf(days: Array) -> Array:
    """P(come back within so many days | comes back for this cause), shape (n, causes)."""
    return np.asarray(ndtr((np.log(days)[:, None] - np.log(LAG_MEDIAN_DAYS)) / LAG_SIGMA))


def grade_law(group: Array, lag: Array, acquired_site: Array, opened: Array) -> Array:
    """P(grade | cause, product group, days in use, site, seal), shape (n, causes, grades)."""
    severity = GROUP_SEVERITY[group] + LAG_SEVERITY * np.log1p(lag) + ACQUIRED_SITE_SEVERITY * acquired_site
    seal = SEAL_LOGITS[opened.astype(int)][:, None, :]
    return np.asarray(softmax(GRADE_LOGITS + seal + severity[:, None, None] * SEVERITY, axis=2))
