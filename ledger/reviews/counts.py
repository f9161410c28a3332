"""Reviews by role and day, and the expected losses among which they are shared out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, Final

from sqlalchemy import Table, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from ledger.personal import Personal
from ledger.schema.driver import Fixed
from ledger.schema.reviews import loss_counts, review_counts


@dataclass(frozen=True, slots=True)
class Losses:
    """How many returns had which expected loss (minor units), and the first day of which any is known."""

    counts: Mapping[int, int]
    first: date | None


class Counts(Personal):
    """The part of a transaction that counts what people are asked to look at."""

    def count_review(self, role: str, *, site: str, day: date) -> None:
        """Count one approval asked of a role at a site on a business day."""
        row = {"site": site, "role": role, "day": day.isoformat(), "count": 1}
        self._do(_growing(review_counts, self._connection.dialect.name), row)

    def reviews_asked(self, role: str, *, site: str, day: date) -> int:
        """How many approvals were asked of a role at a site on a business day, whatever became of them."""
        row = self._first(_REVIEWS, site=site, role=role, day=day.isoformat())
        return row["count"] if row else 0

    def reviews_by_day(self, first: date, last: date, *, site: str | None = None) -> tuple[Any, ...]:
        """Rows of site, role, day and count from `first` to `last`, both included."""
        table = review_counts.c
        query = select(review_counts).where(table.day >= first.isoformat(), table.day <= last.isoformat())
        query = query if site is None else query.where(table.site == site)
        return tuple(self._all(query.order_by(table.site, table.role, table.day)))

    def count_loss(self, loss: int, *, site: str, currency: str, day: date) -> None:
        """Count one return with an expected loss of about so much."""
        row = {"site": site, "currency": currency, "day": day.isoformat(), "loss": loss, "count": 1}
        self._do(_growing(loss_counts, self._connection.dialect.name), row)

    def losses(self, first: date, before: date, *, site: str, currency: str) -> Losses:
        """The expected losses of a site's business days from `first` up to the one `before`."""
        days = {"first": first.isoformat(), "before": before.isoformat()}
        rows = self._all(_LOSSES, site=site, currency=currency, **days)
        since = min((row["day"] for row in rows), default=None)
        counted = {row["loss"]: int(row["count"]) for row in rows}
        return Losses(counted, None if since is None else date.fromisoformat(since))


_REVIEWS: Final = Fixed(
    select(review_counts.c.count).where(
        *(review_counts.c[name] == bindparam(name) for name in ("site", "role", "day"))
    )
)
_LOSSES: Final = Fixed(
    select(
        loss_counts.c.loss,
        func.sum(loss_counts.c.count).label("count"),
        func.min(loss_counts.c.day).label("day"),
    )
    .where(
        *(loss_counts.c[name] == bindparam(name) for name in ("site", "currency")),
        loss_counts.c.day >= bindparam("first"),
        loss_counts.c.day < bindparam("before"),
    )
    .group_by(loss_counts.c.loss)
)


@cache
def _growing(table: Table, dialect: str) -> Fixed:
    """Return the statement that adds to a count, or begins it."""
    start = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    grown = {"count": table.c.count + start.excluded["count"]}
    grows = start.on_conflict_do_update(index_elements=list(table.primary_key), set_=grown)
    return Fixed(grows, columns=table.c.keys())
