"""What was asked of the models and what they said, beside what became of it: the table that is monitored.

Each row is one recommendation with the very inputs it was made from, its as-of history included, so that any
model can be asked the same question again and must answer as it would have then.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd

from features.columns import table_of
from features.events import EventType
from features.returns import BadInputError
from ledger.evidence import FRAUD_VERDICTS, GRADED
from ledger.recommendations import Recommendation
from ledger.store import Ledger, Transaction
from serving.api.wire import RecommendationRequest
from serving.operations.outcomes import became, outcome_pages

PAGE: Final = 500
EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
BECAME: Final = "became_"  # before the name of what was learned later: never an input
SAID: Final = "said_"  # before what the models answered then
DIGEST: Final = "digest_"  # before the task whose model answered


def export(ledger: Ledger, out: Path, *, since: datetime | None = None, until: datetime | None = None) -> int:
    """Write one row a recommendation made in [since, until), oldest first; return how many.

    Recommendations whose request was erased are left out: nothing is left to ask again.

    Raises
    ------
    BadInputError
        If the file's ending is not .parquet, which alone keeps the types of columns.
    """
    if out.suffix != ".parquet":
        raise BadInputError(f"{out.name}: write traffic to a .parquet file.")
    with ledger.read() as tx:
        later = _became(tx)
        rows = [
            {**_asked(one), **_said(one), **later.get(one.return_line_id, {})}
            for one in _recommendations(tx)
            if one.request and (since is None or one.created_at >= since)
            if until is None or one.created_at < until
        ]
    frame = pd.DataFrame(rows)
    partial = out.with_name(f".{out.name}.part")
    frame.to_parquet(partial, index=False)
    partial.replace(out)
    return len(rows)


def _recommendations(tx: Transaction) -> Iterator[Recommendation]:
    last: str | None = None
    while page := tx.recommendations(after=last, limit=PAGE):
        yield from page
        last = page[-1].id


def _asked(one: Recommendation) -> dict[str, Any]:
    """The canonical columns and the history as they stood."""
    line = RecommendationRequest.model_validate(one.request).line()
    columns = {name: values[0] for name, values in table_of([line]).items()}
    history = one.facts["inputs"]["history"]
    return {"recommendation_id": one.id, "recommended_at": _naive(one.created_at), **columns, **history}


def _said(one: Recommendation) -> dict[str, Any]:
    """What each model answered, under the names of `recoup-lab score`, and which model it was."""
    body = one.body
    minutes = body["inspection"]
    said = {
        **{f"{SAID}disposition_p_{name}": p for name, p in body["disposition"]["probabilities"].items()},
        f"{SAID}fraud_p_fraud": body["fraud"]["score"],
        f"{SAID}workload_p50": minutes["minutes_p50"],
        f"{SAID}workload_p90": minutes["minutes_p90"],
    }
    return said | {DIGEST + task: model["digest"] for task, model in body["models"].items()}


def _became(tx: Transaction) -> dict[str, dict[str, Any]]:
    """What was told of each line, in outcomes or events; later words complete or correct earlier ones."""
    found: dict[str, dict[str, Any]] = {}
    for page in outcome_pages(tx):
        for outcome in page:
            told = {BECAME + name: value for name, value in became(outcome).items() if value is not None}
            found.setdefault(outcome.return_line_id, {}).update(told)
    kinds = (EventType.INSPECTION_COMPLETED, *FRAUD_VERDICTS)
    for event in tx.events_between(EVER, NEVER, types=kinds):
        row = found.setdefault(event.subject, {})
        if event.type in FRAUD_VERDICTS:
            row |= {
                f"{BECAME}fraud": FRAUD_VERDICTS[event.type],
                f"{BECAME}fraud_known_at": _naive(event.time),
            }
        elif event.data.get("grade") in GRADED:
            row[f"{BECAME}grade"] = event.data["grade"]
    return found


def _naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)
