"""Why goods come back, when, and what customers say: laws by hidden cause and type.

Everything hidden is discrete (types x causes), so `truth` can sum over it exactly. Times are whole days.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtr

from features.returns import Reason
from training.simulator.laws.catalogue import (
    BRAND_DEFECTS,
    FAMILIES,
    FAMILY_NAMES,
    GROUP,
    GROUPS,
    Array,
    Catalogue,
    family_figure,
)
from training.simulator.laws.market import CHANNELS, DAYS
from training.simulator.laws.people import PROFESSIONAL, TASTE, TYPES

CAUSES: Final = ("DEFECT", "DAMAGE", "WRONG_ITEM", "REGRET", "EXCESS", "ABUSE")
ABUSE: Final = CAUSES.index("ABUSE")

DEFECTS: Final = 1.15  # of the families' rates: some appear when the window has closed
# Rates of return by channel, relative to the family's rate; EXCESS is an absolute rate.
DAMAGE_BY_CHANNEL: Final = np.array([1.5, 0.5, 0.8])
WRONG_BY_CHANNEL: Final = np.array([0.016, 0.005, 0.008])
REGRET_BY_CHANNEL: Final = np.array([1.26, 0.79, 0.46])
EXCESS_BY_CHANNEL: Final = np.array([0.0, 0.006, 0.040])
REGRET_BY_TYPE: Final = np.array([1.0, 3.6, 1.5, 0.8])
ABUSE_BY_TYPE: Final = np.array([0.0020, 0.0100, 0.14, 0.34])
MAX_RETURN_RATE: Final = 0.9

# Tactics: what professionals claim, and for which families, changes at these days.
TACTICS_FROM: Final = (0.0, 0.22 * DAYS, 0.45 * DAYS)
_PREFERRED: Final = (
    {"electronics", "appliances"},
    {"power_tools", "electronics"},
    {"electronics", "batteries", "apparel"},
)
OTHER_FAMILIES: Final = 0.35  # of the appetite for the preferred ones

# Days from sale to request by cause: a discretised log-normal, cut off where the contract ends.
LAG_MEDIAN_DAYS: Final = np.array([36.0, 4.0, 5.0, 6.4, 80.0, 13.0])
LAG_SIGMA: Final = np.array([1.6, 0.9, 1.0, 1.62, 0.7, 0.6])
WINDOW_DAYS: Final = 120  # of the contract
LONGER_FOR_DEFECTS: Final = 30
HOLIDAY_EXTENSION: Final = 31
LONGEST: Final = WINDOW_DAYS + LONGER_FOR_DEFECTS + HOLIDAY_EXTENSION

SERIAL_DIFFERS: Final = np.array([0.01, 0.01, 0.03, 0.01, 0.01, 0.60])  # of serialized items, by cause
OPENED: Final = np.array([0.95, 0.55, 0.40, 0.60, 0.05, 0.85])  # of what is sent back, by cause

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
        Reason.DEFECTIVE: 2, Reason.OTHER: 6,
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
        [17, 5, 2, 1, 2, 1, 1, 3, 3, 3, 0.5, 0.5, 31, 30],
    ]
)
NOTE_BY_CAUSE: Final = _NOTE_WEIGHTS / _NOTE_WEIGHTS.sum(axis=1, keepdims=True)


@dataclass(frozen=True, slots=True)
class Marks:
    """What a customer states and sends back, line by line: the visible side of a claim."""

    product: Array
    family: Array
    channel: Array
    sold_day: Array
    day: Array  # of the request, since the start of the world
    extended: Array  # bool: the sale may come back longer
    reason: Array
    note: Array
    serialized: Array
    serial_differs: Array
    opened: Array

    @property
    def lag(self) -> Array:
        """Whole days from sale to request."""
        return np.asarray(self.day - self.sold_day)

    @property
    def group(self) -> Array:
        """Index of the product's group."""
        return np.asarray(GROUP[self.family])


def era(day: Array) -> Array:
    """Which of the tactics professionals use on a day."""
    return np.asarray(np.searchsorted(TACTICS_FROM, day, side="right") - 1)


def acceptance() -> Array:
    """Share of the intended abuse that is claimed, shape (eras, types, families): tactics shift."""
    share = np.ones((len(TACTICS_FROM), len(TYPES), len(FAMILIES)))
    for number, families in enumerate(_PREFERRED):
        share[number, PROFESSIONAL, [name not in families for name in FAMILY_NAMES]] = OTHER_FAMILIES
    return share


