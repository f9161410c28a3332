"""Approvals as they are recorded: what was asked, who voted, who passed it on, what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from features.returns import Money

PENDING: Final = "pending"
ESCALATED: Final = "escalated"
REMINDED: Final = "reminded"


@dataclass(frozen=True, slots=True)
class Approval:
    """One approval that a rule requires; read back with the status, roles and expiry of now.

    Parameters
    ----------
    roles : tuple of str
        Any of them may vote; `needed` votes approve.
    amount : Money or None
        What is at stake, for the voter's limit.
    digest : str
        Digest of the recommendation that the votes are bound to.
    version : int
        Grows with every vote and change: the source of the ETag.
    """

    id: str
    recommendation_id: str
    return_line_id: str
    rule: str
    roles: tuple[str, ...]
    needed: int
    site: str
    created_at: datetime
    expires_at: datetime | None
    actor: str
    digest: str
    amount: Money | None = None
    sentence: str = ""
    status: str = PENDING
    version: int = 1


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's vote, `approve` or `reject`; the voter is the actor."""

    id: str
    approval_id: str
    voter: str
    role: str
    vote: str
    comment: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Delegation:
    """A right to vote on one approval, passed on by one person to another."""

    id: str
    approval_id: str
    role: str
    delegator: str
    delegate: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ApprovalChange:
    """A status, circle of roles or expiry that an approval took on."""

    approval_id: str
    status: str
    roles: tuple[str, ...]
    expires_at: datetime | None
    reason: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Ballot:
    """A vote beside the moment at which its approval was asked for."""

    vote: Vote
    asked_at: datetime
