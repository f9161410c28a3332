"""The outbox leaves by webhook: signed (Standard Webhooks), at least once, with backoff and an end."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import httpx
from standardwebhooks import Webhook

from ledger.outbox import Delivery, Endpoint
from ledger.store import Ledger
from serving.stamps import iso, utc_now

CLAIM: Final = timedelta(minutes=2)  # a relay that dies gives its batch back after this
BACKOFF: Final = tuple(timedelta(seconds=s) for s in (5, 30, 120, 600, 3600, 6 * 3600, 24 * 3600))
TIMEOUT: Final = 10.0  # seconds
SOURCE: Final = "recoup"


def relay_once(ledger: Ledger, client: httpx.Client, *, now: Callable[[], datetime] = utc_now) -> int:
    """Deliver what is due; return how many deliveries were tried."""
    with ledger.queue() as queue:
        batch = queue.claim(at=now(), until=now() + CLAIM)
    with ledger.read() as tx:
        endpoints = {endpoint.id: endpoint for endpoint in tx.endpoints()}
    for delivery in batch:
        _deliver(ledger, client, delivery, endpoints[delivery.endpoint_id], now)
    return len(batch)


def _deliver(
    ledger: Ledger, client: httpx.Client, delivery: Delivery, endpoint: Endpoint, now: Callable[[], datetime]
) -> None:
    status, error = _send(client, delivery, endpoint, now())
    gone = status == httpx.codes.GONE
    with ledger.queue() as queue:
        if error is None:
            queue.delivered(delivery)
        elif gone or delivery.attempts >= len(BACKOFF):
            queue.dead(delivery, error=error)
        else:
            queue.retry(delivery, at=now() + BACKOFF[delivery.attempts], error=error)
    if gone:
        with ledger.write() as tx:
            tx.disable_endpoint(endpoint.id, actor="service:relay", at=now())


def _send(
    client: httpx.Client, delivery: Delivery, endpoint: Endpoint, at: datetime
) -> tuple[int | None, str | None]:
    body = cloud_event(delivery)
    signature = Webhook(endpoint.secret).sign(delivery.message.id, at, body)
    headers = {
        "Content-Type": "application/cloudevents+json",
        "webhook-id": delivery.message.id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }
    try:
        answer = client.post(
            endpoint.url, content=body, headers=headers, timeout=TIMEOUT, follow_redirects=False
        )
    except httpx.HTTPError as error:
        return None, type(error).__name__
    return answer.status_code, None if answer.is_success else f"HTTP {answer.status_code}"


def cloud_event(delivery: Delivery) -> str:
    """The message as CloudEvents 1.0 JSON."""
    message = delivery.message
    return json.dumps(
        {
            "specversion": "1.0",
            "id": message.id,
            "source": SOURCE,
            "type": message.type,
            "subject": message.subject,
            "time": iso(message.at),
            "datacontenttype": "application/json",
            "data": dict(message.data),
        },
        separators=(",", ":"),
    )
