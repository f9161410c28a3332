"""What a return will bring back under each disposition: a mean and a range, net of nothing.

The amount is learned as a share of the line's value, so that dear and cheap items of a kind teach each other.
The mean is a hurdle: the chance of recovering anything at all times what is then recovered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from features import calendar
from features.columns import ATTRIBUTE, Column, columns_for
from features.returns import BadInputError, Disposition
from features.table import Table, number, objects, rows, take, time
from models import boosting, economics
from models.boosting import Bundle, Fitted, Goal, Params
from models.calibration import fit_shift
from models.disposition import NONE
from models.economics import Costs, Past

TASK: Final = "recovery"
# Seventeen rows are asked for at once, one a disposition: fewer leaves keep that quick.
PARAMS: Final = Params(max_rounds=300)
LEVELS: Final = {"p10": 0.1, "p50": 0.5, "p90": 0.9}
VIEW: Final = "line"
CHOICE: Final = "choice"  # the disposition taken or asked about, as an attribute beside the line
MIN_ROWS: Final = 50
"""Fewer rows with an amount are too few to learn from."""
MIN_SUPPORT: Final = 20
"""Rows of a disposition at a grade; fewer teach nothing about it."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prediction:
    """Recovered amounts, shape (n, dispositions), in the line's currency.

    `p10` <= `p50` <= `p90`; `mean` may lie anywhere, as amounts are skewed. `supported` tells where training
    saw the disposition often enough at the row's grade: past choices were made by grade, and without this
    check a broken item would be promised what sound ones brought.
    """

    dispositions: tuple[str, ...]
    mean: Floats
    p10: Floats
    p50: Floats
    p90: Floats
    supported: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Model:
    """A fitted recovery model; see `fit`."""

    bundle: Bundle

    @property
    def digest(self) -> str:
        """SHA-256 of everything learned."""
        return self.bundle.digest

    @property
    def dispositions(self) -> tuple[str, ...]:
        """The dispositions that training saw."""
        return tuple(self.bundle.numbers["dispositions"])

    @property
    def needs_grade(self) -> bool:
        """Whether training knew grades: a line without one is then foretold from what its grade may be."""
        return "" not in self.bundle.numbers["support"]

    @cached_property
    def costs(self) -> Costs:
        """Planning figures with what past lines brought in place of the defaults."""
        learned = self.bundle.numbers["costs"]
        shares = {name: tuple(by_grade) for name, by_grade in learned["shares"].items()}
        return Costs(decay_per_week=learned["decay_per_week"], shares=shares)

    def predict(self, table: Table, dispositions: Sequence[str] = tuple(Disposition)) -> Prediction:
        """Predict every row under every disposition; one that training never saw gets NaN."""
        asked = len(dispositions)
        line = np.repeat(np.arange(rows(table)), asked)
        options = np.tile(np.array([str(d) for d in dispositions], object), rows(table))
        seen = np.isin(options.astype(str), self.dispositions)
        shares = self._shares(_with_choice(take(table, line[seen]), options[seen]))
        amounts = {name: np.full(len(line), np.nan) for name in shares}
        for name, share in shares.items():
            amounts[name][seen] = share * value_of(table)[line[seen]]
        pairs = zip(objects(table, "grade")[line], options, strict=True)
        supported = np.fromiter((self._enough.get(pair, False) for pair in pairs), np.bool_, len(line))
        return Prediction(
            tuple(str(d) for d in dispositions),
            **{name: amount.reshape(-1, asked) for name, amount in amounts.items()},
            supported=supported.reshape(-1, asked),
        )

    @cached_property
    def _enough(self) -> dict[tuple[str | None, str], bool]:
        """Grade, or None, and disposition -> whether training saw enough of them."""
        counts = self.bundle.numbers["support"]
        return {
            (grade or None, done): n >= MIN_SUPPORT for grade, by in counts.items() for done, n in by.items()
        }

    def _shares(self, table: Table) -> dict[str, Floats]:
        boosted, numbers = self.bundle.views[VIEW], self.bundle.numbers
        matrix = boosted.matrix(table)
        chance = expit(boosted.raw(matrix, "anything"))
        mean = chance * np.exp(boosted.raw(matrix, "amount")) + (1 - chance) * numbers["otherwise"]
        raised = [boosted.raw(matrix, name) + numbers["shifts"][name] for name in LEVELS]
        p10, p50, p90 = np.sort(raised, axis=0)  # quantiles that cross are put in order
        return {"mean": mean, "p10": p10, "p50": p50, "p90": p90}

    def in_domain(self, table: Table) -> npt.NDArray[np.bool_]:
        """Tell which rows resemble the training rows, whatever is done with them."""
        return self.bundle.views[VIEW].in_domain(_with_choice(table, np.full(rows(table), None, object)))

    def save(self, folder: Path) -> None:
        """Write the model into its folder."""
        self.bundle.save(folder)


