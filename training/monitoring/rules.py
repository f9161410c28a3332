"""When retraining is recommended: rules written as data, each with its limit and its sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from features.returns import BadInputError

RULES: Final = Path(__file__).with_name("rules.yaml")
MEASURES: Final = frozenset({"gain_moved", "scores_moved", "excess_loss", "excess_in_segment", "new_labels"})


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing measured about a champion, and which columns or segment it is about."""

    value: float
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """A measure above `limit` is a reason to retrain."""

    id: str
    measure: str
    limit: float
    sentence: str
    basis: str

    def reason(self, measures: Mapping[str, Measure]) -> dict[str, Any] | None:
        """Return the reason as JSON; None where the rule does not hold or nothing was measured."""
        found = measures.get(self.measure)
        if found is None or found.value <= self.limit:
            return None
        said = self.sentence.format(value=found.value, limit=self.limit, names=", ".join(found.names))
        return {"rule": self.id, "value": round(found.value, 4), "limit": self.limit, "sentence": said}


def read_rules(path: Path = RULES) -> tuple[Rule, ...]:
    """Read and check a file of rules.

    Raises
    ------
    BadInputError
        If it is no list of rules, or a rule names no measure or cannot tell its sentence.
    """
    try:
        rules = tuple(
            Rule(**{**one, "limit": float(one["limit"])}) for one in yaml.safe_load(path.read_text())
        )
        for rule in rules:
            rule.sentence.format(value=0.0, limit=rule.limit, names="")
    except (OSError, yaml.YAMLError, TypeError, KeyError, ValueError, IndexError) as error:
        raise BadInputError(
            f"{path}: holds no list of rules with id, measure, limit, sentence and basis ({error})."
        ) from error
    unknown = [rule for rule in rules if rule.measure not in MEASURES]
    if unknown:
        names = ", ".join(sorted(MEASURES))
        raise BadInputError(
            f"{path}: rule {unknown[0].id}: there is no measure '{unknown[0].measure}'; use {names}."
        )
    return rules


def reasons(rules: Sequence[Rule], measures: Mapping[str, Measure]) -> list[dict[str, Any]]:
    """Return every reason to retrain, in the order of the rules."""
    return [reason for rule in rules if (reason := rule.reason(measures)) is not None]
