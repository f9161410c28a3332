"""Who buys: hidden types and activity levels, households, and the rings that hide among them.

People come in groups of one or more accounts. The members of an ordinary group are independent of one
another; those of a ring are all professionals, equally active, and share a state that is on or off, week by
week. Both kinds share addresses and devices, so that sharing alone proves nothing.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from training.simulator.laws.catalogue import FAMILIES, FAMILY_NAMES, Array

TYPES: Final = ("normal", "serial_returner", "wardrober", "professional")
TYPE_SHARE: Final = np.array([0.9695, 0.0230, 0.0055, 0.0020])  # of the members of ordinary groups
PROFESSIONAL: Final = TYPES.index("professional")
LEVELS: Final = np.array([0.35, 1.0, 3.0])  # how much somebody buys, relative to the mean
LEVEL_BY_TYPE: Final = np.array(
    [[0.40, 0.47, 0.13], [0.20, 0.50, 0.30], [0.30, 0.50, 0.20], [0.20, 0.50, 0.30]]
)

TIERS: Final = np.array(["bronze", "silver", "gold", "platinum"], object)
TIER_BY_TYPE: Final = np.array(
    [[0.45, 0.30, 0.18, 0.07], [0.35, 0.35, 0.20, 0.10], [0.55, 0.33, 0.10, 0.02], [0.88, 0.09, 0.02, 0.01]]
)
ACCOUNT_AGE_DAYS: Final = np.array([0.0, 400.0, 3000.0])  # edges of the bins; uniform inside a bin
AGE_BIN_BY_TYPE: Final = np.array([[0.15, 0.85], [0.20, 0.80], [0.40, 0.60], [0.90, 0.10]])

# What each type likes to buy, relative to the family's share of sales.
TASTE: Final = np.ones((len(TYPES), len(FAMILIES)))
TASTE[2, FAMILY_NAMES.tolist().index("apparel")] = 4.0
TASTE[3, FAMILY_NAMES.tolist().index("electronics")] = 3.0
TASTE[3, FAMILY_NAMES.tolist().index("power_tools")] = 2.0

HOUSEHOLD_SIZES: Final = np.array([1, 2, 3, 4])
HOUSEHOLD_SIZE_SHARE: Final = np.array([0.66, 0.24, 0.06, 0.04])
RING_SHARE: Final = 0.0016  # of all groups
RING_SIZES: Final = np.array([3, 4, 5, 6])
RING_SIZE_SHARE: Final = np.array([0.3, 0.3, 0.2, 0.2])
RING_LEVELS: Final = np.array([1.0, 2.5])
RING_LEVEL_SHARE: Final = np.array([0.5, 0.5])
# What the accounts of a group share, by kind of group: ordinary, ring.
TIES: Final = ("address", "device", "both")
TIE_BY_KIND: Final = np.array([[0.55, 0.05, 0.40], [0.25, 0.20, 0.55]])
# The state of a ring: off, on; and how it changes from one week to the next.
SWITCH: Final = np.array([[0.92, 0.08], [0.16, 0.84]])
STATIONARY: Final = np.array([2.0, 1.0]) / 3.0
ABUSE_BY_STATE: Final = np.array([0.04, 1.0])  # share of the intended abuse that is claimed
DAYS_A_WEEK: Final = 7


def age_bin(account_age: Array) -> Array:
    """Which bin of ACCOUNT_AGE_DAYS an account falls into."""
    return np.asarray(np.clip(np.searchsorted(ACCOUNT_AGE_DAYS, account_age) - 1, 0, 1))


def log_appearance(tier: Array, account_age: Array) -> Array:
    """Log P(tier, age of the account | type) of every customer, shape (n, types)."""
    return np.asarray(np.log(TIER_BY_TYPE[:, tier].T) + np.log(AGE_BIN_BY_TYPE[:, age_bin(account_age)].T))
