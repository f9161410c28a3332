"""Votes, delegations and changes: policy decides what may happen, here stands what did and who won a race."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update

from ledger.approvals.counting import Ballots
from ledger.approvals.records import (
    ESCALATED,
    PENDING,
    REMINDED,
    Approval,
    ApprovalChange,
    Delegation,
    Vote,
)
from ledger.chain import ConflictError
from ledger.personal import opened, with_personal
from ledger.recommendations import Recommendation
from ledger.schema import approval_changes, approval_roles, approval_state, approvals, delegations, votes
from policy.approvals import MOVES, State, check_move


class Approvals(Ballots):
    """The part of a transaction that writes what becomes of approvals."""

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
        ClosedError
            If the table of states knows no such move.
        """
        approval = self._expected(approval_id, expected_version)
        check_move(State(approval.status), State(status))
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

    def _supersede(self, new: Recommendation) -> Recommendation:
        """Changed facts void the approvals that were bound to the old ones, even those that were given."""
        old = super()._supersede(new)
        for approval in self.approvals_of(old.id):
            # A later stage asks anew; what was given for the earlier one stays given for that.
            given = approval.status == State.APPROVED and new.stage != old.stage
            if State.SUPERSEDED in MOVES[State(approval.status)] and not given:
                reason = f"facts changed: {new.id}"
                now = (State.SUPERSEDED, approval.roles, approval.expires_at)
                self._change(approval, ApprovalChange(approval.id, *now, reason, new.actor, new.created_at))
        return old

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
