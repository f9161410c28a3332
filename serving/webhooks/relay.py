"""The outbox leaves by webhook: signed (Standard Webhooks), at least once, with backoff and an end."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import httpx
from standardwebhooks import Webhook

from ledger.outbox import Delivery, Endpoint
from ledger.store import Ledger
from serving.stamps import iso, utc_now
from serving.webhooks.addresses import PublicOnly

HANDS: Final = 8  # deliveries under way at once: a slow receiver does not hold up the others
BATCH: Final = 32
TIMEOUT: Final = 10.0  # seconds
# A relay that dies gives its batch back after this; one that lives is through long before.
CLAIM: Final = timedelta(seconds=TIMEOUT * BATCH / HANDS * 3)
BACKOFF: Final = tuple(timedelta(seconds=s) for s in (5, 30, 120, 600, 3600, 6 * 3600, 24 * 3600))
SPREAD: Final = 0.2  # of a wait: what failed together does not come back together
LONGEST_WAIT: Final = timedelta(days=1)  # a receiver's own Retry-After beyond it is not heeded
SOURCE: Final = "recoup"


@dataclass(frozen=True, slots=True)
class Said:
    """What a receiver answered; no error means that it took the message."""

    status: int | None = None
    error: str | None = None
    wait: timedelta = field(default_factory=timedelta)


def client_of(*, to_private: bool) -> httpx.Client:
    """The client of webhooks: no redirects, no proxy, public addresses unless set otherwise."""
    transport = httpx.HTTPTransport(trust_env=False) if to_private else PublicOnly()
    return httpx.Client(transport=transport, timeout=TIMEOUT, follow_redirects=False, trust_env=False)


def relay_once(
    ledger: Ledger, client: httpx.Client, *, now: Callable[[], datetime] = utc_now, limit: int = BATCH
) -> int:
    """Deliver what is due; return how many deliveries were tried. Any number may do so at once."""
    with ledger.queue() as queue:
        batch = queue.claim(at=now(), until=now() + CLAIM, limit=limit)
    if not batch:
        return 0
    with ledger.read() as tx:
        endpoints = {endpoint.id: endpoint for endpoint in tx.endpoints()}
    with ThreadPoolExecutor(min(HANDS, len(batch))) as hands:
        work = [hands.submit(_deliver, ledger, client, one, endpoints[one.endpoint_id], now) for one in batch]
    for one in work:
        one.result()
    return len(batch)


def _deliver(
    ledger: Ledger, client: httpx.Client, delivery: Delivery, endpoint: Endpoint, now: Callable[[], datetime]
) -> None:
    said = _send(client, delivery, endpoint, now()) if endpoint.active else Said(error="endpoint disabled")
    gone = said.status == httpx.codes.GONE
    with ledger.queue() as queue:
        if said.error is None:
            queue.delivered(delivery)
        elif gone or not endpoint.active or delivery.attempts > len(BACKOFF):
            queue.dead(delivery, error=said.error)
        else:
            queue.retry(delivery, at=now() + max(backoff(delivery), said.wait), error=said.error)
    if gone:
        with ledger.write() as tx:
            tx.disable_endpoint(endpoint.id, actor="service:relay", at=now())


def backoff(delivery: Delivery) -> timedelta:
    """How long to wait after this attempt: longer each time, and a little different for each message."""
    share = zlib.crc32(delivery.message.id.encode()) / 2**32
    return BACKOFF[delivery.attempts - 1] * (1 + SPREAD * (share - 0.5))


def _send(client: httpx.Client, delivery: Delivery, endpoint: Endpoint, at: datetime) -> Said:
    body = cloud_event(delivery)
    signature = Webhook(endpoint.secret).sign(delivery.message.id, at, body)
    headers = {
        "Content-Type": "application/cloudevents+json",
        "webhook-id": delivery.message.id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }
    try:
        # The answer's body is not read: it could be without end.
        with client.stream("POST", endpoint.url, content=body, headers=headers) as answer:
            return _heard(answer.status_code, answer.headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        private = str(error) if str(error).startswith("webhook_") else type(error).__name__
        return Said(error=private)


def _heard(status: int, headers: Mapping[str, str]) -> Said:
    asked = headers.get("retry-after", "")
    wait = timedelta(seconds=int(asked)) if asked.isdigit() and len(asked) < len("100000") else timedelta()
    error = None if httpx.codes.is_success(status) else f"HTTP {status}"
    return Said(status, error, min(wait, LONGEST_WAIT))


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
