"""Who is investigated for fraud, and how the verdict is written down."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.special import expit

from features.returns import Reason
from training.simulator.laws.catalogue import Array
from training.simulator.laws.claims import ABUSE, CAUSES, NOTES, REASONS, Marks
from training.simulator.laws.people import age_bin

FRAUD_FOUND: Final = 0.78  # share of abuse that an investigation proves; nothing else is ever "proven"
FLIPPED_POSITIVES: Final = 0.02  # of verdicts, written down wrongly
FLIPPED_NEGATIVES: Final = 0.0005
AT_RANDOM: Final = 0.02  # of inspected lines, investigated whatever their score
# The score of the clerks: points for what everybody can see.
BASE_POINTS: Final = -2.1
PRICE_POINTS: Final = 1.3  # an e-fold of dollars above 60
OPENED_POINTS: Final = 1.2
NEW_ACCOUNT_POINTS: Final = 1.6
SERIAL_POINTS: Final = 5.0
REASON_POINTS: Final = {
    Reason.NOT_AS_DESCRIBED: 1.5,
    Reason.DEFECTIVE: 0.8,
    Reason.UNWANTED: 0.8,
    Reason.OTHER: 1.2,
}
NOTE_POINTS: Final = {
    "not what I expected, please refund quickly": 3.0,
    "never used, refund to another card please": 4.5,
}
_BY_REASON: Final = np.array([REASON_POINTS.get(reason, 0.0) for reason in REASONS])
_BY_NOTE: Final = np.array([NOTE_POINTS.get(note, 0.0) for note in NOTES])


def investigated_share(marks: Marks, price: Array, account_age: Array) -> Array:
    """P(an inspected line is investigated): by score or at random, from what the request tells alone."""
    points = BASE_POINTS + PRICE_POINTS * np.log(price / 60) + OPENED_POINTS * marks.opened
    points = points + NEW_ACCOUNT_POINTS * (age_bin(account_age) == 0) + SERIAL_POINTS * marks.serial_differs
    score = expit(points + _BY_REASON[marks.reason] + _BY_NOTE[marks.note])
    return np.asarray(AT_RANDOM + (1 - AT_RANDOM) * score)


def verdict_law() -> Array:
    """P(the verdict written down is fraud | cause), shape (causes,)."""
    proven = np.where(np.arange(len(CAUSES)) == ABUSE, FRAUD_FOUND, 0.0)
    return np.asarray(proven * (1 - FLIPPED_POSITIVES) + (1 - proven) * FLIPPED_NEGATIVES)
