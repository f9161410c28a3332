"""Recommendations: issued once for a return line and stage, never changed, only followed by statuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from features.returns import CreditAction, Money
from ledger.chain import ConflictError, DuplicateBusinessKeyError, Head, NotInLedgerError, into
from ledger.history import Histories, Line
from ledger.personal import opened, renamed, with_personal
from ledger.schema import recommendation_state, recommendation_statuses, recommendations, standing, subjects
from ledger.schema.driver import Fixed

SUPERSEDED: Final = "superseded"
LINE_FIELDS: Final = (
    "customer_id",
    "sku",
    "supplier_id",
    "site",
    "region",
    "family",
    "order_number",
    "requested_at",
)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One recommendation as issued; `status` is what holds now when read, what was issued when added.

    Parameters
    ----------
    line : Line
        The return line as this recommendation knew it; `line.requested` is the credit asked for.
    amount : Money
        The credit recommended, after caps.
    related : tuple of str
        Actors who requested, received, inspected or changed the facts: they may not approve.
    request, body : mapping
        What was asked and what was answered, as JSON.
    """

    id: str
    line: Line
    stage: str
    status: str
    amount: Money
    requested_by: str
    created_at: datetime
    actor: str
    payload_digest: str
    digest: str
    policy_digest: str
    action: str = CreditAction.FULL_CREDIT
    related: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    supersedes: str | None = None
    is_current: bool = True

    @property
    def return_line_id(self) -> str:
        """The return line."""
        return self.line.return_line_id

    @property
    def site(self) -> str:
        """The site of the return line."""
        return self.line.site


