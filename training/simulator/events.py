"""The lifecycle of simulated returns as CloudEvents, one row an event, in order of recording."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from features.events import EventType

SOURCE: Final = "urn:recoup:simulator"


def lifecycle(returns: pd.DataFrame) -> pd.DataFrame:
    """Derive the events of every return line from its row.

    Returns
    -------
    DataFrame
        id, source, type, subject (the return line), time, recordedtime and data (JSON text).
    """
    credited = returns["label_known_at"] + pd.Timedelta(hours=18)
    judged = np.where(returns["fraud"] == 1, EventType.FRAUD_CONFIRMED, EventType.FRAUD_CLEARED)
    site = '{"site": "' + returns["site"].astype(str) + '"}'
    grade = '{"grade": "' + returns["grade"].astype(str) + '"}'
    decision = (
        returns["disposition"].astype(str) + '", "probability": ' + returns["propensity"].round(6).astype(str)
    )
    amount = returns["credit_requested"].map("{:.2f}".format)
    steps = [
        (
            EventType.RMA_REQUESTED,
            returns["requested_at"],
            '{"reason": "' + returns["reason"].astype(str) + '"}',
        ),
        (EventType.RMA_AUTHORIZED, returns["requested_at"] + pd.Timedelta(hours=2), site),
        (EventType.RECEIPT_CONFIRMED, returns["received_at"], site),
        (EventType.INSPECTION_COMPLETED, returns["inspected_at"], grade),
        (EventType.DISPOSITION_DECIDED, returns["label_known_at"], '{"disposition": "' + decision + "}"),
        (EventType.CREDIT_ISSUED, credited, '{"amount": "' + amount + '", "currency": "USD"}'),
        (judged, returns["fraud_known_at"], "{}"),
    ]
    return _in_order(pd.concat([_step(returns, *step) for step in steps], ignore_index=True))


def _step(returns: pd.DataFrame, kind: object, time: pd.Series, data: object) -> pd.DataFrame:
    happened = time.notna()
    step = pd.DataFrame(
        {"source": SOURCE, "type": kind, "subject": returns["return_line_id"], "time": time, "data": data},
    )
    return step.assign(recordedtime=time + pd.Timedelta(minutes=5))[happened]


def _in_order(events: pd.DataFrame) -> pd.DataFrame:
    ordered = events.sort_values(["recordedtime", "subject"], kind="stable", ignore_index=True)
    columns = ["id", "source", "type", "subject", "time", "recordedtime", "data"]
    return ordered.assign(id=[f"evt-{n:08d}" for n in range(len(ordered))], type=ordered["type"].astype(str))[
        columns
    ]