def rate_table(catalogue: Catalogue) -> Array:
    """P(a sale is meant to come back for this cause), shape (products, channels, types, causes)."""
    family, price = catalogue.family, catalogue.price
    rates = np.empty((family.size, CHANNELS.size, len(TYPES), len(CAUSES)))
    defect = DEFECTS * family_figure("defect")[family] * BRAND_DEFECTS[catalogue.brand_rank]
    lure = family_figure("lure")[family] * np.clip((price / 100) ** 0.4, 0.4, 2.5)
    regret = family_figure("regret")[family][:, None] * REGRET_BY_CHANNEL
    rates[..., 0] = defect[:, None, None]
    rates[..., 1] = (family_figure("fragile")[family][:, None] * DAMAGE_BY_CHANNEL)[:, :, None]
    rates[..., 2] = WRONG_BY_CHANNEL[:, None]
    rates[..., 3] = regret[:, :, None] * REGRET_BY_TYPE
    rates[..., 4] = EXCESS_BY_CHANNEL[:, None]
    rates[..., 5] = lure[:, None, None] * ABUSE_BY_TYPE
    total = rates.sum(axis=3, keepdims=True)
    return np.asarray(rates * np.minimum(1.0, MAX_RETURN_RATE / total))


def window(extended: Array) -> Array:
    """Last day after the sale on which a return is taken, shape (n, causes); defects have longer."""
    longer = np.where(np.arange(len(CAUSES)) == CAUSES.index("DEFECT"), LONGER_FOR_DEFECTS, 0)
    return np.asarray(WINDOW_DAYS + longer + HOLIDAY_EXTENSION * extended[:, None])


def lag_law() -> Array:
    """P(so many days from sale to request | cause), before the window cuts, shape (causes, LONGEST + 1)."""
    edges = np.maximum(np.arange(-1, LONGEST + 1), 1e-9)[:, None]
    cumulative = ndtr((np.log(edges) - np.log(LAG_MEDIAN_DAYS)) / LAG_SIGMA)
    cumulative[:2] = 0.0  # nothing comes back on the day it is sold
    return np.asarray(np.diff(cumulative, axis=0).T)


def reason_law() -> Array:
    """P(stated reason | era, group, type, cause), shape (3, 3, 4, 6, 23)."""
    base = np.array([[_STATED[cause].get(reason, 0.0) for reason in REASONS] for cause in CAUSES])
    law = np.tile(base, (len(TACTICS_FROM), len(GROUPS), len(TYPES), 1, 1))
    at = {reason: position for position, reason in enumerate(REASONS)}
    regret = CAUSES.index("REGRET")
    law[:, :, 1, regret, at[Reason.DEFECTIVE]] += (
        20  # serial returners call regret a defect: no restocking fee
    )
    law[:, :, 2, ABUSE, at[Reason.UNWANTED]] += 60  # wardrobers say that it did not suit
    law[0, :, PROFESSIONAL, ABUSE, at[Reason.DEFECTIVE]] += 60
    law[1, :, PROFESSIONAL, ABUSE, at[Reason.NOT_AS_DESCRIBED]] += 50
    law[1, :, PROFESSIONAL, ABUSE, at[Reason.NOT_RECEIVED]] += 15
    law[2, :, PROFESSIONAL, ABUSE, at[Reason.OTHER]] += 40
    law[2, :, PROFESSIONAL, ABUSE, at[Reason.DEFECTIVE]] += 25
    law[:, 1, :, regret, at[Reason.FIT_SIZE_STYLE]] += 90
    law[:, 1, :, ABUSE, at[Reason.FIT_SIZE_STYLE]] += 50
    law[:, 2, :, regret, at[Reason.EXPIRED_OR_SHORT_DATED]] += 70
    return np.asarray(law / law.sum(axis=-1, keepdims=True))


def log_claim(marks: Marks, rates: Array) -> Array:
    """Log-likelihood that a request comes and looks as it does, shape (n, types, causes).

    Of a professional whose state is on. What does not depend on type and cause is left out.
    """
    now = era(marks.day)
    law = rates[marks.product, marks.channel] * reason_law()[now, marks.group, :, :, marks.reason]
    law[:, :, ABUSE] *= acceptance()[now, :, marks.family]
    law *= TASTE[:, marks.family].T[:, :, None]
    seen = np.where(marks.lag[:, None] <= window(marks.extended), lag_law()[:, marks.lag].T, 0.0)
    seen = seen * NOTE_BY_CAUSE[:, marks.note].T
    seen = seen * np.where(marks.opened[:, None], OPENED, 1 - OPENED)
    differs = np.where(marks.serial_differs[:, None], SERIAL_DIFFERS, 1 - SERIAL_DIFFERS)
    seen = seen * np.where(marks.serialized[:, None], differs, 1.0)
    with np.errstate(divide="ignore"):  # an impossible cause has likelihood zero
        return np.asarray(np.log(law * seen[:, None, :]))