# Fields that are columns just as they are; who is related may be the customer, who goes by a pseudonym.
OWN_FIELDS: Final = tuple(
    name for name in Recommendation.__dataclass_fields__ if name in recommendations.c and name != "related"
)


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One status that a recommendation took on."""

    recommendation_id: str
    status: str
    reason: str
    actor: str
    at: datetime


class Recommendations(Histories):
    """The part of a transaction that writes and reads recommendations."""

    def __init__(self, connection: Connection, head: Head | None, *others: Any) -> None:
        super().__init__(connection, head, *others)
        self._answering: dict[str, tuple[Recommendation, ...]] = {}  # as last read in this transaction

    def add_recommendation(self, recommendation: Recommendation) -> None:
        """Record a recommendation, its line if new, and end the one that it supersedes.

        Raises
        ------
        DuplicateBusinessKeyError
            If the line has a current recommendation at this stage which is not the one superseded.
        NotInLedgerError
            If it supersedes a recommendation that is not there.
        """
        new = recommendation
        if new.supersedes is not None:
            self._supersede(new)
        there = self.current(new.return_line_id, new.stage)
        self._answering.pop(new.return_line_id, None)
        if there is not None:
            raise DuplicateBusinessKeyError(
                f"return line {new.return_line_id} already has {there.id} at stage {new.stage}."
            )
        self.add_line(new.line, actor=new.actor, at=new.created_at)
        seq = self._record(
            recommendations,
            self._row_of(new),
            kind="recommendation.issued",
            subject=new.return_line_id,
            id=new.id,
            stage=str(new.stage),
            status=str(new.status),
            amount=new.amount.text,
            currency=new.amount.currency,
            digest=new.digest,
        )
        state = {name: getattr(new, name) for name in ("return_line_id", "stage", "status", "site")}
        state |= {"recommendation_id": new.id, "seq": seq, "is_current": True}
        self._do(into(recommendation_state), state)
        self._stand(new)

    def _row_of(self, new: Recommendation) -> dict[str, Any]:
        customer = self._pseudonym(new.line.customer_id, actor=new.actor, at=new.created_at)
        return _values(new, customer)

    def _supersede(self, new: Recommendation) -> Recommendation:
        assert new.supersedes is not None
        old = self.recommendation(new.supersedes)
        if old.return_line_id != new.return_line_id:
            raise ConflictError(
                f"{old.id} is about return line {old.return_line_id}, not {new.return_line_id}."
            )
        if old.status == SUPERSEDED:
            raise ConflictError(f"recommendation {old.id} was superseded already; revise its successor.")
        self.set_status(old.id, SUPERSEDED, actor=new.actor, at=new.created_at, reason=f"by {new.id}")
        # A later stage ends the earlier recommendation, which stays its own stage's answer.
        if old.stage == new.stage:
            state = recommendation_state
            self._connection.execute(
                update(state).where(state.c.recommendation_id == old.id).values(is_current=False)
            )
            self._answering.pop(old.return_line_id, None)
        return old

    def _stand(self, new: Recommendation) -> None:
        values = {
            "recommendation_id": new.id,
            "status": new.status,
            "customer_id": self._pseudonym(new.line.customer_id, actor=new.actor, at=new.created_at),
            "sku": new.line.sku,
            "order_number": new.line.order_number,
            "requested_at": new.line.requested_at,
            "quantity": new.line.quantity,
            "requested_minor": new.line.requested.minor,
            "credit_minor": new.amount.minor,
            "currency": new.amount.currency,
            "kept": new.action == CreditAction.CREDIT_WITHOUT_RETURN,
        }
        values |= {"return_line_id": new.return_line_id}
        self._do(_standing(self._connection.dialect.name), values)

    def set_status(
        self, recommendation_id: str, status: str, *, actor: str, at: datetime, reason: str = ""
    ) -> None:
        """Record that a recommendation took on a status.

        Raises
        ------
        NotInLedgerError
            If there is no such recommendation.
        ConflictError
            If it was superseded: that is final.
        """
        state = recommendation_state
        mine = state.c.recommendation_id == recommendation_id
        now = self._first(select(state.c.status, state.c.return_line_id).where(mine).with_for_update())
        if now is None:
            raise NotInLedgerError("there is no recommendation of this id.")
        if now["status"] == SUPERSEDED:
            raise ConflictError(f"recommendation {recommendation_id} was superseded; its status is final.")
        self._record(
            recommendation_statuses,
            {
                "recommendation_id": recommendation_id,
                "status": status,
                "reason": reason,
                "actor": actor,
                "at": at,
            },
            kind="recommendation.status",
            subject=now["return_line_id"],
            id=recommendation_id,
            status=str(status),
        )
        self._answering.pop(now["return_line_id"], None)
        self._connection.execute(update(state).where(mine).values(status=status))
        stands = standing.c.recommendation_id == recommendation_id
        self._connection.execute(update(standing).where(stands).values(status=status))

    def recommendation(self, recommendation_id: str) -> Recommendation:
        """Return one recommendation with its status of now.

        Raises
        ------
        NotInLedgerError
            If there is none.
        """
        row = self._first(_joined().where(recommendations.c.id == recommendation_id))
        if row is None:
            raise NotInLedgerError("there is no recommendation of this id.")
        return _read(row)

    def recommendations_of(self, ids: Sequence[str]) -> dict[str, Recommendation]:
        """Return the recommendations that exist among `ids`, in one read."""
        rows = self._all(_joined().where(recommendations.c.id.in_(ids)))
        return {row["id"]: _read(row) for row in rows}

    def current(self, return_line_id: str, stage: str) -> Recommendation | None:
        """Return the recommendation that answers for a line at a stage: the latest revision."""
        return next((one for one in self.answering(return_line_id) if one.stage == stage), None)

    def answering(self, return_line_id: str) -> tuple[Recommendation, ...]:
        """Return the recommendations that answer for a line, one a stage, oldest first."""
        if return_line_id not in self._answering:
            found = tuple(map(_read, self._all(_answering(), line=return_line_id)))
            self._answering[return_line_id] = found
        return self._answering[return_line_id]

    def recommendations(
        self,
        *,
        return_line_id: str | None = None,
        status: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> tuple[Recommendation, ...]:
        """Return recommendations oldest first, of one line or status; `after` is the last id of a page."""
        state = recommendation_state.c
        query = _joined().order_by(state.seq).limit(limit)
        if return_line_id is not None:
            query = query.where(state.return_line_id == return_line_id)
        if status is not None:
            query = query.where(state.status == status)
        if after is not None:
            last = select(recommendations.c.seq).where(recommendations.c.id == after).scalar_subquery()
            query = query.where(state.seq > last)
        return tuple(map(_read, self._all(query)))

    def latest_recommendations(self, *, limit: int) -> tuple[Recommendation, ...]:
        """Return the newest recommendations, newest first."""
        return tuple(
            map(_read, self._all(_joined().order_by(recommendation_state.c.seq.desc()).limit(limit)))
        )

    def statuses(self, recommendation_id: str) -> tuple[StatusChange, ...]:
        """Return the statuses that a recommendation took on after it was issued, oldest first."""
        table = recommendation_statuses.c
        query = select(table.recommendation_id, table.status, table.reason, table.actor, table.at)
        rows = self._all(query.where(table.recommendation_id == recommendation_id).order_by(table.seq))
        return tuple(StatusChange(**row) for row in rows)


@cache
def _answering() -> Fixed:
    state = recommendation_state.c
    mine = (state.return_line_id == bindparam("line")) & state.is_current.is_(other=True)
    return Fixed(_joined().where(mine).order_by(state.seq))


@cache
def _standing(dialect: str) -> Fixed:
    """Return the statement that says where a line stands now."""
    start = postgresql.insert(standing) if dialect == "postgresql" else sqlite.insert(standing)
    now = {column.name: start.excluded[column.name] for column in standing.c if not column.primary_key}
    stands = start.on_conflict_do_update(index_elements=list(standing.primary_key), set_=now)
    return Fixed(stands, columns=standing.c.keys())


def _joined() -> Select[Any]:
    state = recommendation_state
    query = select(
        recommendations,
        state.c.status.label("status_now"),
        state.c.is_current,
        subjects.c.customer_id.label("customer"),
    )
    query = query.join(state, state.c.recommendation_id == recommendations.c.id)
    query = query.outerjoin(subjects, subjects.c.pseudonym == recommendations.c.customer_id)
    return with_personal(query, recommendations)


def _values(new: Recommendation, customer: str) -> dict[str, Any]:
    """Return the row of a recommendation, its customer by pseudonym."""
    name = new.line.customer_id
    money = {"requested_minor": new.line.requested.minor, "currency": new.line.requested.currency}
    own = {name: getattr(new, name) for name in OWN_FIELDS}
    return {
        **{name: getattr(new.line, name) for name in (*LINE_FIELDS, "quantity", "return_line_id")},
        **own,
        **money,
        "amount_minor": new.amount.minor,
        "customer_id": customer,
        "requested_by": renamed(new.requested_by, name, customer),
        "related": [renamed(actor, name, customer) for actor in new.related],
        "at": new.created_at,
    }


def _read(sealed: Mapping[str, Any]) -> Recommendation:
    row = opened(recommendations, sealed)
    pseudonym, currency = row["customer_id"], row["currency"]
    name = row["customer"] or pseudonym
    row |= {"customer_id": name, "requested_by": renamed(row["requested_by"], pseudonym, name)}
    line = Line(
        **{name: row[name] for name in (*LINE_FIELDS, "quantity", "return_line_id")},
        requested=Money(row["requested_minor"], currency),
    )
    own = {name: row[name] for name in OWN_FIELDS}
    return Recommendation(
        **{**own, "status": row["status_now"]},
        line=line,
        amount=Money(row["amount_minor"], currency),
        created_at=row["at"],
        related=tuple(renamed(actor, pseudonym, name) for actor in row["related"]),
        is_current=row["is_current"],
    )
