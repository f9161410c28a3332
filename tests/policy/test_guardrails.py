"""The judge promises one law above all: knowing less, or ruling more, never allows more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from features.returns import FACTS, Disposition, Grade, HandlingClass, Money, Reason, RegulatoryClass, Stage
from policy.authority import FIRST_RESORT
from policy.guardrails import PolicySet, Proposal, Verdict, judge
from policy.policies import DEFAULT_RULES, files_of
from policy.rulebook import CONSIDERED, Rule, Rulebook
from policy.shapes import BY_PERMISSION, LAST_RESORT, Effect, shape
from policy.source import read
from policy.verdict import SEVERITY, Status

POLICIES = PolicySet.load(DEFAULT_RULES)
PLACES = ("DAL1", "CHI1")
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int": st.sampled_from([0, 1, 2, 25, 31, 1500, 4000, 30_000, 3_000_000, 20_261_120]),
    "double": st.floats(0, 1),
    "bool": st.booleans(),
    "string": st.sampled_from(["low", "medium", "high"]),
    "list": st.lists(st.sampled_from(["PROOF_OF_DELIVERY", "REGISTRANT_RECORD", "PACKING_173_185_F"])),
}
_SPECIAL = {
    "reason": st.sampled_from([reason.value for reason in Reason]),
    "inspection.grade": st.sampled_from([grade.value for grade in Grade]),
    "item.regulatory": st.lists(st.sampled_from([kind.value for kind in RegulatoryClass]), max_size=2),
    "item.handling": st.lists(st.sampled_from([kind.value for kind in HandlingClass]), max_size=2),
}
_KINDS = {fact.name: fact.kind for fact in FACTS}
_LIMITS = sorted(POLICIES.base.limits)
_SET_BY_JUDGE = {"stage", "site", "credit.amount", CONSIDERED}
_NAMES = sorted(_KINDS.keys() - _SET_BY_JUDGE)


def _value(name: str) -> st.SearchStrategy[Any]:
    return _SPECIAL.get(name, _VALUES[_KINDS[name]])


@st.composite
def _facts(draw: st.DrawFn) -> dict[str, Any]:
    """A few facts in which it differs from the plain return; ... where one is not known."""
    chosen = draw(st.lists(st.sampled_from(_NAMES), unique=True, max_size=8))
    return {name: draw(st.just(...) | _value(name)) for name in chosen}


_EVERY_FACT = st.fixed_dictionaries({name: _value(name) for name in _NAMES})
# Each rule's own examples: they are where it begins to apply, and where it just does not.
_EXAMPLES = [
    (stage, example.facts)
    for name, text in files_of(DEFAULT_RULES).items()
    for rule in (shape(read(name, text))[0] or pytest.fail(name)).rules
    for example in rule.examples
    for stage in rule.stages
]


@st.composite
def _known_returns(draw: st.DrawFn) -> Proposal:
    """A return of which every declared fact is known, at an edge of one of the rules."""
    stage, facts = draw(st.sampled_from(_EXAMPLES))
    whole = {**draw(_EVERY_FACT), **{name: value for name, value in facts.items() if name in _NAMES}}
    credit = Money(int(facts.get("credit.amount", 11_900)), "USD")
    return replace(draw(_PROPOSALS), stage=stage, facts=whole, credit=credit)


def _asks(draw: st.DrawFn, name: str) -> str:
    """A question about one fact, as its type allows."""
    kind, value = _KINDS[name], draw(_value(name))
    if name == CONSIDERED:
        return f"'{draw(st.sampled_from(Disposition)).value}' in {name}"
    if kind == "list":
        return draw(st.sampled_from([f"size({name}) == 0", *(f"'{each}' in {name}" for each in value)]))
    if kind == "int":
        against = draw(st.sampled_from([str(value), *(f"limits.{limit}" for limit in _LIMITS)]))
        return f"{name} {draw(st.sampled_from(['<', '<=', '==', '!=', '>']))} {against}"
    return name if kind == "bool" else f"{name} == '{value}'" if kind == "string" else f"{name} > {value:.6f}"


@st.composite
def _conditions(draw: st.DrawFn) -> str:
    """One to three questions about any declared facts, some denied, joined by and or or."""
    names = draw(st.lists(st.sampled_from(sorted(_KINDS)), min_size=1, max_size=3))
    asked = [f"{draw(st.sampled_from(['', '!']))}({_asks(draw, name)})" for name in names]
    return draw(st.sampled_from([" && ", " || "])).join(asked)


_PROPOSALS = st.builds(
    Proposal,
    stage=st.sampled_from(Stage),
    facts=_facts(),
    credit=st.builds(
        Money,
        st.sampled_from([0, 4000, 5001, 11_900, 50_001, 1_000_000, 6_000_000]),
        st.sampled_from(["USD", "USD", "USD", "EUR"]),
    ),
    candidates=st.lists(st.sampled_from(Disposition), unique=True, max_size=6).map(tuple),
)


@st.composite
def _rules(draw: st.DrawFn) -> Rule:
    effect = draw(st.sampled_from(Effect))
    asks, settles = effect not in {Effect.CAP, Effect.AUTO}, effect in {Effect.FORBID, Effect.AUTO}
    when = POLICIES.language.condition(draw(st.just("true") | _conditions()))
    assume(not settles or CONSIDERED not in when.references)  # refused when the files are loaded
    roles = draw(st.sampled_from([("supervisor",), ("controller",), ("fraud_reviewer",), ("by_amount",)]))
    where = st.sampled_from([each for each in Disposition if each is not LAST_RESORT])
    document = asks and (effect is Effect.REQUIRE_DOCUMENT or draw(st.booleans()))
    amounts = st.sampled_from(["credit.already_given + 100", "sale.price_paid / 2", "credit.amount - 1", "0"])
    template = next(rule for rule in POLICIES.rules if rule.id == "OPS-01")
    return replace(
        template,
        id=draw(st.sampled_from(["AAA-01", "ZZZ-01"])),
        effect=effect,
        stages=frozenset(Stage),
        targets=draw(st.sampled_from([frozenset(), frozenset({"credit"}), frozenset({"return"})])),
        dispositions=BY_PERMISSION if effect is Effect.AUTO else frozenset(draw(st.lists(where, max_size=4))),
        then=draw(st.none() | st.sampled_from(Disposition)) if effect is Effect.FORBID else None,
        roles=roles if asks and (effect is Effect.REQUIRE_APPROVAL or draw(st.booleans())) else (),
        count=draw(st.integers(1, 2)),
        document="a letter" if document else None,
        when=when,
        provided=POLICIES.language.condition("'LETTER' in documents.kinds") if document else None,
        at=POLICIES.language.amount(draw(amounts)) if effect is Effect.CAP else None,
    )


def _with_rule(rule: Rule, *, first: bool) -> PolicySet:
    base = POLICIES.base
    rules = [rule, *base.rules] if first else [*base.rules, rule]
    return replace(POLICIES, base=Rulebook.of(rules, limits=base.limits, authority=base.authority), sites={})


def _on(plain: dict[str, Any], proposal: Proposal) -> Proposal:
    """The proposal with what it does not say taken from the plain return."""
    facts = {**plain, **proposal.facts}
    return replace(proposal, facts={name: value for name, value in facts.items() if value is not ...})


@pytest.mark.parametrize("forgotten", _NAMES)
@settings(max_examples=12)
@given(proposal=_known_returns(), site=st.sampled_from(PLACES), others=st.data())
def test_forgetting_any_declared_fact_never_allows_more(
    proposal: Proposal, site: str, others: st.DataObject, forgotten: str
) -> None:
    """Each of them in turn, where everything else is known and where some of it is not."""
    unknown = others.draw(st.sets(st.sampled_from(_NAMES), max_size=12)) - {forgotten}
    knowing = {name: value for name, value in proposal.facts.items() if name not in unknown}
    rest = {name: value for name, value in knowing.items() if name != forgotten}
    before, after = (judge(POLICIES, replace(proposal, facts=facts), site=site) for facts in (knowing, rest))
    assert after.is_no_looser_than(before)


@settings(max_examples=300)
@given(proposal=_PROPOSALS | _known_returns(), rule=_rules(), first=st.booleans())
def test_another_rule_never_allows_more(
    plain: dict[str, Any], proposal: Proposal, rule: Rule, *, first: bool
) -> None:
    """One with effect `auto` permits what nothing else does, and lifts no more than that prohibition."""
    proposal = _on(plain, proposal)
    before = judge(POLICIES, proposal, site="DAL1")
    after = judge(_with_rule(rule, first=first), proposal, site="DAL1")
    if rule.effect is Effect.AUTO:
        kept = {what: why for what, why in before.forbidden.items() if why or what not in BY_PERMISSION}
        before = replace(before, forbidden=kept)
    assert after.is_no_looser_than(before)


@settings(max_examples=200)
@given(
    proposal=_PROPOSALS,
    stage=st.sampled_from([Stage.DISPOSITION, Stage.SETTLEMENT]),
    candidates=st.permutations([Disposition.RETURN_TO_VENDOR, *sorted(BY_PERMISSION), Disposition.RESTOCK]),
    effect=st.sampled_from([Effect.FORBID, Effect.AUTO]),
)
def test_steering_away_from_a_disposition_never_lifts_what_was_asked_of_it(
    plain: dict[str, Any], proposal: Proposal, stage: Stage, candidates: list[Disposition], effect: Effect
) -> None:
    """Another one may be chosen for it, and the approval that it needed stays."""
    proposal = _on(plain, replace(proposal, stage=stage, candidates=tuple(candidates)))
    before = judge(POLICIES, proposal, site="DAL1")
    steering = replace(
        next(rule for rule in POLICIES.rules if rule.id == "OPS-10"),
        id="ZZZ-01",
        effect=effect,
        when=POLICIES.language.condition("true"),
        targets=frozenset(),
        dispositions=BY_PERMISSION
        if effect is Effect.AUTO
        else frozenset({before.disposition} - {LAST_RESORT}),
    )
    after = judge(_with_rule(steering, first=True), proposal, site="DAL1")
    assert {need.rule for need in after.approvals} >= {need.rule for need in before.approvals}
    assert SEVERITY[after.status] >= SEVERITY[before.status]


@settings(max_examples=300)
@given(proposal=_known_returns(), rule=_rules(), forgotten=st.sampled_from(_NAMES))
def test_forgetting_a_fact_never_allows_more_whatever_the_rules(
    proposal: Proposal, rule: Rule, forgotten: str
) -> None:
    rest = {name: value for name, value in proposal.facts.items() if name != forgotten}
    policies = _with_rule(rule, first=True)
    knowing, guessing = (
        judge(policies, replace(proposal, facts=facts), site="DAL1") for facts in (proposal.facts, rest)
    )
    assert guessing.is_no_looser_than(knowing)


@settings(max_examples=200)
@given(proposal=_PROPOSALS)
def test_a_site_never_allows_more_than_the_company(plain: dict[str, Any], proposal: Proposal) -> None:
    company, site = (judge(POLICIES, _on(plain, proposal), site=place) for place in PLACES)
    assert site.is_no_looser_than(company)


@settings(max_examples=200)
@given(proposal=_PROPOSALS)
def test_every_verdict_is_coherent(plain: dict[str, Any], proposal: Proposal) -> None:
    proposal = _on(plain, proposal)
    verdict = judge(POLICIES, proposal, site="DAL1")
    assert verdict == judge(POLICIES, proposal, site="DAL1")
    assert verdict.permits(verdict.disposition)
    assert verdict.credit <= proposal.credit
    assert verdict.ceiling is None or verdict.credit <= verdict.ceiling
    assert (verdict.status is Status.CLEARED) <= (not verdict.approvals and not verdict.documents)
    assert bool(verdict.missing) <= (verdict.status is not Status.CLEARED)
    strictness = [list(Effect).index(fired.effect) for fired in verdict.fired]
    assert strictness == sorted(strictness)


@given(proposal=_PROPOSALS)
def test_being_no_looser_is_an_order(plain: dict[str, Any], proposal: Proposal) -> None:
    proposal = _on(plain, proposal)
    verdict = judge(POLICIES, proposal, site="DAL1")
    assert verdict.is_no_looser_than(verdict)
    milder = replace(verdict, status=Status.CLEARED, credit=replace(proposal.credit, minor=10**9))
    assert SEVERITY[verdict.status] == 0 or not milder.is_no_looser_than(verdict)


@pytest.mark.parametrize("stage", Stage)
def test_knowing_nothing_at_all_is_never_cleared_where_rules_ask(stage: Stage) -> None:
    verdict = judge(POLICIES, Proposal(stage, {}, Money(60_000, "USD"), ()), site="DAL1")
    assert verdict.status is not Status.CLEARED
    assert verdict.disposition is LAST_RESORT or verdict.disposition is Disposition.HAZMAT_HANDOFF


def test_facts_cannot_overrule_what_the_request_and_the_policy_say(judged: Callable[..., Verdict]) -> None:
    smuggled = {"credit.amount": 1, "limits.approval_above": 10**12, "stage": "CLOSED", "site": "X"}
    verdict = judged({**smuggled, "sale.price_paid": 10**6}, credit=Money(60_000, "USD"))
    assert [fired.id for fired in verdict.fired] == ["FIN-01"]


def test_what_is_not_known_is_asked_of_one_supervisor_and_named(judged: Callable[..., Verdict]) -> None:
    verdict = judged({"sale.price_paid": ..., "credit.without_return": ..., "models.in_domain": ...})
    supervisors = [
        each.rule for each in verdict.approvals if each.roles == ("supervisor",) and each.needed == 1
    ]
    assert verdict.missing == ("credit.without_return", "models.in_domain", "sale.price_paid")
    assert supervisors == ["OPS-09"]
    assert "Not known: models.in_domain." in next(
        fired.sentence for fired in verdict.fired if fired.id == "OPS-09"
    )


def test_a_supervisor_who_is_asked_about_a_large_credit_is_lifted_to_one_who_may_answer(
    judged: Callable[..., Verdict],
) -> None:
    verdict = judged({"models.in_domain": False, "sale.price_paid": 10**9}, credit=Money(300_000, "USD"))
    assert {each.rule: each.roles for each in verdict.approvals} == {
        "OPS-09": ("manager",),
        "FIN-01": ("manager",),
    }


@settings(max_examples=300)
@given(proposal=_PROPOSALS, site=st.sampled_from(PLACES), data=st.data())
def test_whatever_is_not_known_is_put_before_someone_who_may_answer_for_the_amount(
    plain: dict[str, Any], proposal: Proposal, site: str, data: st.DataObject
) -> None:
    """Whichever rule a missing fact leaves open, whoever else it asks."""
    unknown = data.draw(st.sets(st.sampled_from(sorted(plain)), max_size=4))
    whole = {**plain, **proposal.facts}
    facts = {name: value for name, value in whole.items() if name not in unknown and value is not ...}
    verdict = judge(POLICIES, replace(proposal, facts=facts), site=site)
    authority = POLICIES.at(site).authority
    supervisors = authority.voters((FIRST_RESORT,), proposal.credit)
    answering = [
        each
        for each in verdict.approvals
        if each.roles == supervisors.roles and each.amount == proposal.credit
    ]
    assert bool(verdict.missing) <= bool(answering)


def test_a_specialist_who_is_asked_does_not_stand_in_for_the_supervisor(
    judged: Callable[..., Verdict],
) -> None:
    verdict = judged({"item.regulatory": ["NONE"], "fraud.expected_loss": ...})
    assert {each.roles for each in verdict.approvals} == {("fraud_reviewer",), ("supervisor",)}
