"""What a policy set must keep beyond its form: owners, no doubles, sites that only tighten, true examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Final

from features.returns import FACTS, Disposition, Grade, HandlingClass, Reason, RegulatoryClass
from policy.authority import FIRST_RESORT
from policy.language import FactValue, Language
from policy.rulebook import CONSIDERED, Hit, Rulebook
from policy.shapes import OWNERS, Effect, ExampleShape, FileShape, RuleShape
from policy.source import Path, Problem, Source

_KINDS: Final = {fact.name: fact.kind for fact in FACTS}
# Facts of a closed vocabulary: an example with any other value shows a return that cannot exist.
_VOCABULARY: Final[dict[str, frozenset[str]]] = {
    "reason": frozenset(Reason),
    "inspection.grade": frozenset(Grade),
    "item.regulatory": frozenset(RegulatoryClass),
    "item.handling": frozenset(HandlingClass),
    CONSIDERED: frozenset(Disposition),
    "fraud.band": frozenset({"low", "medium", "high"}),
}
_SET_BY_JUDGE: Final = {"stage": "give 'stage' beside the facts", "site": "a site's rules stand in its file"}
_PYTHON: Final[dict[str, type]] = {"int": int, "double": float, "bool": bool, "string": str, "list": list}


# Limits that are read by name where no rule speaks: timers, approvals, sampling, budgets, retention.
REVIEW_BUDGET: Final = "fraud_reviews_per_day"
ASKED_FOR: Final = {
    "approve_days": "operations",
    "inspect_days": "operations",
    "dispose_days": "operations",
    "credit_days": "operations",
    "approval_expiry_days": "operations",
    "quality_sample_permille": "operations",
    "approval_above": "finance",
    "under_limit_band": "finance",
    "fraud_review_cost": "finance",
    REVIEW_BUDGET: "finance",
    "retention_years": "finance",
}


def cross_problems(sources: Mapping[str, Source], shapes: Mapping[str, FileShape]) -> Iterator[Problem]:
    """Problems between the files: stray files, owners, doubled ids and limits, the ladder of roles."""
    seen: dict[str, str] = {}
    for name, written in shapes.items():
        source, site = sources[name], _is_site(name)
        expected = PurePosixPath(name).stem
        if not site and name not in {f"{owner}.yaml" for owner in OWNERS}:
            yield source.problem((), f"is no policy file; use {', '.join(OWNERS)}.yaml or sites/<site>.yaml.")
        if written.owner != expected:
            yield source.problem(
                ("owner",),
                f"the owner of this file is '{expected}', not '{written.owner}'; correct one of them.",
            )
        for place, rule in enumerate(written.rules):
            if rule.id in seen:
                yield source.problem(
                    ("rules", place, "id"),
                    f"{rule.id} already stands in {seen[rule.id]}; give one of them another id.",
                )
            seen.setdefault(rule.id, name)
        if not site:
            yield from _limit_problems(source, written, seen)
            yield from _unread_problems(source, written, shapes)
    yield from _missing_limits(sources, shapes)
    yield from _ladder_problems(sources, shapes)


def _unread_problems(
    source: Source, written: FileShape, shapes: Mapping[str, FileShape]
) -> Iterator[Problem]:
    """Limits that no rule names and nothing else asks for: a mistyped name would be set in vain."""
    texts = " ".join(
        text or ""
        for file in shapes.values()
        for rule in file.rules
        for text in (rule.when, rule.provided, rule.at)
    )
    for name, limit in written.limits.items():
        if name not in ASKED_FOR and limit.default_for is None and f"limits.{name}" not in texts:
            sentence = f"nothing reads the limit '{name}'; name it in a rule, correct its name or remove it."
            yield source.problem(("limits", name), sentence)


def _missing_limits(sources: Mapping[str, Source], shapes: Mapping[str, FileShape]) -> Iterator[Problem]:
    there = {name for file, written in shapes.items() if not _is_site(file) for name in written.limits}
    for name, owner in ASKED_FOR.items():
        source = sources.get(f"{owner}.yaml")
        if name not in there and source is not None:
            yield source.problem(
                ("limits",), f"the limit '{name}' is missing, which the service asks for; add it."
            )


def _limit_problems(source: Source, written: FileShape, seen: dict[str, str]) -> Iterator[Problem]:
    for name, limit in written.limits.items():
        path: Path = ("limits", name)
        if name in seen:
            yield source.problem(path, f"the limit '{name}' already stands in {seen[name]}; keep one.")
        seen.setdefault(name, source.file)
        if limit.unit is None or limit.means is None:
            yield source.problem(path, f"the limit '{name}' needs 'unit' and 'means'; add them.")
        if limit.default_for is not None and _KINDS.get(limit.default_for) != "int":
            yield source.problem(path, f"'{limit.default_for}' is no whole-number fact; name one.")
        if name == REVIEW_BUDGET and limit.budget_of is None:
            yield source.problem(path, f"'{name}' is somebody's budget; add 'budget_of' and the role.")


def _ladder_problems(sources: Mapping[str, Source], shapes: Mapping[str, FileShape]) -> Iterator[Problem]:
    for name, written in shapes.items():
        if written.authority and name != "finance.yaml" and not name.startswith("sites/"):
            yield sources[name].problem(
                ("authority",), "amount limits of roles belong to finance.yaml; move them."
            )
    finance = list(shapes["finance.yaml"].authority.items()) if "finance.yaml" in shapes else []
    if not finance or finance[-1][1] != "unlimited" or finance[0][0] != FIRST_RESORT:
        source = sources.get("finance.yaml") or next(iter(sources.values()))
        yield source.problem(
            ("authority",), "'authority' starts with supervisor and ends with a role that is 'unlimited'."
        )
    for (lower, less), (role, more) in pairwise(finance):
        if not _reaches_as_far(more, less):
            sentence = f"{role} may approve less than {lower} before it; write the roles lowest first."
            yield sources["finance.yaml"].problem(("authority", role), sentence)


def _reaches_as_far(more: Mapping[str, int] | str, less: Mapping[str, int] | str) -> bool:
    if isinstance(more, str):
        return True
    return not isinstance(less, str) and all(
        more.get(currency, -1) >= value for currency, value in less.items()
    )


def site_problems(source: Source, written: FileShape, base: Rulebook) -> Iterator[Problem]:
    """Whatever in a site's file would allow more than the rules it stands on."""
    for place, rule in enumerate(written.rules):
        if rule.effect is Effect.AUTO:
            yield source.problem(
                ("rules", place, "effect"),
                f"{rule.id}: a site may tighten, and 'auto' permits; remove the rule.",
            )
    for name, limit in written.limits.items():
        path: Path = ("limits", name)
        if name not in base.limits:
            if limit.unit is None or limit.means is None:
                yield source.problem(
                    path, f"the limit '{name}' is new and needs 'unit' and 'means'; add them."
                )
            continue
        if limit.model_fields_set - {"value", "per_currency", "basis"}:
            yield source.problem(
                path,
                f"a site sets the value of '{name}' and not what it means; keep 'value' or 'per_currency'.",
            )
        if base.limits[name].is_loosened_by(limit.values):
            yield source.problem(
                path,
                f"the limit '{name}' loosens the company's, {_written(base.limits[name].values)}; "
                "a site may only tighten it.",
            )
    yield from _site_ladder_problems(source, written, base)


