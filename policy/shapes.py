"""What may stand in a policy file: fields, types and which of them belong together."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from features.returns import CURRENCIES, Disposition, Stage
from policy.authority import APPROVERS
from policy.language import FactValue
from policy.source import Path, Problem, Source


class Effect(StrEnum):
    """What a rule does where it holds, strictest first."""

    FORBID = "forbid"
    HOLD = "hold"
    REQUIRE_DOCUMENT = "require_document"
    REQUIRE_APPROVAL = "require_approval"
    CAP = "cap"
    AUTO = "auto"


STRICTNESS: Final = {effect: place for place, effect in enumerate(Effect)}
OWNERS: Final = ("operations", "finance", "compliance")
BY_AMOUNT: Final = "by_amount"
LAST_RESORT: Final = Disposition.QUARANTINE
BY_PERMISSION: Final = frozenset({Disposition.NO_RETURN_KEEP})  # never unattended unless an auto rule fires


def _known(role: str) -> str:
    if role not in APPROVERS:
        raise ValueError(f"'{role}' is no role that approves; use one of {', '.join(APPROVERS)}")
    return role


def _asked(roles: Any) -> Any:
    return [BY_AMOUNT] if roles == BY_AMOUNT else roles


def _known_or_by_amount(role: str) -> str:
    return role if role == BY_AMOUNT else _known(role)


def _currency(code: str) -> str:
    if code not in CURRENCIES:
        raise ValueError(f"'{code}' is no currency that is known here; write one of ISO 4217 such as USD")
    return code


_Role = Annotated[str, AfterValidator(_known)]
_AskedRole = Annotated[str, AfterValidator(_known_or_by_amount)]
_Disposition = Annotated[Disposition, Field(strict=False)]
_Stage = Annotated[Stage, Field(strict=False)]
_Text = Annotated[str, Field(min_length=1, max_length=500)]
_Whole = Annotated[int, Field(ge=0, le=10**15)]
_Currency = Annotated[str, AfterValidator(_currency)]


class Shape(BaseModel):
    """Strict and closed: an unknown field is a mistake, never a comment."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class LimitShape(Shape):
    """An amount, a number of days, a share: the integers that rules compare with."""

    unit: (
        Literal["money", "days", "business_days", "hours", "years", "percent", "permille", "count", "date"]
        | None
    ) = None
    means: _Text | None = None
    basis: _Text | None = None
    tighter: Literal["lower", "higher"] = "lower"
    value: _Whole | None = None
    per_currency: dict[_Currency, _Whole] | None = None
    default_for: str | None = None
    budget_of: _Role | None = None

    @model_validator(mode="after")
    def _one_value(self) -> LimitShape:
        if (self.value is None) == (self.per_currency is None):
            raise ValueError("give either 'value' or, for money, 'per_currency'")
        if self.unit is not None and (self.unit == "money") != (self.per_currency is not None):
            raise ValueError("money is given 'per_currency' in minor units, everything else as 'value'")
        return self

    @property
    def values(self) -> dict[str, int]:
        """The value by currency; under "" where it is no money."""
        return self.per_currency if self.per_currency is not None else {"": self.value or 0}


class ExampleShape(Shape):
    """Facts, and what the rule makes of them."""

    facts: dict[str, FactValue]
    gives: Literal[
        "forbid", "hold", "require_document", "require_approval", "cap", "auto", "nothing", "unknown"
    ]
    stage: _Stage | None = None
    currency: _Currency = "USD"
    ceiling: int | None = None


class RuleShape(Shape):
    """One rule as its owner writes it."""

    id: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]{1,11}-[0-9]{2}$")]
    version: Annotated[int, Field(ge=1)]
    effect: Annotated[Effect, Field(strict=False)]
    sentence: _Text
    basis: _Text
    enforced_by: Literal["judge", "approvals", "timer", "retention"] = "judge"
    stages: list[_Stage] = []
    when: str | None = None
    target: list[Literal["credit", "return", "vote", "record"]] = []
    dispositions: list[_Disposition] = []
    dispositions_but: list[_Disposition] = []
    then: _Disposition | None = None
    roles: Annotated[list[_AskedRole], BeforeValidator(_asked)] = []
    count: Annotated[int, Field(ge=1, le=5)] = 1
    document: _Text | None = None
    provided: str | None = None
    at: str | None = None
    note: _Text | None = None
    examples: list[ExampleShape] = []

    @model_validator(mode="after")
    def _whole(self) -> RuleShape:
        for wrong, sentence in _conflicts(self):
            if wrong:
                raise ValueError(sentence)
        return self

    @property
    def forbids(self) -> frozenset[Disposition]:
        """The dispositions that it is about."""
        but = (
            frozenset(Disposition) - frozenset(self.dispositions_but)
            if self.dispositions_but
            else frozenset()
        )
        return frozenset(self.dispositions) | but


