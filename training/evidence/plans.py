"""What recommendations bring in a simulated world, beside the plan of one who knows its laws and fixed rules.

All amounts are net of work and freight and of what is really there: expected under the world's own law of
recovery given the grade that an inspection finds, so that luck is on nobody's side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.table import Table, number
from models import economics
from models.economics import Costs

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

# A return manual without models: what the supplier takes back goes there, all else by the words of its grade
# (sealed; like new and complete; works with minor wear; works; parts are good; beyond economic repair).
# The first that may be done is done.
RULES: Final[Mapping[str, tuple[str, ...]]] = {
    "NEW_SEALED": ("RETURN_TO_VENDOR", "RESTOCK"),
    "A": ("RETURN_TO_VENDOR", "REPACKAGE_RESTOCK", "OPEN_BOX_RESALE"),
    "B": ("RETURN_TO_VENDOR", "OPEN_BOX_RESALE"),
    "C": ("RETURN_TO_VENDOR", "LIQUIDATE"),
    "D": ("RETURN_TO_VENDOR", "PARTS_HARVEST"),
    "E": ("RETURN_TO_VENDOR", "RECYCLE"),
}
LAST_RESORT: Final = ("LIQUIDATE", "DONATE", "RECYCLE", "DESTROY")


@dataclass(frozen=True, slots=True)
class World:
    """What alternatives are worth by the world's own laws; shape (n, dispositions) unless told otherwise.

    Parameters
    ----------
    expected : ndarray
        Net recovery as the laws expect it from what is known; -inf where the disposition may not be chosen.
    value : ndarray
        Net recovery of what is really there.
    weekly_loss : ndarray of shape (n,)
        Share of value lost by waiting a week.
    """

    dispositions: tuple[str, ...]
    expected: Floats
    value: Floats
    weekly_loss: Floats

    @property
    def permitted(self) -> npt.NDArray[np.bool_]:
        """Which dispositions the facts of a line allow."""
        return np.isfinite(self.expected)

    def best(self) -> Codes:
        """Return what one would choose who knows every law and no secret."""
        return np.asarray(self.expected.argmax(axis=1))

    def choose(self, dispositions: tuple[str, ...], mean: Floats) -> Codes:
        """Return what somebody chooses who expects `mean` of `dispositions`, among what is permitted."""
        place = [dispositions.index(name) for name in self.dispositions]
        return np.asarray(np.where(self.permitted, mean[:, place], -np.inf).argmax(axis=1))

    def brought(self, chosen: Codes) -> Floats:
        """Return what a choice brings, shape (n,)."""
        return np.asarray(self.value[np.arange(len(chosen)), chosen])

    def ruled(self, grade: npt.NDArray[Any]) -> Codes:
        """Return what the fixed rules choose for a grade; without one nobody has looked, and B is assumed."""
        at = {name: place for place, name in enumerate(self.dispositions)}
        wanted = [[at[name] for name in (*RULES.get(g, RULES["B"]), *LAST_RESORT)] for g in grade]
        first = [
            next((d for d in row if allowed[d]), int(allowed.argmax()))
            for row, allowed in zip(wanted, self.permitted, strict=True)
        ]
        return np.array(first, np.int64)


def world_of(
    table: Table, truth: pd.DataFrame | None, *, inspected: bool, costs: Costs = economics.DEFAULT
) -> World | None:
    """Read a world's laws from its truth; None where it says nothing of alternatives."""
    prefix = "given_grade_expected_" if inspected else "expected_"
    names = tuple(str(d) for d in economics.DISPOSITIONS if truth is not None and f"{prefix}{d}" in truth)
    if truth is None or not names:
        return None
    spent = economics.expenses(names, number(table, "weight_kg"), costs)
    expected = truth[[f"{prefix}{name}" for name in names]].to_numpy()
    return World(
        names,
        np.where(np.isnan(expected), -np.inf, expected - spent),
        truth[[f"value_{name}" for name in names]].to_numpy() - spent,
        truth["weekly_loss"].to_numpy(),
    )


@dataclass(frozen=True, slots=True)
class Money:
    """What the same lines bring by three plans; shape (n,)."""

    model: Floats
    rules: Floats
    best: Floats

    def take(self, rows: npt.NDArray[Any]) -> Money:
        """Return the chosen rows."""
        return Money(self.model[rows], self.rules[rows], self.best[rows])

    def figures(self) -> dict[str, float]:
        """Return net recovery a line, its ratio to the best plan, and the gain over fixed rules."""
        return {
            "net_recovery": float(self.model.mean()),
            "bayes_ratio_net_recovery": float(self.model.sum() / self.best.sum()),
            "gain_over_rules": float(self.model.sum() / self.rules.sum() - 1),
        }


def money(world: World, chosen: Codes, grade: npt.NDArray[Any]) -> Money:
    """Compare a plan with the best one and with fixed rules."""
    return Money(world.brought(chosen), world.brought(world.ruled(grade)), world.brought(world.best()))