def _written(values: Mapping[str, int]) -> str:
    return ", ".join(f"{currency} {value}".strip() for currency, value in sorted(values.items()))


def _site_ladder_problems(source: Source, written: FileShape, base: Rulebook) -> Iterator[Problem]:
    for role, own in written.authority.items():
        limits = base.authority.limits.get(role, {})
        ours = {} if own == "unlimited" else own
        loosens = own == "unlimited" and limits is not None
        if limits is not None:
            loosens |= any(value > limits.get(currency, -1) for currency, value in ours.items())
        if loosens:
            yield source.problem(
                ("authority", role),
                f"the site lets {role} approve more than the company does; lower it or leave it out.",
            )
        if limits is None and ours:
            yield source.problem(
                ("authority", role), f"{role} is the last resort and stays unlimited; remove it."
            )


def example_problems(
    source: Source, written: FileShape, book: Rulebook, language: Language
) -> Iterator[Problem]:
    """Examples that do not come out as written, and rules that no possible return reaches."""
    for place, rule in enumerate(written.rules):
        for number, example in enumerate(rule.examples):
            path: Path = ("rules", place, "examples", number)
            yield from (
                source.problem(path, f"{rule.id}, example {number + 1}: {sentence}.")
                for sentence in _example_sentences(rule, example, book, language)
            )
        if rule.enforced_by == "judge" and not any(
            example.gives == rule.effect == _given(weigh_example(rule, example, book, language))
            for example in rule.examples
        ):
            yield source.problem(
                ("rules", place),
                f"{rule.id} is unreachable: no example gives '{rule.effect}'; "
                "show facts that do, or correct 'when'.",
            )


