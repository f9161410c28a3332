"""Facts, rules, limits and rights, from the files and tables that are in force."""

from __future__ import annotations

from docs.building.markdown import code, page, table
from features.returns import FACTS
from policy.approvals.states import MOVES
from policy.language import reference
from policy.policies import DEFAULT_RULES, PolicySet
from policy.shapes import STRICTNESS
from serving.access import RIGHTS, Action


def policy() -> str:
    """Return rules, limits, ladder, facts and states."""
    policies = PolicySet.load(DEFAULT_RULES)
    rules = table(
        ["rule", "owner", "effect", "stages", "what the person reads", "basis"],
        [
            (
                f"{code(rule.id)} v{rule.version}",
                rule.owner,
                code(rule.effect),
                ", ".join(sorted(stage.lower() for stage in rule.stages)),
                rule.sentence,
                rule.basis,
            )
            for rule in policies.rules
        ],
    )
    limits = table(
        ["limit", "owner", "unit", "value", "means"],
        [
            (code(one.name), one.owner, one.unit, _values(one.values), one.means)
            for one in policies.base.limits.values()
        ],
    )
    effects = ", ".join(code(effect) for effect in sorted(STRICTNESS, key=lambda one: STRICTNESS[one]))
    ladder = table(
        ["role", "answers for up to (minor units)"],
        [
            (code(role), "everything" if by is None else _values(by))
            for role, by in policies.base.authority.limits.items()
        ],
    )
    moves = table(
        ["state of an approval", "may become"],
        [(state, ", ".join(sorted(after)) or "nothing else") for state, after in MOVES.items()],
    )
    return page(
        "Policy: rules, limits and facts",
        f"The files of `policy/rules`, digest `{policies.digest}`. "
        "How to read and change them is told in [Policies](../policies.md).",
        "## Rules",
        f"Effects, strictest first: {effects}.",
        rules,
        "## Limits",
        limits,
        "## Who answers for how much",
        ladder,
        "## Facts",
        reference(FACTS),
        "## States",
        moves,
    )


def _values(values: object) -> str:
    pairs = dict(values).items()  # type: ignore[call-overload]
    return ", ".join(f"{value} {currency}".strip() for currency, value in pairs)


def rights() -> str:
    """Return the table role x action."""
    rows = [
        (code(action.value), ", ".join(code(role) for role, held in RIGHTS.items() if action in held))
        for action in Action
    ]
    return page(
        "Rights: who may do what",
        "Each call of the [API](api.md) names its roles; what a role may do at all stands here.",
        table(["right", "roles"], rows),
    )
