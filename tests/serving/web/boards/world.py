"""A service with a season behind it: sites, two issues and what came of them, recommendations, cards."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.events import Event, EventType
from features.returns import Money
from ledger.history import Line
from models.volume.paths import Forecast, paths_beside
from serving.operations.issuing import issue
from tests.factories import a_line
from tests.serving.conftest import NOON, Service

REGIONS = {"US-SOUTH": "DAL1", "US-WEST": "RNO1", "US-NORTHEAST": "EWR1", "US-MIDWEST": "CHI1"}
FAMILIES = ("apparel", "electronics", "hand_tools", "power_tools")
FIRST = date(2026, 11, 9)  # of the issue before; the latest begins a week later
STEPS = (
    (EventType.RMA_AUTHORIZED, 5),
    (EventType.RECEIPT_CONFIRMED, 30),
    (EventType.INSPECTION_COMPLETED, 60),
    (EventType.DISPOSITION_DECIDED, 66),
    (EventType.DISPOSITION_EXECUTED, 90),
    (EventType.CREDIT_ISSUED, 100),
)


def fill(service: Service, home: Path, *, lines: int = 40, history: int = 9) -> None:
    """Fill a service through the doors that programs use."""
    rng = np.random.default_rng(3)
    for place, (region, site) in enumerate(REGIONS.items()):
        body: dict[str, Any] = {"region": region, "closed_days": ["2026-11-27"]}
        body |= {"dock_doors": 1 + place, "storage_positions": 8 + 4 * place} if place < 3 else {}
        service.call("PUT", f"/v1/reference/sites/{site}", json=body)
    for start in (FIRST, FIRST + timedelta(days=7)):
        at = datetime.combine(start, time(6), UTC)
        issue(service.ledger, a_forecast(home, start, rng), home=home, actor="service:test", at=at)
    came(service, rng, per_day=history)
    for number in range(lines):
        recommended(service, number, rng)


def level(day: date) -> float:
    """Lines of one region and family to expect on a day."""
    return 9.0 * (0.6 if day.weekday() >= 5 else 1.1) * (1 + 0.02 * max((day - FIRST).days, 0))


def a_forecast(home: Path, start: date, rng: np.random.Generator) -> Path:
    """A file as `recoup-lab forecast` writes it, with its sample paths."""
    keys = tuple((region, family) for region in REGIONS for family in FAMILIES)
    days = [start + timedelta(days=place) for place in range(28)]
    mean = np.array([level(day) for day in days]) * rng.gamma(40, 1 / 40, (60, 1, 28))
    paths = rng.poisson(mean * np.ones((1, len(keys), 1))).astype(np.int64)
    made = Forecast(("region", "family"), keys, pd.DatetimeIndex(pd.to_datetime(days)), paths)
    file = home / f"forecast-{start}.csv"
    made.rows().to_csv(file, index=False)
    made.path_rows().to_parquet(paths_beside(file))
    return file


def came(service: Service, rng: np.random.Generator, *, per_day: int) -> None:
    """What was asked back on every day up to today."""
    day, known = FIRST - timedelta(days=21), []
    while day < NOON.date():
        for region, site in REGIONS.items():
            for family in FAMILIES:
                for place in range(int(rng.poisson(level(day) * per_day / 9))):
                    at = datetime.combine(day, time(9), UTC)
                    name = f"H-{day:%m%d}-{site}-{family}/{place}"
                    money = Money.parse("20.00", "USD")
                    known.append(
                        Line(name, f"C-{place}", f"SKU-{family}", site, region, family, at, 1, money)
                    )
        day += timedelta(days=1)
    with service.ledger.write() as tx:
        tx.add_lines(known, actor="service:test", at=NOON)


def recommended(service: Service, number: int, rng: np.random.Generator) -> None:
    """One return that was recommended on, went some way, and perhaps came to an end."""
    region, site = list(REGIONS.items())[number % 4]
    amount = f"{float(rng.choice([60, 119, 640, 2600])):.2f}"
    asked = NOON - timedelta(days=1 + number % 20)
    line = a_line(
        return_line_id=f"RMA-{2000 + number}/1",
        rma_number=f"RMA-{2000 + number}",
        site=site,
        region=region,
        customer={"id": f"C-{number}"},
        requested_at=asked.isoformat(),
        credit_requested={"amount": amount, "currency": "USD"},
        sale__price_paid=amount,
        sale__order_number=f"SO-{number}",
        item__serial=f"SN-{number}",
        item__serial_shipped=f"SN-{number}",
    )
    answer = service.recommend(line)
    assert answer.status_code == 201, answer.text
    gone = int(rng.integers(0, len(STEPS) + 1))
    events = [(EventType.RMA_REQUESTED, 0), *STEPS[:gone]]
    happened = [
        Event(f"{number}-{kind.value}", "wms", kind, line["return_line_id"], at, at)
        for kind, hours in events
        if (at := asked + timedelta(hours=hours)) < NOON
    ]
    with service.ledger.write() as tx:
        tx.add_events(happened, actor="service:wms")
    if gone == len(STEPS):
        outcome = {
            "disposition": answer.json()["disposition"]["recommended"],
            "recovered": {"amount": "61.20", "currency": "USD"},
            "minutes": 7.5,
            "fraud_confirmed": False,
            "reason_code": None,
        }
        path = f"/v1/recommendations/{answer.json()['id']}/outcome"
        assert service.call("POST", path, json=outcome, subject="service:orchestrator").status_code == 201


def a_card(version: str, *, loss: float = 0.8, task: str = "disposition") -> dict[str, Any]:
    """A card as training writes it and promotion keeps it."""
    said = np.linspace(0.05, 0.9, 8)
    points = [
        {
            "said": round(p, 3),
            "found": round(p * 0.96, 3),
            "lo": round(p * 0.9, 3),
            "hi": round(min(p * 1.04, 1), 3),
            "rows": 400,
        }
        for p in said
    ]
    return {
        "task": task,
        "name": f"recoup-{task}",
        "version": version,
        "digest": "sha256:" + version * 64,
        "created_at": "2026-11-02T08:00:00+00:00",
        "code": "0" * 40,
        "data": "returns.parquet",
        "mapping": None,
        "data_hash": "sha256:" + "d" * 64,
        "as_of": "2026-11-01",
        "attributes": {},
        "seed": 0,
        "params": {"leaves": 31, "learning_rate": 0.05},
        "train_rows": 14000,
        "test_rows": 3200,
        "metrics": {
            "rows": 3200.0,
            "log_loss": loss,
            "log_loss_lo": loss - 0.02,
            "log_loss_hi": loss + 0.02,
            "baseline_log_loss": 1.61,
            "accuracy": 0.71,
            "accuracy_lo": 0.69,
            "accuracy_hi": 0.73,
            "baseline_accuracy": 0.38,
        },
        "reliability": {"RESTOCK": points, "REFURBISH": points[:6], "RECYCLE": points[:3]},
    }


def keep_card(home: Path, card: dict[str, Any], *, suffix: str = "") -> None:
    """Lay a card where BentoML's store would have it."""
    place = home / "bentoml" / "models" / f"{card['name']}{suffix}"
    (place / card["version"]).mkdir(parents=True, exist_ok=True)
    (place / card["version"] / "card.json").write_text(json.dumps(card))
    (place / "latest").write_text(card["version"])


