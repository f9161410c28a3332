"""What is asked of the judge, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from features.returns import Disposition, Money, Stage
from policy.authority import Voters
from policy.language import FactValue
from policy.shapes import Effect


class Status(StrEnum):
    """What happens next, mildest first."""

    CLEARED = "cleared"
    PENDING_APPROVAL = "pending_approval"
    HELD = "held"
    DENIED = "denied"


SEVERITY: Final = {status: severity for severity, status in enumerate(Status)}


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the models would do.

    Attributes
    ----------
    facts : mapping of fact to value
        What is known; a fact that is not known is absent. Lists are lists of str, money is in minor units
        of `credit.currency`. Stage, site and amount are taken from the fields here, not from the facts.
    credit : Money
        The credit asked for.
    candidates : tuple of Disposition
        Best first.
    """

    stage: Stage
    facts: Mapping[str, FactValue]
    credit: Money
    candidates: tuple[Disposition, ...]


@dataclass(frozen=True, slots=True)
class Fired:
    """A rule that applied, as it is shown and recorded."""

    id: str
    version: int
    owner: str
    effect: Effect
    sentence: str


@dataclass(frozen=True, slots=True)
class Requirement:
    """One approval that is needed.

    Attributes
    ----------
    roles, higher : tuple of str
        Who is asked, and who may answer for them.
    needed : int
        How many different people.
    amount : Money or None
        What the voter's limit must cover: the credit asked, before any cap. None where specialists are asked,
        who answer for their subject and not for the money.
    """

    rule: str
    roles: tuple[str, ...]
    needed: int
    amount: Money | None = None
    higher: tuple[str, ...] = ()

    @property
    def voters(self) -> Voters:
        """Every role that may vote on it."""
        return Voters(self.roles, self.higher)

    def covers(self, other: Requirement) -> bool:
        """Whether whoever meets this one has met `other` as well."""
        return self.voters.all <= other.voters.all and self.needed >= other.needed


@dataclass(frozen=True, slots=True)
class Verdict:
    """What policy makes of a proposal.

    Attributes
    ----------
    fired : tuple of Fired
        Strictest first; a cap that takes nothing away is not among them.
    forbidden : mapping of Disposition to rule ids
        What may not happen to the item.
    disposition : Disposition
        What should.
    ceiling : Money or None
        The lowest cap; None where no cap applies or none could be computed.
    credit : Money
        What is recommended: the lower of request and ceiling, nothing where denied.
    approvals, documents
        What is still needed; documents as (rule id, what).
    auto : tuple of Disposition
        What a rule permits unattended that otherwise is not.
    missing : tuple of str
        Facts and limits that were needed and not known.
    uncapped : tuple of rule ids
        Caps that could not be computed; a person decides.
    final : bool
        Whether no vote can let it through: it is denied, waits for a document, or is held until revised.
    """

    status: Status
    fired: tuple[Fired, ...]
    forbidden: Mapping[Disposition, tuple[str, ...]]
    disposition: Disposition
    ceiling: Money | None
    credit: Money
    approvals: tuple[Requirement, ...]
    documents: tuple[tuple[str, str], ...]
    auto: tuple[Disposition, ...]
    missing: tuple[str, ...]
    uncapped: tuple[str, ...]
    final: bool

    def permits(self, disposition: Disposition) -> bool:
        """Whether no rule forbids it."""
        return disposition not in self.forbidden

    def is_no_looser_than(self, other: Verdict) -> bool:
        """Whether nothing is allowed here that `other` would not allow.

        A partial order: two verdicts may each be stricter in something. A credit counts as no looser where
        its cap is unknown, because then a person answers for it.
        """
        return (
            SEVERITY[self.status] >= SEVERITY[other.status]
            and self.forbidden.keys() >= other.forbidden.keys()
            and (self.credit <= other.credit or bool({*self.uncapped} - {*other.uncapped}))
            and all(any(ours.covers(theirs) for ours in self.approvals) for theirs in other.approvals)
            and {*self.documents} >= {*other.documents}
            and self.final >= other.final
        )
