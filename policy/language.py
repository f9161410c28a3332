"""The typed language of a rule: CEL conditions over the declared facts, with "not known" as a third answer.

A condition is compiled once, when its file is loaded, against the facts of `features.returns.FACTS` and the
limits that the policy files declare; a name that is declared nowhere or a comparison of unlike types never
gets further than that. Facts may be missing when a condition is asked: `&&` and `||` then decide what can be
decided without them (Kleene's logic), and everything else is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from cel_expr_python import cel

from features.returns import BadInputError, Fact

type_of: Final = {
    "int": cel.Type.INT,
    "double": cel.Type.DOUBLE,
    "bool": cel.Type.BOOL,
    "string": cel.Type.STRING,
    "list": cel.Type.List(cel.Type.STRING),
}
FactValue = bool | int | float | str | list[str]
LIMIT_PREFIX: Final = "limits."
MAX_LENGTH: Final = 2000  # characters; the longest default rule has 200

_STRING = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""")
_PLACE = re.compile(r"<input>:(\d+):(\d+): (.*)")
_UNDECLARED = re.compile("undeclared reference to '([^']*)'")
_AROUND: Final = 50  # characters shown on either side of a mistake


class ConditionError(BadInputError):
    """An expression that the language refuses; the sentence shows the place with a caret."""

    code = "policy_condition"
    hint = "Correct the expression; the facts that rules may name stand in docs, policies."

    def __init__(self, sentence: str, *, part: str = "when") -> None:
        super().__init__(sentence)
        self.part = part


@dataclass(frozen=True, slots=True)
class Known:
    """What is known about one return, bound once and shared by all conditions."""

    names: AbstractSet[str]
    activation: Any


@dataclass(frozen=True, slots=True)
class Condition:
    """A yes-or-no question about a return.

    Attributes
    ----------
    text : str
        The CEL source.
    references : frozenset of str
        The facts and limits that it names.
    blank : bool or None
        Whether it holds where nothing that it names is known.
    """

    text: str
    references: frozenset[str]
    expression: Any
    blank: bool | None

    def holds(self, known: Known) -> bool | None:
        """Whether it holds; None where a missing fact leaves it open."""
        if self.references.isdisjoint(known.names):
            return self.blank  # answered once and for all: evaluating costs more than the rest of a rule
        return _answer(self.expression, known.activation)

    def missing(self, known: Known) -> frozenset[str]:
        """The facts that it names and that are not known."""
        return self.references.difference(known.names)


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount in minor units computed from the facts of a return."""

    text: str
    references: frozenset[str]
    expression: Any
    blank: int | None

    def minor(self, known: Known) -> int | None:
        """The amount, rounded down; None where a missing fact leaves it open."""
        if self.references.isdisjoint(known.names):
            return self.blank
        return _whole(self.expression, known.activation)

    def missing(self, known: Known) -> frozenset[str]:
        """The facts that it names and that are not known."""
        return self.references.difference(known.names)


class Language:
    """Compiles expressions over declared facts and limits, and binds what is known of a return.

    Parameters
    ----------
    facts : iterable of Fact
        What rules may name, with types.
    limits : iterable of str
        Names of the policy's own integers; an expression writes them ``limits.<name>``.
    """

    def __init__(self, facts: Iterable[Fact], *, limits: Iterable[str] = ()) -> None:
        kinds = {fact.name: fact.kind for fact in facts}
        kinds.update({LIMIT_PREFIX + name: "int" for name in limits})
        self._names: dict[str, re.Pattern[str]] = {
            name: re.compile(rf"(?<![\w.]){re.escape(name)}(?!\w)") for name in kinds
        }
        self._environment = cel.NewEnv(variables={name: type_of[kind] for name, kind in kinds.items()})
        self._nothing = self._environment.Activation({})

    def condition(self, text: str) -> Condition:
        """Compile a question; refuse anything but a well-typed yes or no.

        Raises
        ------
        ConditionError
            For a syntax error, an undeclared name, a type error, or a result that is not boolean.
        """
        expression = self._compile(text, cel.Type.BOOL, "true or false")
        return Condition(text, self._references(text), expression, _answer(expression, self._nothing))

    def amount(self, text: str) -> Amount:
        """Compile an amount in minor units; refuse anything but a whole number.

        Raises
        ------
        ConditionError
            As for a condition.
        """
        expression = self._compile(text, cel.Type.INT, "a whole number")
        return Amount(text, self._references(text), expression, _whole(expression, self._nothing))

    def know(self, facts: Mapping[str, FactValue]) -> Known:
        """Bind what is known; names that are not declared are ignored, absent ones are unknown."""
        return Known(facts.keys(), self._environment.Activation(facts))

    def _compile(self, text: str, wanted: Any, answer: str) -> Any:
        if len(text) > MAX_LENGTH:
            raise ConditionError(f"an expression has at most {MAX_LENGTH} characters; split the rule in two.")
        try:
            expression = self._environment.compile(text)
        except RuntimeError as refusal:
            raise ConditionError(_sentence(str(refusal), text, self._names)) from None
        found = expression.return_type()
        if found != wanted:
            was = found.name().lower()
            raise ConditionError(f"must give {answer}, not {was}; compare it{_caret(text, 1, 1)}")
        return expression

    def _references(self, text: str) -> frozenset[str]:
        bare = _STRING.sub("''", text)
        return frozenset(name for name, pattern in self._names.items() if pattern.search(bare))


def reference(facts: Iterable[Fact]) -> str:
    """The facts as a Markdown table, for the docs."""
    rows = [f"| `{fact.name}` | {fact.kind} | {fact.source} |" for fact in facts]
    return "\n".join(["| fact | type | where it comes from |", "| --- | --- | --- |", *rows])


def _answer(expression: Any, activation: Any) -> bool | None:
    # The binding answers with an error for a missing or ill-typed fact and for overflow: never a verdict.
    answer = expression.eval(activation).value()
    return answer if answer is True or answer is False else None


def _whole(expression: Any, activation: Any) -> int | None:
    answer = expression.eval(activation).value()
    return answer if isinstance(answer, int) and not isinstance(answer, bool) else None


def _sentence(refusal: str, text: str, names: Iterable[str]) -> str:
    place = _PLACE.search(refusal)
    if place is None:
        return f"cannot be read: {refusal}"
    line, column, what = int(place[1]), int(place[2]), place[3].replace(" (in container '')", "")
    return what + _next_step(what, names) + _caret(text, line, column)


def _next_step(what: str, names: Iterable[str]) -> str:
    """What the author of a refused expression does about it."""
    undeclared = _UNDECLARED.match(what)
    if undeclared:
        near = get_close_matches(undeclared[1], names, 1)
        return f"; write {near[0]}" if near else "; the facts and limits there are stand in docs, policies"
    if "no matching overload" in what:
        return "; compare like with like, the types of all facts stand in docs, policies"
    return "; correct the expression"


def _caret(text: str, line: int, column: int) -> str:
    """The place in the expression, with as much around it as a screen is wide."""
    written = text.splitlines()[line - 1] if text else ""
    start = max(column - 1 - _AROUND, 0)
    return f"\n    {written[start : column - 1 + _AROUND]}\n    {' ' * (column - 1 - start)}^"
