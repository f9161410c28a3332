"""Where the draws for blind quality review stand: a register of versions, and its open part by site."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, insert, select, update

from ledger.reviews.counts import Counts
from ledger.schema import recommendations
from ledger.schema.reviews import quality_state

OPEN: Final = "open"
ANSWERED: Final = "answered"


@dataclass(frozen=True, slots=True)
class Draw:
    """One recommendation that was drawn; `agrees` is None while nobody has answered."""

    recommendation_id: str
    site: str
    at: datetime
    permille: int
    agrees: bool | None

    @property
    def is_open(self) -> bool:
        """Whether it is still to be reviewed."""
        return self.agrees is None


class Draws(Counts):
    """The part of a transaction that knows which reviews are open."""

    def add_draw(self, draw: Draw) -> None:
        """Note a draw that its register holds, in the order in which it came."""
        row = {name: getattr(draw, name) for name in Draw.__dataclass_fields__}
        issued = select(recommendations.c.seq).where(recommendations.c.id == draw.recommendation_id)
        self._connection.execute(
            insert(quality_state).values(**row, status=OPEN, seq=issued.scalar_subquery())
        )

    def close_draw(self, recommendation_id: str, *, agrees: bool) -> None:
        """Note that a draw was answered."""
        mine = quality_state.c.recommendation_id == recommendation_id
        values = {"status": ANSWERED, "agrees": agrees}
        self._connection.execute(update(quality_state).where(mine).values(values))

    def draw(self, recommendation_id: str) -> Draw | None:
        """Return the draw of a recommendation, or None where it was not drawn."""
        row = self._first(_draws().where(quality_state.c.recommendation_id == recommendation_id))
        return None if row is None else Draw(**row)

    def open_draws(
        self, *, sites: Collection[str] = (), after: str | None = None, limit: int = 50
    ) -> tuple[Draw, ...]:
        """Return open draws, oldest first, at some sites if named; `after` is the last id of a page."""
        table = quality_state.c
        query = _draws().where(table.status == OPEN)
        query = query.where(table.site.in_(sites)) if sites else query
        if after is not None:
            last = select(table.seq).where(table.recommendation_id == after).scalar_subquery()
            query = query.where(table.seq > last)
        return tuple(Draw(**row) for row in self._all(query.order_by(table.seq).limit(limit)))

    def draws_between(self, start: datetime, end: datetime, *, site: str | None = None) -> tuple[Draw, ...]:
        """Return what was drawn from `start` up to `end`, at one site if asked."""
        table = quality_state.c
        query = _draws().where(table.at >= start, table.at < end)
        query = query if site is None else query.where(table.site == site)
        return tuple(Draw(**row) for row in self._all(query.order_by(table.seq)))


def _draws() -> Select[Any]:
    return select(*(quality_state.c[name] for name in Draw.__dataclass_fields__))