def watched(home: Path) -> None:
    """What `recoup-lab monitor` leaves behind."""
    columns = [("reason", 0.31, True), ("price_paid", 0.11, False), ("customer_returns", 0.04, False)]
    drift = [
        {
            "name": name,
            "psi": psi,
            "ks": psi / 2,
            "moved": moved,
            "rows": 900,
            "psi_chance": 0.02,
            "gain": 0.3,
        }
        for name, psi, moved in columns
    ]
    model = {
        "version": "2",
        "digest": "sha256:2",
        "lines": 900,
        "reproduced": {"same": 900, "compared": 900},
        "features": drift,
        "scores": [{**drift[1], "name": "p_RESTOCK", "gain": None}],
        "performance": {
            "matured": 300,
            "figures": {},
            "segments": [{"name": "all", "rows": 300, "loss": 0.83, "usual": 0.8, "surely_worse": 0.0}],
        },
        "challenger": {
            "version": "3",
            "matured": 300,
            "better": True,
            "differs": 0.06,
            "gain": 0.02,
            "lo": 0.01,
            "hi": 0.03,
        },
        "retrain": {
            "recommended": True,
            "reasons": [{"rule": "inputs", "sentence": "Features that carry 34 % of the gain have moved."}],
        },
    }
    told = {
        "format": 1,
        "at": "2026-11-20T05:00:00+00:00",
        "traffic": {
            "recommendations": 950,
            "lines": 900,
            "from": "2026-10-20T00:00:00+00:00",
            "until": "2026-11-19T00:00:00+00:00",
        },
        "models": {"disposition": model},
    }
    (home / "monitoring").mkdir(exist_ok=True)
    (home / "monitoring" / "report.json").write_text(json.dumps(told))
