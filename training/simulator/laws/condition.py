"""What state the goods are in, and which code a site writes down for it."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.special import softmax

from features.returns import Grade
from training.simulator.laws.catalogue import Array
from training.simulator.laws.market import DAYS, SITES

GRADES: Final = tuple(grade for grade in Grade if grade is not Grade.UNGRADED)
SEVERITY: Final = np.arange(len(GRADES)) - 2.0
# Logits of the grades by cause, best grade first.
GRADE_LOGITS: Final = 2.5 * np.array(
    [
        [-3.0, -2.0, -0.5, 0.3, 1.4, 0.6],
        [-3.0, -2.0, 0.2, 1.1, 0.8, 1.1],
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

# Share of units that a site writes down one grade off, either way; the acquired site is the least careful.
CODING_NOISE: Final = np.array([0.01, 0.03, 0.06, 0.10])
NEW_CODES_SITE: Final = 1  # RNO1 takes up a stricter code book
NEW_CODES_FROM: Final = 0.45 * DAYS
NEW_CODES_SHIFT: Final = 0.85  # of units in grades B to D, written one grade worse since then


def grade_law(group: Array, lag: Array, opened: Array) -> Array:
    """P(grade | cause, product group, days in use, seal), shape (n, causes, grades)."""
    severity = GROUP_SEVERITY[group] + LAG_SEVERITY * np.log1p(lag)
    seal = SEAL_LOGITS[opened.astype(int)][:, None, :]
    return np.asarray(softmax(GRADE_LOGITS + seal + severity[:, None, None] * SEVERITY, axis=2))


def code_law(site: Array, day: Array) -> Array:
    """P(grade written down | grade found), by the site and day of the request, shape (n, grades, grades)."""
    books = np.stack(
        [*(_book(noise) for noise in CODING_NOISE), _stricter() @ _book(CODING_NOISE[NEW_CODES_SITE])]
    )
    renewed = (site == NEW_CODES_SITE) & (day >= NEW_CODES_FROM)
    return np.asarray(books[np.where(renewed, SITES.size, site)])


def _book(noise: float) -> Array:
    """Confuse every grade with its neighbours."""
    grades = len(GRADES)
    book = (1 - noise) * np.eye(grades)
    for grade in range(grades):
        near = [g for g in (grade - 1, grade + 1) if 0 <= g < grades]
        book[grade, near] += noise / len(near)
    return book


def _stricter() -> Array:
    """Move most units of grades B to D one grade down."""
    moved = np.eye(len(GRADES))
    for grade in (GRADES.index(Grade.B), GRADES.index(Grade.C), GRADES.index(Grade.D)):
        moved[grade, [grade, grade + 1]] = 1 - NEW_CODES_SHIFT, NEW_CODES_SHIFT
    return moved
