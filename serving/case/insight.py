"""What the models say about one return line, in the numbers that triage needs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from features.columns import computed, table_of
from features.returns import EXPONENTS, Disposition, RegulatoryClass, ReturnLine
from features.table import Table, number, objects, rows, take
from models import alternatives, economics, fraud
from models.economics import DISPOSITIONS, Outcome
from serving.runtime import Champions

# Not choices of triage: holds, denials, moves between sites, and what was never there.
NOT_PROPOSED: Final = frozenset(
    {
        Disposition.QUARANTINE,
        Disposition.HAZMAT_HANDOFF,
        Disposition.RETURN_TO_CUSTOMER,
        Disposition.TRANSFER_SITE,
        Disposition.MISSING,
    }
)
HAZARDOUS: Final = frozenset({RegulatoryClass.HAZMAT, RegulatoryClass.LITHIUM_BATTERY})
MINUTES_UNKNOWN: Final = 10.0  # minutes; planning default where no workload model is there


@dataclass(frozen=True, slots=True)
class Alternative:
    """One disposition and its expected net recovery, in minor units of the credit's currency."""

    disposition: Disposition
    expected: int
    p10: int
    p90: int


@dataclass(frozen=True, slots=True)
class Insight:
    """Everything learned about one line; what a missing model would have said is None or empty.

    Attributes
    ----------
    probabilities : mapping of class to probability
        Every class, summing to one.
    alternatives : tuple of Alternative
        Best expected net recovery first.
    outlay : int
        Handling and freight of taking the item back and shipping it on, minor units.
    priority : float
        Value lost per hour of delay over expected inspection hours (c-mu).
    """

    likely: Disposition | None
    probabilities: Mapping[str, float]
    prediction_set: tuple[str, ...]
    alternatives: tuple[Alternative, ...]
    outlay: int
    score: float | None
    band: str | None
    reasons: tuple[fraud.Reason, ...]
    minutes: tuple[float, float] | None
    priority: float
    in_domain: bool
    degraded: bool

    @property
    def candidates(self) -> tuple[Disposition, ...]:
        """The dispositions that triage may propose, best first."""
        return tuple(one.disposition for one in self.alternatives)

    def expected_loss(self, credit: int) -> int | None:
        """Expected loss to fraud, minor units."""
        return None if self.score is None else round(self.score * credit)


def laid_out(lines: Sequence[ReturnLine], histories: Sequence[Mapping[str, float]]) -> Table:
    """Return lines as the models read them; numbers are worked out once for all their encoders."""
    past = {name: [history[name] for history in histories] for name in histories[0]} if histories else {}
    return computed(table_of(lines, past))


def look(lines: Sequence[ReturnLine], table: Table, champions: Champions) -> list[Insight]:
    """Ask every model about lines, laid out as `table`: about all at once, and each as if it were alone."""
    sorts, frauds, minutes = (
        _disposition(table, champions),
        _fraud(table, champions),
        _minutes(table, champions),
    )
    outcome = alternatives.weigh(table, condition=champions.condition, recovery=champions.recovery)
    hourly = economics.cost_of_delay(
        np.nanmax(outcome.mean, axis=1), objects(table, "family"), alternatives.costs_of(champions.recovery)
    )
    expected = np.array([MINUTES_UNKNOWN if one is None else one[0] for one in minutes])
    priority, outlay = economics.priority(hourly, expected), _outlay(table)
    familiar = np.logical_and.reduce(
        [np.ones(len(lines), np.bool_), *(model.in_domain(table) for model in champions.loaded)]
    )
    return [
        Insight(
            *sorts[place],
            _alternatives(outcome, place, line),
            _minor(outlay[place], line.credit_requested.currency),
            *frauds[place],
            minutes[place],
            float(priority[place]),
            bool(familiar[place]),
            champions.degraded,
        )
        for place, line in enumerate(lines)
    ]


def features_digest(line: ReturnLine, history: Mapping[str, float]) -> str:
    """A digest of everything that features are made from; the same in every process."""
    text = json.dumps({"line": line, "history": dict(history)}, sort_keys=True, default=_plain)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> object:
    names = getattr(value, "__dataclass_fields__", None)
    if names is not None:
        return {name: getattr(value, name) for name in names}
    return sorted(value) if isinstance(value, frozenset) else str(value)


def _disposition(
    table: Table, champions: Champions
) -> list[tuple[Disposition | None, dict[str, float], tuple[str, ...]]]:
    if champions.disposition is None:
        return [(None, {}, ())] * rows(table)
    said = champions.disposition.predict(table)
    found: list[tuple[Disposition | None, dict[str, float], tuple[str, ...]]] = []
    for likely, row, inside in zip(said.likely, said.probabilities.tolist(), said.sets.tolist(), strict=True):
        # A person is shown at least the likeliest class; with it the set holds what is true no less often.
        chosen = tuple(
            name for name, one in zip(said.classes, inside, strict=True) if one or name == str(likely)
        )
        found.append((Disposition(str(likely)), dict(zip(said.classes, row, strict=True)), chosen))
    return found


def _fraud(
    table: Table, champions: Champions
) -> list[tuple[float | None, str | None, tuple[fraud.Reason, ...]]]:
    if champions.fraud is None:
        return [(None, None, ())] * rows(table)
    said = champions.fraud.predict(table)
    # Reasons cost a hundred times the score: only a band that a person will look at gets them.
    asked = np.flatnonzero(said.band != "low")
    reasons: dict[int, tuple[fraud.Reason, ...]] = {}
    if len(asked):
        told = champions.fraud.predict(take(table, asked), reasons=True).reasons
        reasons = dict(zip(asked.tolist(), told, strict=True))
    pairs = zip(said.score.tolist(), said.band, strict=True)
    return [(score, str(band), reasons.get(place, ())) for place, (score, band) in enumerate(pairs)]


def _minutes(table: Table, champions: Champions) -> list[tuple[float, float] | None]:
    if champions.workload is None:
        return [None] * rows(table)
    said = champions.workload.predict(table)
    return list(zip(said.p50.tolist(), said.p90.tolist(), strict=True))


def _outlay(table: Table) -> list[float]:
    spent = economics.expenses((Disposition.RETURN_TO_VENDOR,), number(table, "weight_kg"))
    return [float(one) for one in spent[:, 0]]


def _alternatives(outcome: Outcome, row: int, line: ReturnLine) -> tuple[Alternative, ...]:
    """Every disposition that is possible for the line, best first; ties keep the vocabulary's order."""
    currency = line.credit_requested.currency
    found = [
        Alternative(
            disposition,
            _minor(outcome.mean[row, place], currency),
            _minor(outcome.p10[row, place], currency),
            _minor(outcome.p90[row, place], currency),
        )
        for place, disposition in enumerate(DISPOSITIONS)
        if _possible(disposition, line)
    ]
    return tuple(sorted(found, key=lambda one: -one.expected))


def _possible(disposition: Disposition, line: ReturnLine) -> bool:
    if disposition in NOT_PROPOSED:
        return False
    # A vendor takes back what it has authorised, nothing else.
    return disposition is not Disposition.RETURN_TO_VENDOR or line.supplier.return_authorization is not None


def _minor(amount: float, currency: str) -> int:
    return round(float(amount) * float(10 ** EXPONENTS.get(currency, 2)))
