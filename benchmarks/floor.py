"""The floor: the same tuned BentoML and FastAPI with nothing behind one POST."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import bentoml
from fastapi import FastAPI
from fastapi.responses import JSONResponse


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Collect garbage as rarely as the service does."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1_000)
    yield


application = FastAPI(lifespan=lifespan)


@application.post("/v1/recommendations", status_code=201)
async def recommend() -> JSONResponse:
    """Answer at once."""
    return JSONResponse({"id": "rec_0", "status": "cleared"}, 201)


@bentoml.service(
    name="floor",
    workers=1,
    traffic={"timeout": 120},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
)
@bentoml.asgi_app(application, path="/")
class Floor:
    """An empty endpoint on the stack of the service."""
