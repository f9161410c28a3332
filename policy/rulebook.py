"""Rules ready to be asked, and the book of them that holds at one site."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

from features.returns import Disposition, Stage
from policy.authority import Authority
from policy.language import LIMIT_PREFIX, Amount, Condition, FactValue, Known
from policy.shapes import STRICTNESS, Effect

CONSIDERED: Final = "disposition.considered"  # the one fact that the judge itself finds out


class Hit(NamedTuple):  # a tuple, because dozens are made for every judgement
    """A rule that applies to a return.

    Attributes
    ----------
    missing : frozenset of str
        Facts without which it stayed open whether the rule holds; it is then taken to hold.
    ceiling : int or None
        What a cap allows, in minor units; None where the cap could not be computed.
    document_missing : bool
        Whether the rule wants a document that is not there.
    """

    rule: Rule
    missing: frozenset[str] = frozenset()
    ceiling: int | None = None
    document_missing: bool = False


@dataclass(frozen=True, slots=True, eq=False)  # compared and hashed as itself: it is looked up often
class Rule:
    """One rule, compiled."""

    id: str
    version: int
    owner: str
    effect: Effect
    sentence: str
    basis: str
    enforced_by: str
    stages: frozenset[Stage]
    targets: frozenset[str]
    dispositions: frozenset[Disposition]
    then: Disposition | None
    roles: tuple[str, ...]
    count: int
    document: str | None
    when: Condition | None
    provided: Condition | None
    at: Amount | None

    @property
    def denies(self) -> bool:
        """Whether it forbids the credit or the return itself."""
        return self.effect is Effect.FORBID and bool(self.targets)

    @property
    def looks_at_disposition(self) -> bool:
        """Whether it can only be asked once the disposition has been weighed."""
        return CONSIDERED in self.references

    @property
    def references(self) -> frozenset[str]:
        """The facts and limits that it names."""
        return _references(self)

    def weigh(self, known: Known) -> Hit | None:
        """What the rule makes of a return; None where it does not apply.

        A rule that a missing fact leaves open applies, except `auto`, which would permit something.
        """
        assert self.when is not None  # only rules that the judge enforces are weighed
        if self.references.isdisjoint(known.names):
            return _weighed_blindly(self)
        return self._weigh(self.when, known)

    def _weigh(self, when: Condition, known: Known) -> Hit | None:
        holds = when.holds(known)
        if holds is False or (holds is None and self.effect is Effect.AUTO):
            return None
        missing = when.missing(known) or when.references if holds is None else frozenset()
        if self.at is not None:
            return self._cap(known, missing)
        document_missing = self.provided is not None and self.provided.holds(known) is not True
        if self.effect is Effect.REQUIRE_DOCUMENT and not document_missing:
            return None
        return Hit(self, missing, document_missing=document_missing)

    def _cap(self, known: Known, missing: frozenset[str]) -> Hit:
        assert self.at is not None
        ceiling = self.at.minor(known)
        if ceiling is None:
            return Hit(self, missing | (self.at.missing(known) or self.at.references))
        return Hit(self, missing, ceiling=max(ceiling, 0))


@lru_cache(maxsize=4096)
def _references(rule: Rule) -> frozenset[str]:
    parts = (part.references for part in (rule.when, rule.provided, rule.at) if part is not None)
    return frozenset().union(*parts)


_NOTHING: Final = Known(frozenset(), None)


@lru_cache(maxsize=4096)
def _weighed_blindly(rule: Rule) -> Hit | None:
    """What a rule makes of a return of which it knows nothing: the same each time."""
    assert rule.when is not None
    return rule._weigh(rule.when, _NOTHING)  # noqa: SLF001  # the rule's own question, asked once


class Round(NamedTuple):
    """Rules that are asked together, and the facts and limits that they name: nothing else need be bound."""

    rules: tuple[Rule, ...]
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Limit:
    """An integer that the policy sets; money is in minor units of each currency it is set for.

    Attributes
    ----------
    values : mapping of currency to int
        The key ``""`` stands for every currency.
    default_for : str or None
        The fact that takes this value where neither contract nor reference data say otherwise.
    budget_of : str or None
        The role whose reviews of a site and day it counts.
    """

    name: str
    owner: str
    unit: str
    means: str
    tighter: str
    values: Mapping[str, int]
    default_for: str | None = None
    budget_of: str | None = None

    def at(self, currency: str) -> int | None:
        """The value for `currency`; None where the policy sets none."""
        return self.values.get(currency, self.values.get(""))

    def is_loosened_by(self, values: Mapping[str, int]) -> bool:
        """Whether `values` would allow more; a value where there was none does."""
        if self.tighter == "higher":
            return any(value < self.values.get(key, value + 1) for key, value in values.items())
        return any(value > self.values.get(key, -1) for key, value in values.items())


@dataclass(frozen=True, slots=True)
class Rulebook:
    """All that holds at one site."""

    rules: tuple[Rule, ...]
    limits: Mapping[str, Limit]
    authority: Authority
    _stages: Mapping[Stage, tuple[Round, Round]] = field(repr=False)
    _facts: Mapping[str, Mapping[str, FactValue]] = field(repr=False)

    @classmethod
    def of(cls, rules: Iterable[Rule], *, limits: Mapping[str, Limit], authority: Authority) -> Rulebook:
        """Sort rules by stage and limits by currency, once."""
        ordered = tuple(sorted(rules, key=lambda rule: STRICTNESS[rule.effect]))
        judged = [rule for rule in ordered if rule.enforced_by == "judge"]
        stages = {stage: _in_two_rounds(rule for rule in judged if stage in rule.stages) for stage in Stage}
        currencies = {currency for limit in limits.values() for currency in limit.values} | {""}
        facts = {currency: _limit_facts(limits, currency) for currency in currencies}
        return cls(ordered, limits, authority, stages, facts)

    def rounds(self, stage: Stage) -> tuple[Round, Round]:
        """The rules of a stage: those that settle the disposition, and those that look at it."""
        return self._stages[stage]

    def facts(self, currency: str) -> Mapping[str, FactValue]:
        """The limits as facts; those that are not set for `currency` are missing."""
        return self._facts.get(currency, self._facts[""])

    def limit(self, name: str, *, currency: str = "") -> int | None:
        """One limit by name, in minor units of `currency` where it is money."""
        return self.limits[name].at(currency)

    @property
    def budgets(self) -> dict[str, int]:
        """Reviews a day by the role that does them, where there is a budget."""
        return {limit.budget_of: limit.at("") or 0 for limit in self.limits.values() if limit.budget_of}

    def defaults(self, currency: str) -> dict[str, FactValue]:
        """Facts that take the policy's value where nothing better is known of them."""
        named = {limit.default_for: limit.at(currency) for limit in self.limits.values() if limit.default_for}
        return {fact: value for fact, value in named.items() if fact is not None and value is not None}


def _in_two_rounds(rules: Iterable[Rule]) -> tuple[Round, Round]:
    rules = tuple(rules)
    return (
        _round(rule for rule in rules if not rule.looks_at_disposition),
        _round(rule for rule in rules if rule.looks_at_disposition),
    )


def _round(rules: Iterable[Rule]) -> Round:
    rules = tuple(rules)
    return Round(rules, frozenset().union(*(rule.references for rule in rules)))


def _limit_facts(limits: Mapping[str, Limit], currency: str) -> dict[str, FactValue]:
    values = {LIMIT_PREFIX + name: limit.at(currency) for name, limit in limits.items()}
    return {name: value for name, value in values.items() if value is not None}
