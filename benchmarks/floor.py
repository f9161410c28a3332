"""The floors: the same tuned BentoML and FastAPI with nothing behind a POST, and with the least there can be.

The least is what nobody can leave out who answers from the same models and keeps the answer: the same body
parsed by the same shapes, the same boosters on a row that lies ready, and one durable commit.
"""

from __future__ import annotations

import gc
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import bentoml
import numpy as np
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from features.history import HISTORY
from serving.api.wire import RecommendationRequest
from serving.case.insight import laid_out
from serving.runtime import load_champions
from serving.settings import Settings
from tests.factories import LINE

EMPTY = {"id": "rec_0", "status": "cleared"}
settings = Settings()
local = threading.local()


def _ready() -> list[tuple[Any, Any]]:
    """The boosters that a return line at intake is asked of, each with a row."""
    champions = load_champions()
    line = RecommendationRequest.model_validate(LINE).line()
    table = laid_out([line], [dict.fromkeys(HISTORY, 0.0)])
    pairs = []
    for model in (champions.condition, champions.disposition, champions.fraud, champions.workload):
        if model is None:
            raise RuntimeError("the floor needs every model; keep champions first.")
        view = model.bundle.views["intake"]
        row = np.ascontiguousarray(view.encoder.matrix(table))
        pairs += [(booster, row) for boosters in view.boosters.values() for booster in boosters]
    return pairs


def _ledger() -> sqlite3.Connection:
    """A connection of this thread to a file that survives a power cut."""
    if not hasattr(local, "ledger"):
        local.ledger = sqlite3.connect(settings.home / "floor.sqlite", isolation_level=None, timeout=60)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 10000"):
            local.ledger.execute(f"PRAGMA {pragma}")
        local.ledger.execute("CREATE TABLE IF NOT EXISTS answers (at TEXT, request TEXT, answer TEXT)")
    ledger: sqlite3.Connection = local.ledger
    return ledger


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load the models; collect garbage as rarely as the service does."""
    app.state.pairs = _ready()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1_000)
    yield


application = FastAPI(lifespan=lifespan)


@application.post("/empty", status_code=201)
async def nothing() -> JSONResponse:
    """Answer at once."""
    return JSONResponse(EMPTY, 201)


@application.post("/v1/recommendations", status_code=201)
def least(body: RecommendationRequest) -> JSONResponse:
    """Answer what the boosters say, and keep it."""
    said = [
        booster.predict(row, raw_score=True, num_threads=1).tolist()
        for booster, row in application.state.pairs
    ]
    answer = JSONResponse({**EMPTY, "said": said}, 201)
    row = (datetime.now(UTC).isoformat(), body.model_dump_json(), bytes(answer.body).decode())
    _ledger().execute("INSERT INTO answers VALUES (?, ?, ?)", row)
    return answer


@bentoml.service(
    name="floor",
    workers=settings.workers,
    traffic={"timeout": 120},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
)
@bentoml.asgi_app(application, path="/")
class Floor:
    """The floors on the stack of the service."""
