"""Who may approve, and up to what amount: the roles and their limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from features.returns import Money

APPROVERS: Final = (
    "supervisor",
    "manager",
    "controller",
    "cfo",
    "sales_manager",
    "service_manager",
    "supplier_manager",
    "fraud_reviewer",
    "hazmat_officer",
    "compliance_officer",
    "quality_assurance",
    "recall_coordinator",
)
FIRST_RESORT: Final = "supervisor"  # whoever is asked where a fact is missing


@dataclass(frozen=True, slots=True)
class Voters:
    """Who may vote: the roles that are asked, and the higher ones that may answer for them."""

    roles: tuple[str, ...]
    higher: tuple[str, ...] = ()

    @property
    def all(self) -> frozenset[str]:
        """Every role whose vote counts."""
        return frozenset(self.roles + self.higher)


@dataclass(frozen=True, slots=True)
class Authority:
    """The ladder of roles that answer for money, lowest first.

    Attributes
    ----------
    limits : mapping of role to (mapping of currency to minor units, or None for no limit)
        A currency without an entry is beyond the role.
    """

    limits: Mapping[str, Mapping[str, int] | None]

    @property
    def ladder(self) -> tuple[str, ...]:
        """The roles that have amount limits, lowest first."""
        return tuple(self.limits)

    def covers(self, role: str, amount: Money) -> bool:
        """Whether `role` may answer for `amount`; roles outside the ladder answer for no money at all."""
        if role not in self.limits:
            return False
        limits = self.limits[role]
        return limits is None or amount.minor <= limits.get(amount.currency, -1)

    def able(self, amount: Money) -> tuple[str, ...]:
        """The roles of the ladder that may answer for `amount`, lowest first."""
        return tuple([role for role in self.limits if self.covers(role, amount)])

    def voters(self, roles: tuple[str, ...], amount: Money, *, able: tuple[str, ...] | None = None) -> Voters:
        """Who may vote where `roles` are asked; a role of the ladder is lifted until it covers `amount`.

        Specialists (roles outside the ladder) answer for their subject, not for the money, which FIN-01 puts
        before the ladder separately. `able` spares working it out again for the same amount.
        """
        if self.limits.keys().isdisjoint(roles):
            return Voters(roles)
        able = self.able(amount) if able is None else able
        below = set[str]()
        for role in self.limits:
            if role in roles:
                break
            below.add(role)
        able = tuple([role for role in able if role not in below])
        return Voters(tuple([role for role in roles if role not in self.limits]) + able[:1], able[1:])
