"""What became of returns comes back from the ledger as a table that the next models learn from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models import workload
from serving.operations.outcomes import export
from tests.factories import a_line
from tests.serving.conftest import Service
from training.answers import answers
from training.datasets import read
from training.train import fit

LINES = 80
QUICK = replace(workload.PARAMS, max_rounds=20, min_leaf=5)


def became(service: Service, recommendation: str, **changes: Any) -> None:
    """Tell what became of a recommendation."""
    body = {
        "disposition": "RESTOCK",
        "recovered": {"amount": "90.00", "currency": "USD"},
        "minutes": 6.5,
        "fraud_confirmed": None,
        "reason_code": "CONDITION_DIFFERS",
        **changes,
    }
    answer = service.call("POST", f"/v1/recommendations/{recommendation}/outcome", json=body)
    assert answer.status_code == 201, answer.text


def asked(service: Service, number: int) -> str:
    line = a_line(
        return_line_id=f"R-{number}/1",
        requested_at=service.clock().isoformat(),
        sale__order_number=f"SO-{number}",
        customer__id=f"C-{number}",
    )
    made: str = service.recommend(line).json()["id"]
    return made


def exported(service: Service, folder: Path) -> pd.DataFrame:
    export(service.ledger, folder / "outcomes.parquet")
    return pd.read_parquet(folder / "outcomes.parquet")


def test_a_line_whose_personal_data_were_erased_is_left_out_and_the_others_are_written(
    service: Service, tmp_path: Path
):
    for number in (1, 2):
        became(service, asked(service, number))
    with service.ledger.write() as tx:
        tx.erase("C-1", actor="emp:dpo", at=service.clock(), reason="asked for by letter")
    assert exported(service, tmp_path)["return_line_id"].tolist() == ["R-2/1"]


def test_labels_that_are_still_out_are_marked_and_later_ones_complete_them(service: Service, tmp_path: Path):
    """Restocked first, weeks later found to be fraud: one row, of which only the grade is out."""
    recommendation = asked(service, 1)
    became(service, recommendation, recovered=None)
    row = exported(service, tmp_path).iloc[0]
    assert row["unmatured"] == "grade;recovered;fraud"
    assert row["fraud"] is None
    service.clock.forward(days=30)
    became(service, recommendation, fraud_confirmed=True)
    rows = exported(service, tmp_path)
    assert len(rows) == 1
    assert rows.iloc[0]["unmatured"] == "grade"
    assert bool(rows.iloc[0]["fraud"]) is True
    assert rows.iloc[0]["recovered"] == 90.0


def test_a_model_is_trained_on_what_the_ledger_gives_back(service: Service, tmp_path: Path):
    """Minutes told over the API teach a workload model; lines whose minutes are still out teach nothing."""
    rng = np.random.default_rng(0)
    for number in range(LINES):
        service.clock.forward(hours=12)
        minutes = None if number % 10 == 0 else float(np.round(rng.lognormal(2, 0.3), 2))
        became(service, asked(service, number), minutes=minutes)
    rows = exported(service, tmp_path)
    assert rows["unmatured"].str.contains("minutes").sum() == LINES // 10
    dataset = read("workload", data=tmp_path / "outcomes.parquet", mapping=None)
    known = LINES - LINES // 10
    assert len(dataset.train.y) + len(dataset.test.y) <= known
    model = fit("workload", dataset.train, attributes={}, params=QUICK, seed=0)
    said = answers("workload", model, dataset.test.table)
    assert said["p50"].between(3, 18).all()
