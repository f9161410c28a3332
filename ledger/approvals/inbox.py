"""Approvals asked for with a recommendation, and the inbox of those who may vote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, func, insert, select, update

from features.returns import Money
from ledger.approvals.records import PENDING, Approval
from ledger.chain import NotInLedgerError
from ledger.recommendations import Recommendations
from ledger.schema import approval_roles, approval_state, approvals

FIRST_LOOK: Final = timedelta(hours=12)  # nothing is due sooner: half of the shortest life, one business day


class Inbox(Recommendations):
    """The part of a transaction that asks for approvals and finds them."""

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
                **state,
                version=approval.version,
                roles=list(approval.roles),
                expires_at=approval.expires_at,
                look_at=approval.created_at + FIRST_LOOK,
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
            raise NotInLedgerError("there is no approval of this id.")
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
        inbox = _inbox(role)
        page = _narrowed(select(inbox.approval_id), status=status, role=role, sites=sites)
        page = page.order_by(inbox.seq).limit(limit)
        if after is not None:
            page = page.where(
                inbox.seq > select(approvals.c.seq).where(approvals.c.id == after).scalar_subquery()
            )
        # The page is found in one index alone; only its rows are then read whole.
        query = _joined().where(approvals.c.id.in_(page)).order_by(approvals.c.seq)
        return tuple(map(_read, self._all(query)))

    def count_approvals(
        self,
        *,
        status: str | None = PENDING,
        role: str | None = None,
        sites: Sequence[str] | None = None,
        at_most: int = 100_000,
    ) -> int:
        """Return how many there are of what `approvals` pages through; larger numbers are not counted out."""
        found = _narrowed(select(_inbox(role).seq), status=status, role=role, sites=sites).limit(at_most)
        row = self._first(select(func.count().label("many")).select_from(found.subquery()))
        assert row is not None
        return int(row["many"])

    def approvals_of(self, recommendation_id: str) -> tuple[Approval, ...]:
        """Return all approvals of a recommendation, oldest first."""
        query = _joined().where(approvals.c.recommendation_id == recommendation_id).order_by(approvals.c.seq)
        return tuple(map(_read, self._all(query)))

    def approvals_due(self, at: datetime, *, limit: int = 100) -> tuple[Approval, ...]:
        """Return pending approvals whose time is up at `at`, the longest overdue first."""
        state = approval_state.c
        due = _joined().where(state.status == PENDING, state.expires_at <= at)
        return tuple(map(_read, self._all(due.order_by(state.expires_at, state.seq).limit(limit))))

    def approvals_to_look_at(self, before: datetime, *, limit: int = 100) -> tuple[Approval, ...]:
        """Return pending approvals that whoever keeps the time wanted to see before a moment."""
        state = approval_state.c
        due = _joined().where(state.status == PENDING, state.look_at < before)
        return tuple(map(_read, self._all(due.order_by(state.look_at, state.seq).limit(limit))))

    def look_at_approval(self, approval_id: str, *, at: datetime | None) -> None:
        """Note when to look at an approval next; neither the approval nor its version changes."""
        mine = approval_state.c.approval_id == approval_id
        self._connection.execute(update(approval_state).where(mine).values(look_at=at))

    def _enter(self, state: Mapping[str, Any], roles: Sequence[str]) -> None:
        """Put an approval into the inbox of each role."""
        rows = [{**state, "role": role} for role in dict.fromkeys(roles)]
        if rows:
            self._connection.execute(insert(approval_roles), rows)


def _inbox(role: str | None) -> Any:
    """The columns of the inbox: of one role, or of everyone."""
    return approval_state.c if role is None else approval_roles.c


def _narrowed(
    query: Select[Any], *, status: str | None, role: str | None, sites: Sequence[str] | None
) -> Select[Any]:
    inbox = _inbox(role)
    if role is not None:
        query = query.where(approval_roles.c.role == role)
    if status is not None:
        query = query.where(inbox.status == status)
    return query if sites is None else query.where(inbox.site.in_(sites))


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
