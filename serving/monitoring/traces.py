"""Traces by OpenTelemetry, sampled; where no collector is set nothing of it is even imported.

Spans carry route templates and statements without their values: no identifier of a return leaves by them.
"""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.settings import Settings


def provider_of(settings: Settings) -> Any:
    """The provider that sends sampled spans to the collector of the settings; None where there is none."""
    if settings.traces_to is None:
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio, TraceIdRatioBased  # noqa: PLC0415

    sampled = ParentBasedTraceIdRatio(settings.traces_share)
    # A caller's "sampled" is a wish: it must not be able to have everything recorded.
    sampled._remote_parent_sampled = TraceIdRatioBased(settings.traces_share)  # noqa: SLF001
    provider = TracerProvider(sampler=sampled, resource=Resource.create({"service.name": "recoup"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.traces_to)))
    return provider


class Traced:
    """A span for every request, under the trace of its caller."""

    def __init__(self, app: ASGIApp, provider: Any) -> None:
        from opentelemetry.trace import SpanKind  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        self.app = app
        self._tracer = provider.get_tracer("recoup.http")
        self._extract = TraceContextTextMapPropagator().extract
        self._kind = SpanKind.SERVER

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        with self._tracer.start_as_current_span(
            scope["method"], context=self._extract(carrier), kind=self._kind, record_exception=False
        ) as span:
            scope.setdefault("state", {})["trace_id"] = f"{span.get_span_context().trace_id:032x}"

            async def send_noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            await self.app(scope, receive, send_noted)
            route = getattr(scope.get("route"), "path", "unmatched")
            span.update_name(f"{scope['method']} {route}")
            span.set_attribute("http.route", route)
            span.set_attribute("http.request.method", scope["method"])
