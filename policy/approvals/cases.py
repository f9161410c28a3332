"""An approval, its votes and the people of its case, as the rules of voting see them."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from features.returns import Money
from policy.approvals.states import State
from policy.verdict import Requirement


class Choice(StrEnum):
    """What a voter says."""

    APPROVE = "approve"
    REJECT = "reject"


class Part(StrEnum):
    """What someone has had to do with a case; any of it bars them from approving it (FIN-03)."""

    REQUESTED = "requested"
    HOLDS_REQUESTING_KEY = "holds the key that requested"
    RECEIVED = "received"
    INSPECTED = "inspected"
    CHANGED_FACTS = "changed the facts of"


@dataclass(frozen=True, slots=True)
class Vote:
    """One vote as it was cast."""

    actor: str
    choice: Choice


@dataclass(frozen=True, slots=True)
class Voter:
    """Who wants to act; no sites means all of them."""

    actor: str
    roles: frozenset[str]
    sites: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Approval:
    """An approval as it stands.

    Attributes
    ----------
    involved : mapping of actor to Part
        Who has had to do with the case.
    passed : tuple of (delegator, delegate)
        Who passed it on to whom: the two have one voice in it between them.
    stake : Money or None
        The credit that the case asks for: what the limit of a delegation must cover.
    """

    requirement: Requirement
    site: str
    expires_at: datetime
    involved: Mapping[str, Part]
    state: State = State.PENDING
    votes: tuple[Vote, ...] = ()
    passed: tuple[tuple[str, str], ...] = ()
    stake: Money | None = None

    def part_of(self, actor: str) -> Part | None:
        """What someone has had to do with the case, however they are spelt."""
        return next((part for name, part in self.involved.items() if same_person(name, actor)), None)


@dataclass(frozen=True, slots=True)
class Delegation:
    """A right to vote that its holder shares with someone from a moment up to another.

    Attributes
    ----------
    holder : Voter
        Who passes it on, with the one role and the sites that are passed on; limits are those of now.
    limit : Money or None
        What a case may be about at most; None where the holder's own limit is enough of one.
    """

    holder: Voter
    to: str
    since: datetime
    until: datetime
    limit: Money | None = None


def same_person(one: str, other: str) -> bool:
    """Whether two actors are one person, however they are spelt."""
    one, other = person(one), person(other)
    if ":" in one and ":" in other:
        return one == other
    # An actor without a kind may be of any: doubt counts as the same person.
    return _subject(one) == _subject(other)


def person(actor: str) -> str:
    """An actor however it is spelt: letters alike, without case, spaces and characters that nobody sees."""
    letters = (letter for letter in unicodedata.normalize("NFKC", actor) if not letter.isspace())
    return "".join(letter for letter in letters if unicodedata.category(letter) != "Cf").casefold()


def _subject(person: str) -> str:
    return person.partition(":")[2] if ":" in person else person
