"""Recorded traffic holds the very questions and answers, and what became of them; nothing of the erased."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.history import HISTORY
from features.returns import BadInputError
from models import workload
from serving.operations import traffic
from tests.factories import a_line
from training.answers import asked_first
from training.monitoring.traffic import read_traffic
from training.monitoring.watch import SAME


@pytest.fixture
def asked(service):
    """Three lines; what became of the first has been told, the second was inspected."""
    made = [
        service.recommend(a_line(return_line_id=f"RMA-{n}/1", sale__order_number=f"SO-{n}")).json()
        for n in (1, 2, 3)
    ]
    told = {
        "disposition": made[0]["disposition"]["recommended"],
        "recovered": {"amount": "40.00", "currency": "USD"},
        "minutes": 12.5,
        "fraud_confirmed": False,
    }
    answer = service.call("POST", f"/v1/recommendations/{made[0]['id']}/outcome", json=told)
    assert answer.status_code == 201, answer.text
    event = {
        "specversion": "1.0",
        "id": "e1",
        "source": "wms",
        "type": "returns.inspection.completed.v1",
        "subject": "RMA-2/1",
        "time": "2026-11-20T11:00:00Z",
        "data": {"grade": "C", "inspector": "emp:4", "minutes": 9},
    }
    answer = service.call(
        "POST", "/v1/events", json=event, headers={"Content-Type": "application/cloudevents+json"}
    )
    assert answer.is_success, answer.text
    return made


def test_questions_answers_and_outcomes_are_one_row_a_recommendation(service, asked, tmp_path):
    out = tmp_path / "traffic.parquet"
    assert traffic.export(service.ledger, out) == 3
    rows = pd.read_parquet(out).set_index("return_line_id")
    assert set(HISTORY) <= set(rows.columns)
    assert rows.loc["RMA-1/1", "became_minutes"] == 12.5
    assert not rows.loc["RMA-1/1", "became_fraud"]
    assert pd.isna(rows.loc["RMA-3/1", "became_minutes"])
    assert rows.loc["RMA-2/1", "became_grade"] == "C"
    assert rows.loc["RMA-3/1", "said_fraud_p_fraud"] == asked[2]["fraud"]["score"]
    assert rows.loc["RMA-3/1", "digest_fraud"] == asked[2]["models"]["fraud"]["digest"]


def test_a_recorded_question_asked_again_gets_the_recorded_answer(service, champions, asked, tmp_path):
    """The customer's earlier returns counted then, and count again: no later line leaks in."""
    out = tmp_path / "traffic.parquet"
    traffic.export(service.ledger, out)
    lines = read_traffic(out)
    table = lines.table({})
    assert table["customer_count_ever"].tolist() == [0.0, 0.0, 0.0]  # all asked for at one moment
    for task in ("workload", "fraud", "disposition"):
        model = getattr(champions, task)
        again, recorded = asked_first(task, model, table), lines.said(task, model.digest)
        np.testing.assert_allclose(again[list(recorded)].to_numpy(), recorded.to_numpy(), rtol=0, atol=SAME)
    assert isinstance(champions.workload, workload.Model)


def test_traffic_is_cut_by_the_day_it_was_asked_on(service, asked, tmp_path):
    now = service.clock()
    assert traffic.export(service.ledger, tmp_path / "a.parquet", until=now) == 0
    assert traffic.export(service.ledger, tmp_path / "b.parquet", since=now) == 3


def test_another_kind_of_file_is_refused_and_nothing_written(service, tmp_path):
    with pytest.raises(BadInputError, match=r"write traffic to a \.parquet file"):
        traffic.export(service.ledger, tmp_path / "traffic.csv")
    assert not (tmp_path / "traffic.csv").exists()
