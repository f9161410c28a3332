"""What operators watch: figures by route, rules and scores, drift by bins, traces, logs that keep quiet."""

from __future__ import annotations

import json

import numpy as np
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY

from models.fraud import VIEW
from serving import app
from serving.monitoring.drift import MISSING, Drift
from serving.monitoring.state import refresh
from serving.telemetry import redacted
from tests.factories import a_line


def figure(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_answers_are_counted_by_route_template_and_strange_methods_make_no_series(make_service):
    service = make_service()
    by = {"method": "GET", "route": "/v1/recommendations/{recommendation_id}", "status": "404"}
    before = figure("recoup_requests_total", **by)
    for name in ("rec_1", "rec_2"):
        service.call("GET", f"/v1/recommendations/{name}")
    assert figure("recoup_requests_total", **by) == before + 2
    service.call("GET", "/nothing/at/all")
    service.call("BREW", "/v1/recommendations")
    labels = [sample.labels for one in REGISTRY.collect() for sample in one.samples]
    routes, methods = ({one[name] for one in labels if name in one} for name in ("route", "method"))
    assert not any("nothing" in route for route in routes)
    assert "BREW" not in methods


def test_a_recommendation_is_counted_once_with_its_rules_score_and_inputs(service, champions):
    service.recommend(a_line())
    names = ("recoup_fraud_score_count", "recoup_rule_hits_total", "recoup_drift_seen_total")
    before = figure(names[0])
    headers = {"Idempotency-Key": "watched"}
    line = a_line(return_line_id="RMA-W/1", credit_requested__amount="600.00", sale__price_paid="600.00")
    rule = {"rule": "FIN-01", "effect": "require_approval"}
    hits = figure(names[1], **rule)
    for _ in range(2):
        service.recommend(line, headers=headers)
    assert (figure(names[0]), figure(names[1], **rule)) == (before + 1, hits + 1)
    expected = Drift(champions.fraud.bundle.views[VIEW].encoder).expected
    some = next(iter(expected))
    assert figure("recoup_drift_expected", input=some[0], bin=some[1]) == pytest.approx(expected[some])


def test_the_bins_of_the_training_hold_the_training(champions):
    encoder = champions.fraud.bundle.views[VIEW].encoder
    drift = Drift(encoder)
    sums: dict[str, float] = {}
    for (name, _), share in drift.expected.items():
        sums[name] = sums.get(name, 0.0) + share
    assert sums == pytest.approx(dict.fromkeys(encoder.names, 1.0))
    middle = [shot.quantiles[5] if shot.quantiles else np.nan for shot in encoder.snapshots]
    bins = list(drift.bins(np.array(middle, np.float32)))
    assert [name for name, _ in bins] == list(encoder.names)
    assert all(drift.expected.get(one, 0.0) > 0 for one in bins if one[1] != MISSING)
    assert [place for _, place in drift.bins(np.full(len(bins), np.nan, np.float32))] == [MISSING] * len(bins)


def test_queues_and_outbox_are_told_when_they_are_asked_for(make_service):
    service = make_service()
    event = {
        "specversion": "1.0",
        "id": "q1",
        "source": "wms",
        "type": "returns.receipt.confirmed.v1",
        "subject": "RMA-Q/1",
        "time": "2026-11-20T10:00:00Z",
    }
    service.call("POST", "/v1/events", json=event)
    service.call("POST", "/v1/recommendations", json=a_line())  # without models: somebody is asked
    refresh(service.client.app.state.runtime)
    waiting = {
        sample.labels["queue"]: sample.value
        for one in REGISTRY.collect()
        for sample in one.samples
        if sample.name == "recoup_queue_open"
    }
    assert waiting["approval"] >= 1
    assert sum(waiting.values()) > waiting["approval"]
    assert figure("recoup_ledger_up") == 1
    assert figure("recoup_model_loaded", task="fraud") == 0


def test_a_request_is_a_span_under_its_caller_s_trace_without_names_or_values(make_service, monkeypatch):
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(app, "provider_of", lambda _: provider)
    service = make_service()
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    answer = service.call("GET", "/v1/recommendations?return_line_id=RMA-SECRET/1", headers=headers)
    assert answer.headers["traceparent"].split("-")[1] == trace
    ours = [span for span in spans.get_finished_spans() if f"{span.context.trace_id:032x}" == trace]
    (request,) = [span for span in ours if span.name == "GET /v1/recommendations"]
    assert request.attributes["http.response.status_code"] == 200
    assert len(ours) > 1  # statements of the ledger
    assert all("SECRET" not in span.to_json() for span in ours)


@pytest.mark.parametrize(
    "said",
    [
        "rk_" + "a" * 43,
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiI4In0.c2ln",
        "Bearer anything",
        "anna@example.com",
        "recoup:hunter2",
    ],
)
def test_a_log_line_keeps_secrets_and_addresses_to_itself(said):
    line = {"event": f"failed with postgresql://{said}@host", "key": said, "customer_note": said, "ms": 3.0}
    assert said not in json.dumps(redacted(None, "info", line))
    assert line["ms"] == 3.0
