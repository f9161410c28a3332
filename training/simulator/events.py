"""The lifecycle of simulated returns as CloudEvents, one row a delivery, in the order of their arrival.

Every event has three times: when it happened, when its system wrote it down, and when it could be read.
Systems send in batches of their own, so that events arrive in disorder, and some arrive twice.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from features.events import EventType

SOURCE: Final = "urn:recoup:simulator"
RECORDED_MEDIAN_MINUTES: Final = 4.0
RECORDED_SIGMA: Final = 1.0
BATCH_MINUTES: Final = {"CRM": 1, "WMS": 15, "ERP": 240}  # a system's events leave together
LATE: Final = 0.01  # of the events wait for another LATE_HOURS
LATE_HOURS: Final = (2.0, 72.0)
TWICE: Final = 0.01  # of the events are sent again, up to AGAIN_HOURS later
AGAIN_HOURS: Final = 24.0


def lifecycle(returns: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Derive the events of every return line from its row.

    Returns
    -------
    DataFrame
        id, source, type, subject (the return line), time, recordedtime, availabletime and data (JSON text). A
        repeated delivery has the id of the first and the same content.
    """
    events = pd.concat([_step(returns, *step) for step in _steps(returns)], ignore_index=True)
    happened = events.sort_values(["time", "subject"], kind="stable", ignore_index=True)
    recorded = happened["time"] + _minutes(
        rng.lognormal(np.log(RECORDED_MEDIAN_MINUTES), RECORDED_SIGMA, len(happened))
    )
    named = happened.assign(
        id=[f"evt-{number:08d}" for number in range(len(happened))],
        recordedtime=recorded,
        availabletime=_available(recorded, happened["system"], rng),
    )
    again = named[rng.random(len(named)) < TWICE]
    waited = _minutes(60 * AGAIN_HOURS * rng.random(len(again))).set_axis(again.index)
    sent = pd.concat([named, again.assign(availabletime=again["availabletime"] + waited)], ignore_index=True)
    columns = ["id", "source", "type", "subject", "time", "recordedtime", "availabletime", "data"]
    return sent.sort_values(["availabletime", "id"], kind="stable", ignore_index=True)[columns]


def _steps(returns: pd.DataFrame) -> list[tuple[str, object, pd.Series, object]]:
    """System, type, time and data of every step of a return's life."""
    credited = returns["label_known_at"] + pd.Timedelta(hours=18)
    judged = np.where(returns["fraud"] == 1, str(EventType.FRAUD_CONFIRMED), str(EventType.FRAUD_CLEARED))
    site = '{"site": "' + returns["site"].astype(str) + '"}'
    grade = '{"grade": "' + returns["grade"].astype(str) + '"}'
    chance = returns["propensity"].round(6).astype(str)
    decision = returns["disposition"].astype(str) + '", "policy": "' + returns["policy_version"]
    amount = returns["credit_requested"].map("{:.2f}".format)
    asked, reason = returns["requested_at"], '{"reason": "' + returns["reason"].astype(str) + '"}'
    decided = '{"disposition": "' + decision + '", "probability": ' + chance + "}"
    credit = '{"amount": "' + amount + '", "currency": "USD"}'
    return [
        ("CRM", str(EventType.RMA_REQUESTED), asked, reason),
        ("CRM", str(EventType.RMA_AUTHORIZED), asked + pd.Timedelta(hours=2), site),
        ("WMS", str(EventType.RECEIPT_CONFIRMED), returns["received_at"], site),
        ("WMS", str(EventType.INSPECTION_COMPLETED), returns["inspected_at"], grade),
        ("WMS", str(EventType.DISPOSITION_DECIDED), returns["label_known_at"], decided),
        ("ERP", str(EventType.CREDIT_ISSUED), credited, credit),
        ("CRM", judged, returns["fraud_known_at"], "{}"),
    ]


def _step(returns: pd.DataFrame, system: str, kind: object, time: pd.Series, data: object) -> pd.DataFrame:
    step = {"system": system, "source": SOURCE, "type": kind, "subject": returns["return_line_id"]}
    return pd.DataFrame({**step, "time": time, "data": data})[time.notna()]


def _available(recorded: pd.Series, system: pd.Series, rng: np.random.Generator) -> pd.Series:
    """When an event can be read: once its system's batch has left, now and then much later."""
    instant = recorded.to_numpy("datetime64[us]")
    batch = system.map(BATCH_MINUTES).to_numpy().astype("timedelta64[m]").astype("timedelta64[us]")
    since = (instant - np.datetime64(0, "us")) % batch
    ready = pd.Series(instant + (batch - since), index=recorded.index).dt.tz_localize("UTC")
    late = rng.random(len(recorded)) < LATE
    return ready + _minutes(60 * np.where(late, rng.uniform(*LATE_HOURS, len(recorded)), 0.0))


def _minutes(amount: np.ndarray) -> pd.Series:
    return pd.Series((60e6 * amount).astype("int64").astype("timedelta64[us]"))