class FileShape(Shape):
    """One policy file."""

    owner: _Text
    limits: dict[Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")], LimitShape] = {}
    authority: dict[_Role, Literal["unlimited"] | dict[_Currency, _Whole]] = {}
    rules: list[RuleShape] = []


def _conflicts(rule: RuleShape) -> tuple[tuple[bool, str], ...]:
    judged = rule.enforced_by == "judge"
    effect, aims = rule.effect, bool(rule.forbids)
    return (
        (judged and not rule.stages, "a rule names the stages at which it applies"),
        (judged and rule.when is None, "a rule needs 'when' (write 'true' for always)"),
        (judged and not rule.examples, "a rule needs at least one example"),
        (
            not judged and bool(rule.examples),
            f"examples are for the judge; '{rule.enforced_by}' enforces this rule",
        ),
        (not rule.target and not aims, "a rule needs a 'target' or 'dispositions'"),
        (
            judged and bool({"vote", "record"} & {*rule.target}),
            "the judge decides on 'credit' and 'return' only",
        ),
        (bool(rule.then) and effect is not Effect.FORBID, "'then' belongs to effect 'forbid'"),
        (
            effect is Effect.FORBID and LAST_RESORT in rule.forbids,
            f"{LAST_RESORT} is the last resort: never forbidden",
        ),
        (
            BY_AMOUNT in rule.roles[1:] or rule.roles[:1] == [BY_AMOUNT] != rule.roles,
            "'by_amount' stands alone",
        ),
        (effect is Effect.REQUIRE_APPROVAL and not rule.roles, "effect 'require_approval' needs 'roles'"),
        (
            effect is Effect.REQUIRE_DOCUMENT and rule.document is None,
            "effect 'require_document' needs 'document'",
        ),
        ((rule.document is None) != (rule.provided is None), "'document' and 'provided' belong together"),
        ((effect is Effect.CAP) != (rule.at is not None), "effect 'cap' and 'at' belong together"),
        (
            effect is Effect.AUTO and not rule.forbids <= BY_PERMISSION,
            "'auto' may permit NO_RETURN_KEEP only",
        ),
        (
            effect in {Effect.CAP, Effect.AUTO} and bool(rule.roles),
            f"effect '{effect}' asks nobody: no 'roles'",
        ),
        (
            effect in {Effect.CAP, Effect.AUTO} and bool(rule.document),
            f"effect '{effect}' needs no 'document'",
        ),
    )


def shape(source: Source) -> tuple[FileShape | None, list[Problem]]:
    """The file as typed fields, or everything that is wrong with its form."""
    try:
        return FileShape.model_validate(source.data), []
    except ValidationError as refusal:
        return None, [_problem(source, error) for error in refusal.errors()]


_DO: Final = {
    "enum": "{input!r} is not known here; use {expected}",
    "literal_error": "{input!r} is not known here; use {expected}",
    "model_type": "fields with values belong here, such as 'owner: finance'; write them",
}


def _problem(source: Source, error: Any) -> Problem:
    # Parts that the typing adds, such as '[key]', stand in no file.
    path: Path = ()
    for part in error["loc"]:
        path += (part,) if (*path, part) in source.lines else ()
    if error["type"] == "extra_forbidden":
        return source.problem(
            path, f"'{path[-1]}' is no field here ({_where(source, path[:-1])}); remove or rename it."
        )
    if error["type"] == "missing":
        return source.problem(path, f"{_where(source, path)}: '{error['loc'][-1]}' is missing; add it.")
    said = error["msg"].removeprefix("Value error, ")
    if error["type"] in _DO:
        said = _DO[error["type"]].format(input=error["input"], expected=error.get("ctx", {}).get("expected"))
    elif error["type"] != "value_error":
        said = f"{said[0].lower()}{said[1:]}, not {error['input']!r}; correct it"
    return source.problem(path, f"{_where(source, path)}: {said}.")


def _where(source: Source, path: Path) -> str:
    """The place in the words of the file: a rule by its id."""
    if len(path) > 1 and path[0] == "rules":
        rule = source.data["rules"][path[1]]
        named = rule.get("id") if isinstance(rule, dict) else None
        return ", ".join(map(str, (named or f"rule {int(path[1]) + 1}", *path[2:3])))
    return ".".join(map(str, path)) or "the file"
