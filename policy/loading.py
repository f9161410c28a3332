"""From policy texts to rulebooks: form, then the files among each other, then conditions, then examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Final

from features.returns import FACTS
from policy.authority import Authority
from policy.checks import cross_problems, example_problems, shadowed, site_problems
from policy.language import Amount, Condition, ConditionError, Language
from policy.rulebook import CONSIDERED, Limit, Rule, Rulebook
from policy.shapes import OWNERS, Effect, FileShape, LimitShape, RuleShape, shape
from policy.source import PolicyError, Problem, Source, read

_BASE: Final = tuple(f"{owner}.yaml" for owner in OWNERS)


@dataclass(frozen=True, slots=True)
class Assembled:
    """What the files come to."""

    content: Mapping[str, Any]
    base: Rulebook
    sites: Mapping[str, Rulebook]
    language: Language


def assemble(files: Mapping[str, str], *, was_in_force: bool = False) -> Assembled:
    """Check policy texts step by step; a step with problems is the last, and all its problems are told.

    What was in force once was checked then: it is put together again as it is, whatever is checked since.

    Raises
    ------
    PolicyError
        With file and line of each problem.
    """
    _refuse(
        Problem(name, 1, "is missing in the policy folder; every owner has a file.")
        for name in _BASE
        if name not in files
    )
    sources = {name: read(name, text) for name, text in sorted(files.items())}
    shapes = _shapes(sources)
    if not was_in_force:
        _refuse(cross_problems(sources, shapes))
    language = Language(FACTS, limits={name for written in shapes.values() for name in written.limits})
    rules = _rules(sources, shapes, language)
    base = _base(shapes, rules)
    owned = {name: shapes[name] for name in shapes if name not in _BASE}
    if not was_in_force:
        _refuse(
            problem
            for name, written in owned.items()
            for problem in site_problems(sources[name], written, base)
        )
    sites = {PurePosixPath(name).stem: _site(owned[name], rules[name], base) for name in owned}
    if not was_in_force:
        _refuse(
            problem
            for name, written in shapes.items()
            for problem in (
                *shadowed(name, sources, shapes),
                *example_problems(sources[name], written, sites.get(written.owner, base), language),
            )
        )
    return Assembled({name: source.data for name, source in sources.items()}, base, sites, language)


def _refuse(problems: Iterator[Problem]) -> None:
    found = sorted(problems)
    if found:
        raise PolicyError(found)


def _shapes(sources: Mapping[str, Source]) -> dict[str, FileShape]:
    parsed = {name: shape(source) for name, source in sources.items()}
    _refuse(problem for _, problems in parsed.values() for problem in problems)
    return {name: written for name, (written, _) in parsed.items() if written is not None}


def _rules(
    sources: Mapping[str, Source], shapes: Mapping[str, FileShape], language: Language
) -> dict[str, list[Rule]]:
    rules: dict[str, list[Rule]] = {}
    problems: list[Problem] = []
    for name, written in shapes.items():
        rules[name] = []
        for place, rule in enumerate(written.rules):
            try:
                rules[name].append(_rule(rule, written.owner, language))
            except ConditionError as refusal:
                problems.append(
                    sources[name].problem(("rules", place, refusal.part), f"{rule.id}: {refusal}")
                )
    _refuse(iter(problems))
    return rules


def _rule(written: RuleShape, owner: str, language: Language) -> Rule:
    rule = Rule(
        id=written.id,
        version=written.version,
        owner=owner,
        effect=written.effect,
        sentence=written.sentence,
        basis=written.basis,
        enforced_by=written.enforced_by,
        stages=frozenset(written.stages),
        targets=frozenset(written.target),
        dispositions=written.forbids,
        then=written.then,
        roles=tuple(written.roles),
        count=written.count,
        document=written.document,
        when=_condition(written.when, "when", language),
        provided=_condition(written.provided, "provided", language),
        at=_amount(written.at, language),
    )
    if rule.effect in {Effect.FORBID, Effect.AUTO} and rule.looks_at_disposition:
        raise ConditionError(
            f"a rule that settles the disposition cannot ask for '{CONSIDERED}'; take it out."
        )
    return rule


def _condition(text: str | None, part: str, language: Language) -> Condition | None:
    try:
        return None if text is None else language.condition(text)
    except ConditionError as refusal:
        raise ConditionError(f"'{part}': {refusal}", part=part) from None


def _amount(text: str | None, language: Language) -> Amount | None:
    try:
        return None if text is None else language.amount(text)
    except ConditionError as refusal:
        raise ConditionError(f"'at': {refusal}", part="at") from None


def _base(shapes: Mapping[str, FileShape], rules: Mapping[str, list[Rule]]) -> Rulebook:
    limits = {
        name: _limit(name, written, shapes[file].owner)
        for file in _BASE
        for name, written in shapes[file].limits.items()
    }
    ladder = shapes["finance.yaml"].authority
    return Rulebook.of(
        [rule for file in _BASE for rule in rules[file]],
        limits=limits,
        authority=Authority({role: None if own == "unlimited" else own for role, own in ladder.items()}),
    )


def _site(written: FileShape, rules: list[Rule], base: Rulebook) -> Rulebook:
    limits = {name: _limit(name, limit, written.owner) for name, limit in written.limits.items()}
    tightened = {
        name: replace(
            base.limits[name], owner=limit.owner, values={**base.limits[name].values, **limit.values}
        )
        for name, limit in limits.items()
        if name in base.limits
    }
    ladder = {
        role: limits_of if limits_of is None else {**limits_of, **_amounts(written.authority.get(role))}
        for role, limits_of in base.authority.limits.items()
    }
    return Rulebook.of(
        [*base.rules, *rules], limits={**base.limits, **limits, **tightened}, authority=Authority(ladder)
    )


def _limit(name: str, written: LimitShape, owner: str) -> Limit:
    return Limit(
        name,
        owner,
        written.unit or "",
        written.means or "",
        written.tighter,
        written.values,
        written.default_for,
        written.budget_of,
    )


def _amounts(own: Any) -> dict[str, int]:
    return own if isinstance(own, dict) else {}