def value_of(table: Table) -> Floats:
    """Return what the line was worth: price paid or cost times quantity, else the credit asked, else 1."""
    quantity = np.nan_to_num(number(table, "quantity"), nan=1.0)
    each = np.where(
        np.isnan(number(table, "price_paid")), number(table, "unit_cost"), number(table, "price_paid")
    )
    value = np.where(np.isnan(each), number(table, "credit_requested"), each * quantity)
    return np.asarray(np.where(value > 0, value, 1.0))


def _with_choice(table: Table, dispositions: npt.NDArray[Any]) -> Table:
    return {**table, ATTRIBUTE + CHOICE: dispositions}


def fit(
    table: Table,
    y: npt.NDArray[Any],
    *,
    rng: np.random.Generator,
    attributes: Mapping[str, str] = NONE,
    params: Params = PARAMS,
) -> Model:
    """Learn recovered amounts from lines with a known disposition.

    Parameters
    ----------
    table : Table
        With the column `disposition`: what was done.
    y : ndarray of shape (n,), float64
        What was recovered, in the line's currency; rows with NaN are left out.
    """
    known = ~np.isnan(y.astype(np.float64)) & np.array([d is not None for d in objects(table, "disposition")])
    if known.sum() < MIN_ROWS:
        raise BadInputError(
            f"{TASK}: {known.sum()} rows with amount and disposition are too few to learn from."
        )
    table, amounts = take(table, known), y[known].astype(np.float64)
    shares = amounts / value_of(table)
    done = objects(table, "disposition")
    seen = _partly_blind(_with_choice(table, done), rng=rng)
    columns = _columns(seen, attributes)
    fitted = boosting.fit(columns, seen, _goals(shares), targets=shares[:, None], params=params, rng=rng)
    numbers = _numbers(fitted, shares, done) | {
        "support": _support(objects(table, "grade"), done),
        "costs": _costs(table, shares, done),
    }
    return Model(Bundle(TASK, {VIEW: fitted.boosted}, numbers))


def _support(grades: npt.NDArray[Any], done: npt.NDArray[Any]) -> dict[str, dict[str, int]]:
    """Count how often each disposition was taken at each grade, under "" where the table has no grades."""
    counts: dict[str, dict[str, int]] = {}
    inspected = any(grade is not None for grade in grades)
    for grade, disposition in zip(grades, done, strict=True):
        if inspected and grade is None:
            continue  # what was never looked at says nothing of what a look would have allowed
        by = counts.setdefault(grade or "", {})
        by[disposition] = by.get(disposition, 0) + 1
    return counts


def _costs(table: Table, shares: Floats, done: npt.NDArray[Any]) -> dict[str, Any]:
    """Learn planning figures from the lines, as plain JSON values."""
    weeks = calendar.days(time(table, "requested_at"), time(table, "sold_at")) / 7
    learned = economics.learn(
        Past(shares, done, objects(table, "grade"), objects(table, "family"), np.maximum(weeks, 0.0))
    )
    return {
        "shares": {name: list(by_grade) for name, by_grade in learned.shares.items()},
        "decay_per_week": dict(learned.decay_per_week),
    }


def _columns(table: Table, attributes: Mapping[str, str]) -> tuple[Column, ...]:
    return columns_for(TASK, table, {**attributes, CHOICE: "category"}, inspected=True)


def _partly_blind(table: Table, *, rng: np.random.Generator) -> Table:
    """Hide the inspection of every second line: the model is also asked before there is one."""
    hidden = rng.random(rows(table)) < 0.5  # noqa: PLR2004 - half
    blank: dict[str, Any] = {"grade": None, "serial_found": None, "inspected_at": np.datetime64("NaT", "us")}
    blinded = {
        name: np.where(hidden, nothing, table[name]) for name, nothing in blank.items() if name in table
    }
    return {**table, **blinded}


def _goals(shares: Floats) -> dict[str, Goal]:
    some = (shares > 0).astype(np.float64)
    return {
        "anything": Goal(some, {"objective": "binary"}),
        # Lines that brought nothing do not teach how much; gamma wants a positive figure even so.
        "amount": Goal(np.where(shares > 0, shares, 1.0), {"objective": "gamma"}, some),
    } | {name: Goal(shares, {"objective": "quantile", "alpha": level}) for name, level in LEVELS.items()}


def _numbers(fitted: Fitted, shares: Floats, done: npt.NDArray[Any]) -> dict[str, Any]:
    later = shares[fitted.held_out]
    nothing = shares[shares <= 0]
    return {
        "dispositions": sorted(set(done.tolist())),
        "otherwise": float(nothing.mean()) if len(nothing) else 0.0,
        "shifts": {
            name: fit_shift(later, fitted.held_out_raw[name], level=level) for name, level in LEVELS.items()
        },
    }


def load(folder: Path) -> Model:
    """Read a saved model."""
    return Model(Bundle.load(folder, task=TASK))
