"""Forecasts as issued: dated, never changed, so that a planner can ask what was said on Monday."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, insert, select

from ledger.chain import Chained, NotInLedgerError, digest
from ledger.schema.registers import QUANTITIES, forecast_issues, forecast_rows, overrides


@dataclass(frozen=True, slots=True)
class ForecastRow:
    """What was forecast for a region, family and period; `*` where a level is collapsed."""

    region: str
    family: str
    ds: date
    mean: float
    q10: float
    q50: float
    q80: float
    q90: float
    q95: float


@dataclass(frozen=True, slots=True)
class ForecastIssue:
    """The heading of an issued forecast: from what model and data, as known when."""

    id: str
    as_of: datetime
    model_version: str
    data_hash: str
    actor: str
    at: datetime
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Override:
    """A planner's own figure for a cell of an issue, beside the forecast, never in its place."""

    id: str
    issue: str
    region: str
    family: str
    ds: date
    value: float
    reason: str
    actor: str
    at: datetime


class Forecasts(Chained):
    """The part of a transaction that writes and reads forecasts."""

    def add_forecast_issue(self, issue: ForecastIssue, rows: Sequence[ForecastRow]) -> None:
        """Record an issue with all its rows; the chain holds the rows' digest."""
        cells = [{**asdict(row), "ds": row.ds.isoformat()} for row in rows]
        witness = rows_digest(cells)
        self._record(
            forecast_issues,
            {**asdict(issue), "rows_digest": witness},
            kind="forecast.issued",
            subject=issue.id,
            model=issue.model_version,
            rows=len(cells),
            rows_digest=witness,
        )
        if cells:
            self._connection.execute(insert(forecast_rows), [{**cell, "issue": issue.id} for cell in cells])

    def forecast(
        self,
        *,
        issue: str | None = None,
        region: str | None = None,
        family: str | None = None,
        from_: date | None = None,
        to: date | None = None,
    ) -> tuple[ForecastRow, ...]:
        """Return rows of one issue, the latest when none is named, both days included; empty without issues.

        Raises
        ------
        NotInLedgerError
            If the named issue was never issued.
        """
        named = self._issue(issue)
        if named is None:
            return ()
        cell = forecast_rows.c
        query = select(forecast_rows).where(cell.issue == named.id)
        query = _within(query, cell, {"region": region, "family": family}, from_=from_, to=to)
        rows = self._all(query.order_by(cell.region, cell.family, cell.ds))
        return tuple(
            ForecastRow(**{**_without_issue(row), "ds": date.fromisoformat(row["ds"])}) for row in rows
        )

    def forecast_issue(self, issue: str | None = None) -> ForecastIssue | None:
        """Return the heading of an issue, the latest when none is named; None when nothing was issued yet."""
        return self._issue(issue)

    def forecast_issues(self) -> tuple[ForecastIssue, ...]:
        """Return the headings of all issues, newest first."""
        return tuple(ForecastIssue(**row) for row in self._all(_headings()))

    def add_override(self, override: Override) -> None:
        """Record a planner's figure and reason beside the forecast."""
        values = {**asdict(override), "ds": override.ds.isoformat()}
        self._record(
            overrides,
            values,
            kind="forecast.overridden",
            subject=override.issue,
            id=override.id,
            reason=override.reason,
        )

    def overrides(
        self,
        *,
        region: str | None = None,
        family: str | None = None,
        from_: date | None = None,
        to: date | None = None,
    ) -> tuple[Override, ...]:
        """Return overrides oldest first: of several for a cell, the last one holds."""
        query = select(*(overrides.c[name] for name in Override.__dataclass_fields__))
        query = _within(query, overrides.c, {"region": region, "family": family}, from_=from_, to=to)
        rows = self._all(query.order_by(overrides.c.seq))
        return tuple(Override(**{**row, "ds": date.fromisoformat(row["ds"])}) for row in rows)

    def _issue(self, issue: str | None) -> ForecastIssue | None:
        query = _headings().limit(1)
        row = self._first(query if issue is None else query.where(forecast_issues.c.id == issue))
        if row is None and issue is not None:
            raise NotInLedgerError("there is no forecast issue of this id.")
        return None if row is None else ForecastIssue(**row)


def rows_digest(cells: Sequence[Mapping[str, Any]]) -> str:
    """Return the digest of forecast rows whatever their order; figures count as decimal text."""
    exact = [
        [cell["region"], cell["family"], cell["ds"], *(repr(float(cell[q])) for q in QUANTITIES)]
        for cell in cells
    ]
    return digest(sorted(exact))


def _headings() -> Select[Any]:
    return select(*(forecast_issues.c[name] for name in ForecastIssue.__dataclass_fields__)).order_by(
        forecast_issues.c.at.desc(), forecast_issues.c.seq.desc()
    )


def _within(
    query: Select[Any], cell: Any, levels: Mapping[str, str | None], *, from_: date | None, to: date | None
) -> Select[Any]:
    for level, value in levels.items():
        if value is not None:
            query = query.where(cell[level] == value)
    if from_ is not None:
        query = query.where(cell.ds >= from_.isoformat())
    return query if to is None else query.where(cell.ds <= to.isoformat())


def _without_issue(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "issue"}
