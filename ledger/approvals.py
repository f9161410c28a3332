"""Approvals: asked for with a recommendation, voted on, closed; the inbox of those who may vote.

What may happen when is decided by `policy.approvals`; here stands only what did, and who won a race.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, delete, func, insert, select, update

from features.returns import Money
from ledger.chain import ConflictError, NotInLedgerError
from ledger.personal import opened, with_personal
from ledger.recommendations import Recommendation, Recommendations
from ledger.schema import (
    approval_changes,
    approval_roles,
    approval_state,
    approvals,
    delegations,
    recommendations,
    votes,
)
from ledger.schema.registers import corrections, documents

PENDING: Final = "pending"
VOIDED: Final = "superseded"
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


class Approvals(Recommendations):
    """The part of a transaction that writes and reads approvals."""

    def add_approval(self, approval: Approval) -> None:
        """Ask for an approval; it appears in the inbox of its roles."""
        amount = approval.amount
        values = {name: value for name, value in asdict(approval).items() if name in approvals.c}
        values |= {"roles": list(approval.roles), "at": approval.created_at}
        values |= {
            "amount_minor": amount.minor if amount else None,
            "currency": amount.currency if amount else None,
        }
        seq = self._record(
            approvals,
            values,
            kind="approval.requested",
            subject=approval.return_line_id,
            id=approval.id,
            rule=approval.rule,
            recommendation=approval.recommendation_id,
        )
        state = {"approval_id": approval.id, "seq": seq, "status": approval.status, "site": approval.site}
        self._connection.execute(
            insert(approval_state).values(
                **state, version=approval.version, roles=list(approval.roles), expires_at=approval.expires_at
            )
        )
        self._enter(state, approval.roles)

    def approval(self, approval_id: str, *, for_update: bool = False) -> Approval:
        """Return one approval as it stands now; `for_update` locks it until the transaction ends.

        Raises
        ------
        NotInLedgerError
            If there is none.
        """
        query = _joined().where(approvals.c.id == approval_id)
        row = self._first(query.with_for_update(of=approval_state) if for_update else query)
        if row is None:
            raise NotInLedgerError(f"there is no approval {approval_id}.")
        return _read(row)

    def approvals(
        self,
        *,
        status: str | None = PENDING,
        role: str | None = None,
        sites: Sequence[str] | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> tuple[Approval, ...]:
        """Return a page of the inbox, oldest first; `after` is the last id of the page before."""
        inbox = approval_state.c if role is None else approval_roles.c
        page = select(inbox.approval_id).order_by(inbox.seq).limit(limit)
        if role is not None:
            page = page.where(approval_roles.c.role == role)
        if status is not None:
            page = page.where(inbox.status == status)
        if sites is not None:
            page = page.where(inbox.site.in_(sites))
        if after is not None:
            page = page.where(
                inbox.seq > select(approvals.c.seq).where(approvals.c.id == after).scalar_subquery()
            )
        # The page is found in one index alone; only its rows are then read whole.
        query = _joined().where(approvals.c.id.in_(page)).order_by(approvals.c.seq)
        return tuple(map(_read, self._all(query)))

    def approvals_asked(self, rule: str, *, site: str, since: datetime) -> int:
        """Count the approvals that a rule has asked for at a site since a moment, whatever became of them."""
        mine = (approvals.c.rule == rule) & (approvals.c.site == site) & (approvals.c.at >= since)
        query = select(func.count()).select_from(approvals).where(mine)
        return int(self._connection.execute(query).scalar_one())

    def approvals_of(self, recommendation_id: str) -> tuple[Approval, ...]:
        """Return all approvals of a recommendation, oldest first."""
        query = _joined().where(approvals.c.recommendation_id == recommendation_id).order_by(approvals.c.seq)
        return tuple(map(_read, self._all(query)))

    def approvals_due(self, at: datetime, *, limit: int = 100) -> tuple[Approval, ...]:
        """Return pending approvals whose time is up at `at`, the longest overdue first."""
        state = approval_state.c
        due = _joined().where(state.status == PENDING, state.expires_at <= at)
        return tuple(map(_read, self._all(due.order_by(state.expires_at, state.seq).limit(limit))))

    def add_vote(self, vote: Vote, *, expected_version: int) -> int:
        """Record a vote and return the approval's new version.

        Raises
        ------
        ConflictError
            If the approval changed since `expected_version`, is closed, or the voter has voted already.
        """
        approval = self._expected(vote.approval_id, expected_version)
        if any(cast.voter == vote.voter for cast in self.votes(vote.approval_id)):
            raise ConflictError(f"{vote.voter} has already voted on approval {vote.approval_id}.")
        self._record(
            votes,
            {**asdict(vote), "actor": vote.voter},
            kind="approval.vote",
            subject=approval.return_line_id,
            id=vote.id,
            approval=vote.approval_id,
            role=vote.role,
            vote=vote.vote,
            digest=approval.digest,
        )
        return self._bump(approval)

    def votes(self, approval_id: str) -> tuple[Vote, ...]:
        """Return the votes on an approval, in order."""
        table = votes.c
        query = with_personal(select(*(table[name] for name in Vote.__dataclass_fields__)), votes)
        rows = self._all(query.where(table.approval_id == approval_id).order_by(table.seq))
        return tuple(Vote(**opened(votes, row)) for row in rows)

    def close_approval(
        self,
        approval_id: str,
        status: str,
        *,
        actor: str,
        at: datetime,
        reason: str = "",
        expected_version: int | None = None,
    ) -> int:
        """Close a pending approval with `status` and return its new version.

        Raises
        ------
        ConflictError
            If it is closed already, or changed since `expected_version`.
        """
        approval = self._expected(approval_id, expected_version)
        change = ApprovalChange(approval_id, status, approval.roles, approval.expires_at, reason, actor, at)
        return self._change(approval, change)

    def escalate_approval(
        self,
        approval_id: str,
        *,
        roles: Sequence[str],
        expires_at: datetime | None,
        actor: str,
        at: datetime,
    ) -> int:
        """Put a pending approval before other roles until another time; return its new version."""
        approval = self._expected(approval_id, None)
        change = ApprovalChange(approval_id, approval.status, tuple(roles), expires_at, ESCALATED, actor, at)
        return self._change(approval, change)

    def remind_of_approval(self, approval_id: str, *, actor: str, at: datetime) -> None:
        """Record that its voters were reminded; the approval and its version stay as they are."""
        approval = self._expected(approval_id, None)
        now = (approval.status, approval.roles, approval.expires_at)
        self._record_change(approval, ApprovalChange(approval_id, *now, REMINDED, actor, at))

    def approval_steps(self, ids: Sequence[str]) -> Mapping[str, Counter[str]]:
        """Return how often each approval was changed for which reason, in one read."""
        table = approval_changes.c
        query = select(table.approval_id, table.reason).where(table.approval_id.in_(ids))
        steps: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for row in self._all(query):
            steps[row["approval_id"]][row["reason"]] += 1
        return steps

    def approval_changes(self, approval_id: str) -> tuple[ApprovalChange, ...]:
        """Return what became of an approval, in order."""
        table = approval_changes.c
        query = select(*(table[name] for name in ApprovalChange.__dataclass_fields__))
        rows = self._all(query.where(table.approval_id == approval_id).order_by(table.seq))
        return tuple(ApprovalChange(**{**row, "roles": tuple(row["roles"])}) for row in rows)

    def add_delegation(self, delegation: Delegation, *, expected_version: int | None = None) -> int:
        """Record that a right to vote was passed on; return the approval's new version."""
        approval = self._expected(delegation.approval_id, expected_version)
        self._record(
            delegations,
            {**asdict(delegation), "actor": delegation.delegator},
            kind="approval.delegated",
            subject=approval.return_line_id,
            approval=delegation.approval_id,
            delegate=delegation.delegate,
        )
        return self._bump(approval)

    def delegations(self, approval_id: str) -> tuple[Delegation, ...]:
        """Return who passed the right to vote on an approval to whom, in order."""
        table = delegations.c
        query = select(*(table[name] for name in Delegation.__dataclass_fields__))
        rows = self._all(query.where(table.approval_id == approval_id).order_by(table.seq))
        return tuple(Delegation(**row) for row in rows)

    def ballots(self, start: datetime, end: datetime, *, site: str | None = None) -> tuple[Ballot, ...]:
        """Return the votes cast from `start` up to `end`, in order, at one site if asked."""
        own = (votes.c[name] for name in Vote.__dataclass_fields__)
        query: Select[Any] = select(*own, approvals.c.at.label("asked_at"))
        query = query.where(votes.c.at >= start, votes.c.at < end)
        query = query.join(approvals, approvals.c.id == votes.c.approval_id).order_by(votes.c.seq)
        query = with_personal(query if site is None else query.where(approvals.c.site == site), votes)
        rows = [opened(votes, row) for row in self._all(query)]
        return tuple(
            Ballot(Vote(**{name: row[name] for name in Vote.__dataclass_fields__}), row["asked_at"])
            for row in rows
        )

    def lines_recommended(
        self, start: datetime, end: datetime, *, site: str | None = None
    ) -> tuple[frozenset[str], frozenset[str]]:
        """Return the lines recommended on from `start` up to `end`, and those that asked for an approval."""
        found = []
        for table in (recommendations, approvals):
            query = select(table.c.return_line_id).where(table.c.at >= start, table.c.at < end).distinct()
            rows = self._all(query if site is None else query.where(table.c.site == site))
            found.append(frozenset(row["return_line_id"] for row in rows))
        return found[0], found[1]

    def lines_touched(self, start: datetime, end: datetime) -> frozenset[str]:
        """Return the lines that a person decided on, or of which a person corrected what was read."""
        voted = select(approvals.c.return_line_id).join(votes, votes.c.approval_id == approvals.c.id)
        keyed = select(documents.c.return_line_id).join(
            corrections, corrections.c.document_id == documents.c.id
        )
        queries = (
            voted.where(votes.c.at >= start, votes.c.at < end),
            keyed.where(corrections.c.at >= start, corrections.c.at < end),
        )
        rows = [row for query in queries for row in self._all(query)]
        return frozenset(row["return_line_id"] for row in rows if row["return_line_id"] is not None)

    def _supersede(self, new: Recommendation) -> None:
        """Changed facts void the approvals that were bound to the old ones."""
        super()._supersede(new)
        assert new.supersedes is not None
        for approval in self.approvals_of(new.supersedes):
            if approval.status == PENDING:
                reason = f"facts changed: {new.id}"
                self.close_approval(approval.id, VOIDED, actor=new.actor, at=new.created_at, reason=reason)

    def _expected(self, approval_id: str, version: int | None) -> Approval:
        approval = self.approval(approval_id, for_update=True)
        if approval.status != PENDING:
            raise ConflictError(f"approval {approval_id} is closed: {approval.status}.")
        if version is not None and approval.version != version:
            raise ConflictError(
                f"approval {approval_id} has changed: it is at version {approval.version}, not {version}."
            )
        return approval

    def _record_change(self, approval: Approval, change: ApprovalChange) -> None:
        self._record(
            approval_changes,
            {**asdict(change), "roles": list(change.roles)},
            kind="approval.changed",
            subject=approval.return_line_id,
            approval=approval.id,
            status=str(change.status),
        )

    def _change(self, approval: Approval, change: ApprovalChange) -> int:
        self._record_change(approval, change)
        mine = approval_roles.c.approval_id == approval.id
        if change.roles == approval.roles:
            self._connection.execute(update(approval_roles).where(mine).values(status=change.status))
        else:
            own = select(approvals.c.seq).where(approvals.c.id == approval.id)
            seq = self._connection.execute(own).scalar_one()
            state = {"approval_id": approval.id, "seq": seq, "status": change.status, "site": approval.site}
            self._connection.execute(delete(approval_roles).where(mine))
            self._enter(state, change.roles)
        return self._bump(
            approval, status=change.status, roles=list(change.roles), expires_at=change.expires_at
        )

    def _enter(self, state: Mapping[str, Any], roles: Sequence[str]) -> None:
        """Put an approval into the inbox of each role."""
        rows = [{**state, "role": role} for role in dict.fromkeys(roles)]
        if rows:
            self._connection.execute(insert(approval_roles), rows)

    def _bump(self, approval: Approval, **changed: Any) -> int:
        state = approval_state
        won = self._connection.execute(
            update(state)
            .where(state.c.approval_id == approval.id, state.c.version == approval.version)
            .values(version=approval.version + 1, **changed)
        )
        if won.rowcount != 1:
            raise ConflictError(f"approval {approval.id} was changed by someone else at the same moment.")
        return approval.version + 1


def _joined() -> Select[Any]:
    now = approval_state.c
    return select(
        approvals,
        now.status.label("status_now"),
        now.roles.label("roles_now"),
        now.expires_at.label("expires_at_now"),
        now.version,
    ).join(approval_state, now.approval_id == approvals.c.id)


def _read(row: Mapping[str, Any]) -> Approval:
    names = (
        "id",
        "recommendation_id",
        "return_line_id",
        "rule",
        "needed",
        "site",
        "actor",
        "digest",
        "sentence",
    )
    return Approval(
        **{name: row[name] for name in (*names, "version")},
        roles=tuple(row["roles_now"]),
        created_at=row["at"],
        expires_at=row["expires_at_now"],
        amount=Money(row["amount_minor"], row["currency"]) if row["currency"] else None,
        status=row["status_now"],
    )
