"""Whom an approval that nobody decides is put before: the steps, and who is told last (OPS-08)."""

from __future__ import annotations

from dataclasses import dataclass

from policy.timing.stages import LAST_TOLD
from policy.verdict import Requirement


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an escalation: who may vote from then on, and who is told."""

    roles: tuple[str, ...]
    told: tuple[str, ...]


def escalation(requirement: Requirement, *, owner: str) -> tuple[Step, ...]:
    """The steps that an approval climbs while nobody decides it: roles are added, none is taken away.

    Money climbs the ladder, where each role could vote all along but was not asked. Specialists are reminded
    first. The service manager is told last and joins the voters only where `owner`, the owner of the rule,
    is operations: finance and compliance reserve their questions to those whom they name.
    """
    roles, steps = requirement.roles, []
    if requirement.amount is None:
        steps.append(Step(roles, roles))
    for role in requirement.higher:
        roles = (*roles, role)
        steps.append(Step(roles, (role,)))
    if LAST_TOLD not in roles:
        joins = requirement.amount is None and owner == "operations"
        steps.append(Step((*roles, LAST_TOLD) if joins else roles, (LAST_TOLD,)))
    return tuple(steps)
