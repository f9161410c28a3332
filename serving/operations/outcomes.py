"""Outcomes in the ledger as a training table: what was known then beside what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from features.columns import table_of
from features.returns import EXPONENTS, BadInputError, Money
from features.table import LABELS
from ledger.evidence import Outcome
from ledger.recommendations import Recommendation
from ledger.store import Ledger, Transaction
from serving.api.wire import RecommendationRequest

PAGE = 1000


def export(ledger: Ledger, out: Path) -> int:
    """Write one row a line that has an outcome, canonical columns and labels; return how many.

    A line whose request was erased has nothing left to learn from and is left out. What was told later of a
    line completes or corrects what was told before. Labels that nobody could tell yet are missing, and
    `unmatured` names them: a verdict that is still out is no verdict of innocence.

    Raises
    ------
    BadInputError
        If the file's ending is neither .csv nor .parquet.
    """
    if out.suffix not in {".csv", ".parquet"}:
        raise BadInputError(f"{out.name}: write outcomes to a .csv or .parquet file.")
    with ledger.read() as tx:
        told = [row for page in outcome_pages(tx) for row in _rows(tx, page)]
    lines: dict[object, dict[str, object]] = {}
    for row in told:  # oldest first
        known = {name: value for name, value in row.items() if value is not None}
        lines[row["return_line_id"]] = lines.get(row["return_line_id"], dict.fromkeys(row)) | known
    rows = [{**row, "unmatured": _unmatured(row)} for row in lines.values()]
    frame = pd.DataFrame(rows)
    partial = out.with_name(f".{out.name}.part")
    if out.suffix == ".csv":
        frame.to_csv(partial, index=False)
    else:
        frame.to_parquet(partial, index=False)
    partial.replace(out)
    return len(rows)


def outcome_pages(tx: Transaction) -> Iterator[tuple[Outcome, ...]]:
    """Every outcome, a page at a time, in the order they came in."""
    last: str | None = None
    while page := tx.outcomes(after=last, limit=PAGE):
        yield page
        last = page[-1].id


def _rows(tx: Transaction, page: tuple[Outcome, ...]) -> Iterator[dict[str, object]]:
    about = tx.recommendations_of([outcome.recommendation_id for outcome in page])
    for outcome in page:
        if about[outcome.recommendation_id].request:
            yield {**_known(about[outcome.recommendation_id]), **became(outcome)}


def _known(recommendation: Recommendation) -> dict[str, object]:
    line = RecommendationRequest.model_validate(recommendation.request).line()
    return {name: values[0] for name, values in table_of([line]).items()}


def became(outcome: Outcome) -> dict[str, object]:
    """The labels that an outcome tells, and from when on they were known."""
    at = outcome.at.replace(tzinfo=None)
    return {
        "disposition": outcome.disposition,
        "recovered": _major(outcome.recovered),
        "minutes": outcome.minutes,
        "fraud": outcome.fraud_confirmed,
        "label_known_at": at,
        "fraud_known_at": at if outcome.fraud_confirmed is not None else None,
    }


def _unmatured(row: Mapping[str, object]) -> str | None:
    """Name the labels that are not known yet, joined by ';'."""
    return ";".join(name for name in LABELS.values() if row.get(name) is None) or None


def _major(money: Money | None) -> float | None:
    return None if money is None else money.minor / float(10 ** EXPONENTS.get(money.currency, 2))
