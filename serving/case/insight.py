"""What the models say about one return line, in the numbers that triage needs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from features.columns import computed, table_of
from features.returns import EXPONENTS, Disposition, RegulatoryClass, ReturnLine
from features.table import Table, number, objects
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


def look(line: ReturnLine, history: Mapping[str, float], champions: Champions) -> Insight:
    """Ask every model about one line."""
    # Numbers are worked out once: every model's encoder finds them in the table.
    table = computed(table_of([line], {name: [figure] for name, figure in history.items()}))
    likely, probabilities, chosen = _disposition(table, champions)
    score, band, reasons = _fraud(table, champions)
    minutes = _minutes(table, champions)
    outcome = alternatives.weigh(table, condition=champions.condition, recovery=champions.recovery)
    best = float(np.nanmax(outcome.mean[0]))
    costs = alternatives.costs_of(champions.recovery)
    hourly = economics.cost_of_delay(np.array([best]), objects(table, "family"), costs)
    expected_minutes = np.array([minutes[0] if minutes else MINUTES_UNKNOWN])
    return Insight(
        likely=likely,
        probabilities=probabilities,
        prediction_set=chosen,
        alternatives=_alternatives(outcome, line),
        outlay=_minor(_outlay(table), line.credit_requested.currency),
        score=score,
        band=band,
        reasons=reasons,
        minutes=minutes,
        priority=float(economics.priority(hourly, expected_minutes)[0]),
        in_domain=all(bool(model.in_domain(table)[0]) for model in champions.loaded),
        degraded=champions.degraded,
    )


def features_digest(line: ReturnLine, history: Mapping[str, float]) -> str:
    """A digest of everything that features are made from; the same in every process."""
    text = json.dumps({"line": asdict(line), "history": dict(history)}, sort_keys=True, default=_plain)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else str(value)


def _disposition(
    table: Table, champions: Champions
) -> tuple[Disposition | None, dict[str, float], tuple[str, ...]]:
    if champions.disposition is None:
        return None, {}, ()
    said = champions.disposition.predict(table)
    probabilities = {name: float(p) for name, p in zip(said.classes, said.probabilities[0], strict=True)}
    likely = str(said.likely[0])
    # A person is shown at least the likeliest class; with it the set holds what is true no less often.
    chosen = tuple(
        name for name, inside in zip(said.classes, said.sets[0], strict=True) if inside or name == likely
    )
    return Disposition(likely), probabilities, chosen


def _fraud(table: Table, champions: Champions) -> tuple[float | None, str | None, tuple[fraud.Reason, ...]]:
    if champions.fraud is None:
        return None, None, ()
    said = champions.fraud.predict(table)
    band = str(said.band[0])
    # Reasons cost a hundred times the score: only a band that a person will look at gets them.
    reasons = () if band == "low" else champions.fraud.predict(table, reasons=True).reasons[0]
    return float(said.score[0]), band, reasons


def _minutes(table: Table, champions: Champions) -> tuple[float, float] | None:
    if champions.workload is None:
        return None
    said = champions.workload.predict(table)
    return float(said.p50[0]), float(said.p90[0])


def _outlay(table: Table) -> float:
    spent: Any = economics.expenses((Disposition.RETURN_TO_VENDOR,), number(table, "weight_kg"))
    return float(spent[0, 0])


def _alternatives(outcome: Outcome, line: ReturnLine) -> tuple[Alternative, ...]:
    """Every disposition that is possible for the line, best first; ties keep the vocabulary's order."""
    currency = line.credit_requested.currency
    found = [
        Alternative(
            disposition,
            _minor(outcome.mean[0, place], currency),
            _minor(outcome.p10[0, place], currency),
            _minor(outcome.p90[0, place], currency),
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
