"""How long goods travel and wait: carriers that rest on Sundays, and queues before inspection."""

from __future__ import annotations

from typing import Final

import numpy as np

from training.simulator.laws.catalogue import Array
from training.simulator.laws.market import SITES

CARRIERS: Final = np.array(["parcel", "express", "freight"], object)
CARRIER_SHARE: Final = np.array([0.62, 0.18, 0.20])
TRANSIT_DAYS: Final = np.arange(1, 10)
# P(so many days on the way), before days of rest are added.
TRANSIT: Final = np.array(
    [
        [0.02, 0.13, 0.28, 0.27, 0.16, 0.08, 0.04, 0.01, 0.01],
        [0.40, 0.45, 0.12, 0.03, 0.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, 0.02, 0.06, 0.16, 0.24, 0.22, 0.16, 0.09, 0.05],
    ]
)
RESTS: Final = np.array([[6, 6], [6, 6], [5, 6]])  # weekdays on which a carrier delivers nothing, Monday 0
WAIT_DAYS: Final = np.arange(8)
SAME_DAY: Final = np.array([0.55, 0.45, 0.40, 0.30])  # share inspected on the day of arrival, by site
LONGEST_DELAY: Final = int(TRANSIT_DAYS[-1] + 2 + WAIT_DAYS[-1])
INVESTIGATION_DAYS: Final = (10.0, 90.0)  # from inspection to the verdict on fraud


def arrival(day: Array, weekday: Array, carrier: Array, transit: Array) -> Array:
    """Return the day of arrival: after `transit` days, or the next day on which the carrier delivers."""
    rests = np.zeros((CARRIERS.size, 7), bool)
    rests[np.arange(CARRIERS.size)[:, None], RESTS] = True
    shift = np.zeros_like(day)
    for _ in range(2):
        shift = shift + rests[carrier, (weekday + transit + shift) % 7]
    return np.asarray(day + transit + shift)


def wait_law() -> Array:
    """P(so many days between arrival and inspection | site), shape (sites, waits)."""
    law = SAME_DAY[:, None] * (1 - SAME_DAY[:, None]) ** WAIT_DAYS
    return np.asarray(law / law.sum(axis=1, keepdims=True))


def delay_law() -> Array:
    """P(days from request to inspection | weekday of the request, site): (7, sites, LONGEST_DELAY + 1)."""
    law = np.zeros((7, SITES.size, LONGEST_DELAY + 1))
    wait = wait_law()
    for carrier, share in enumerate(CARRIER_SHARE):
        for transit, chance in zip(TRANSIT_DAYS, TRANSIT[carrier], strict=True):
            day = arrival(np.zeros(7, int), np.arange(7), np.full(7, carrier), np.full(7, transit))
            for waited in WAIT_DAYS:
                law[np.arange(7), :, day + waited] += share * chance * wait[:, waited]
    return law