def shadowed(name: str, sources: Mapping[str, Source], shapes: Mapping[str, FileShape]) -> Iterator[Problem]:
    """Rules of a file that can add nothing, because one before them does the same wherever they apply."""
    company = [rule for file in shapes if not _is_site(file) and file < name for rule in shapes[file].rules]
    before = [rule for rule in company if rule.enforced_by == "judge"]
    for place, rule in enumerate(shapes[name].rules):
        for other in before:
            within = set(rule.stages) <= set(other.stages) and rule.forbids <= other.forbids
            if within and set(rule.target) <= set(other.target) and _demands(rule) == _demands(other):
                yield sources[name].problem(
                    ("rules", place),
                    f"{rule.id} is unreachable: {other.id} does the same wherever it applies; remove one.",
                )
        before.append(rule)


def _is_site(name: str) -> bool:
    return PurePosixPath(name).parent.name == "sites"


def _demands(rule: RuleShape) -> tuple[object, ...]:
    texts = (" ".join((text or "").split()) for text in (rule.when, rule.provided, rule.at))
    asked = (rule.effect, rule.then, str(rule.roles), rule.count, rule.document)
    return (rule.enforced_by, *asked, *texts)


def _example_sentences(
    rule: RuleShape, example: ExampleShape, book: Rulebook, language: Language
) -> Iterator[str]:
    for name, value in example.facts.items():
        if name not in _KINDS:
            yield f"'{name}' is no fact; the facts there are stand in docs, policies"
        elif type(value) is not _PYTHON[_KINDS[name]]:
            yield f"'{name}' is of type {_KINDS[name]}, not {type(value).__name__}; correct it"
        elif name in _SET_BY_JUDGE:
            yield f"'{name}' is no fact of an example: {_SET_BY_JUDGE[name]}"
        elif strange := _strange(name, value):
            yield f"'{name}' is never {strange}; use a code of the vocabulary"
    if example.stage is not None and example.stage not in rule.stages:
        yield f"the rule does not apply at {example.stage}; correct the stage"
    hit = weigh_example(rule, example, book, language)
    given = _given(hit)
    if given != example.gives:
        yield f"gives '{given}', not '{example.gives}'; correct the rule or the example"
    if example.ceiling is not None and (hit is None or hit.ceiling != example.ceiling):
        yield f"the ceiling is {hit.ceiling if hit else None}, not {example.ceiling}; correct one of them"


def _strange(name: str, value: FactValue) -> str:
    values = {str(each) for each in (value if isinstance(value, list) else [value])}
    return ", ".join(sorted(values - _VOCABULARY.get(name, frozenset(values))))


def weigh_example(rule: RuleShape, example: ExampleShape, book: Rulebook, language: Language) -> Hit | None:
    """What a rule makes of one of its examples, at the limits of `book`."""
    compiled = next(each for each in book.rules if each.id == rule.id)
    facts: dict[str, FactValue] = {"stage": str(example.stage or rule.stages[0]), **example.facts}
    return compiled.weigh(language.know({**facts, **book.facts(example.currency)}))


def _given(hit: Hit | None) -> str:
    if hit is None:
        return "nothing"
    return "unknown" if hit.missing else str(hit.rule.effect)
