"""The FastAPI application of the contract: middleware, routers, lifespan."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from serving import errors, telemetry
from serving.api import (
    approvals,
    audit,
    delegations,
    documents,
    events,
    forecasts,
    policies,
    quality,
    recommendations,
    reference,
)
from serving.api.operations import keys, metrics, webhooks
from serving.auth import Gate
from serving.contract.document import HEALTH, document
from serving.monitoring.traces import Traced, provider_of
from serving.runtime import Runtime
from serving.settings import Settings
from serving.web import assets, overview
from serving.web import reference as web_reference
from serving.web.boards import forecast as forecast_board
from serving.web.boards import labor as labor_board
from serving.web.boards import models as models_board
from serving.web.boards import policies as policies_board
from serving.web.entry import oidc, sign_in
from serving.web.problems import problem_page, wants_page
from serving.web.work import deciding, inbox, papers, story

DESCRIPTION = (
    "Recoup recommends what should happen to a returned item, within policy and subject to approval. "
    "It never posts a credit. Every POST that writes takes an `Idempotency-Key`; "
    "refusals are `application/problem+json`."
)
VERSION = "0.1.0"
# Every method that a client may try: what is not routed is then refused as a problem.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")
ROUTERS = (
    recommendations,
    approvals,
    delegations,
    reference,
    events,
    documents,
    forecasts,
    policies,
    quality,
    audit,
    metrics,
    webhooks,
    keys,
    assets,
    sign_in,
    oidc,
    overview,
    inbox,
    deciding,
    papers,
    story,
    forecast_board,
    labor_board,
    models_board,
    policies_board,
    web_reference,
)


def create_app(settings: Settings, open_runtime: Callable[[Settings], Runtime]) -> FastAPI:
    """The application; its runtime is opened when it starts and closed when it stops."""
    provider = provider_of(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        runtime = open_runtime(settings)
        app.state.runtime = runtime
        if provider is not None:
            runtime.ledger.traced(provider)
        # Collections over the models' objects are what the slowest requests would wait for.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 1_000)
        yield
        runtime.ledger.close()
        if provider is not None:
            provider.shutdown()

    app = FastAPI(title="Recoup", version=VERSION, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.gate = Gate(settings)
    app.openapi = _described  # type: ignore[method-assign]  # FastAPI's own way to another document
    errors.install(app)
    for module in ROUTERS:
        app.include_router(module.router)
    app.add_api_route("/{path:path}", _unknown, methods=list(METHODS), include_in_schema=False)
    app.add_middleware(telemetry.BodyLimit, limit=settings.body_limit, documents=settings.document_limit)
    app.add_middleware(telemetry.Observe)
    if provider is not None:
        app.add_middleware(Traced, provider=provider)
    return app


@cache
def _described() -> dict[str, Any]:
    return document(_routes(), version=VERSION, description=DESCRIPTION)


def _routes() -> list[APIRoute]:
    return [route for module in ROUTERS for route in module.router.routes if isinstance(route, APIRoute)]


def _unknown(request: Request) -> Response:
    # Without this route BentoML would answer unknown paths itself, in plain text.
    path = request.url.path
    matching = [route for route in _routes() if route.path_regex.match(path)]
    exact = [route for route in matching if route.path == path]  # /votes is no approval's id
    methods = {method for route in exact or matching for method in route.methods or ()}
    methods |= {"GET"} if path in {*HEALTH, "/openapi.json"} else set()
    if methods:
        raise HTTPException(405, "This path takes another method.", {"Allow": ", ".join(sorted(methods))})
    if wants_page(request):
        return problem_page(request, 404, "No page has this address.")
    raise HTTPException(404, "There is nothing at this path; /openapi.json lists what there is.")
