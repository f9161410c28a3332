"""The language promises: typed when loaded, three-valued when asked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.returns import Fact
from policy.language import ConditionError, Language

LANGUAGE = Language(
    [
        Fact("a", "bool", ""),
        Fact("b", "bool", ""),
        Fact("c", "bool", ""),
        Fact("credit.amount", "int", ""),
        Fact("fraud.score", "double", ""),
        Fact("reason", "string", ""),
        Fact("item.regulatory", "list", ""),
    ],
    limits=["approval"],
)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("credit.amont > 3", "undeclared reference to 'credit.amont'"),
        ("credit.amount > 3.0", "no matching overload for '_>_' applied to '(int, double)'"),
        ("fraud.score > 1", "(double, int)"),
        ("reason in [1]", "(string, list(int))"),
        ("credit.amount >", "Syntax error"),
        ("credit.amount", "must give true or false, not int"),
        ("dyn(a)", "must give true or false, not dyn"),
        ("limits.aproval > 3", "undeclared reference"),
        ("", "Syntax error"),
        ("a || " * 500 + "a", "at most 2000 characters"),
    ],
)
def test_a_condition_that_is_not_well_typed_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ConditionError) as refusal:
        LANGUAGE.condition(text)
    assert sentence in str(refusal.value)


def test_the_refusal_points_at_the_place_with_a_caret() -> None:
    with pytest.raises(ConditionError, match="undeclared") as refusal:
        LANGUAGE.condition("a &&\n  nope")
    assert str(refusal.value).splitlines()[1:] == ["      nope", "      ^"]


def test_an_amount_must_be_a_whole_number() -> None:
    with pytest.raises(ConditionError, match="must give a whole number, not double"):
        LANGUAGE.amount("fraud.score")


def test_a_condition_knows_the_facts_it_names_and_not_its_words() -> None:
    condition = LANGUAGE.condition(
        "item.regulatory.exists(x, x == 'reason a') && credit.amount > limits.approval"
    )
    assert condition.references == {"item.regulatory", "credit.amount", "limits.approval"}


@pytest.mark.parametrize(
    ("text", "facts", "answer"),
    [
        ("credit.amount > 5", {"credit.amount": 6}, True),
        ("credit.amount > 5", {}, None),
        ("a || credit.amount > 5", {"a": True}, True),
        ("credit.amount > 5 || a", {"a": True}, True),
        ("credit.amount > 5 || a", {"a": False}, None),
        ("credit.amount > 5 && a", {"a": False}, False),
        ("credit.amount > 5 && a", {"a": True}, None),
        ("!(credit.amount > 5)", {}, None),
        ("'NONE' in item.regulatory", {"item.regulatory": ["NONE"]}, True),
        ("'NONE' in item.regulatory", {}, None),
    ],
)
def test_a_missing_fact_leaves_open_what_the_others_do_not_decide(
    text: str, facts: dict[str, Any], answer: object
) -> None:
    assert LANGUAGE.condition(text).holds(LANGUAGE.know(facts)) is answer


@pytest.mark.parametrize("value", ["6", 6.5, None, ["6"]])
def test_a_fact_of_the_wrong_type_is_as_good_as_missing(value: Any) -> None:
    assert LANGUAGE.condition("credit.amount > 5").holds(LANGUAGE.know({"credit.amount": value})) is None


def test_overflow_and_division_by_zero_are_unknown_and_never_a_number() -> None:
    known = LANGUAGE.know({"credit.amount": 2**62})
    assert LANGUAGE.amount("credit.amount * 4").minor(known) is None
    assert LANGUAGE.amount("credit.amount / 0").minor(known) is None
    assert LANGUAGE.condition("credit.amount * 4 > 0").holds(known) is None


def test_what_is_missing_is_named() -> None:
    condition = LANGUAGE.condition("credit.amount > limits.approval && a")
    assert condition.missing(LANGUAGE.know({"credit.amount": 1})) == {"limits.approval", "a"}


def _kleene(text: str, facts: dict[str, bool]) -> bool | None:
    """All completions of the missing facts agree, or nobody knows (the oracle)."""
    missing = [name for name in "abc" if name not in facts]
    answers = set()
    for bits in range(2 ** len(missing)):
        full = {**facts, **{name: bool(bits >> place & 1) for place, name in enumerate(missing)}}
        answers.add(
            bool(eval(text.replace("&&", " and ").replace("||", " or ").replace("!", " not "), {}, full))
        )
    return answers.pop() if len(answers) == 1 else None


_EXPRESSIONS = st.recursive(
    st.sampled_from("abc"),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("({0[0]} && {0[1]})".format),
        st.tuples(inner, inner).map("({0[0]} || {0[1]})".format),
        inner.map("(!{})".format),
    ),
    max_leaves=6,
)


@given(text=_EXPRESSIONS, facts=st.dictionaries(st.sampled_from("abc"), st.booleans()))
def test_an_answer_never_changes_when_the_missing_facts_become_known(
    text: str, facts: dict[str, Any]
) -> None:
    answer = LANGUAGE.condition(text).holds(LANGUAGE.know(facts))
    if answer is not None:
        assert answer is _kleene(text, facts)
