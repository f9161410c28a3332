"""The other systems as the orchestrator calls them: Recoup, ERP and WMS; every call may be repeated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import httpx

TIMEOUT = 10.0  # seconds; the stand-ins hang for less than the workflow's patience
RETRIED = frozenset({408, 409, 425, 429})  # and 5xx: what Recoup's contract says may be tried again


class TryAgainError(Exception):
    """Nothing is known of this attempt; the same call may be made again."""


class RefusedError(Exception):
    """The call was understood and refused; the same call would be refused again."""


def call(method: str, url: str, **options: Any) -> httpx.Response:
    """One attempt of one call.

    Raises
    ------
    TryAgainError
        Where no answer came, or one that says to come again.
    RefusedError
        Where it was refused for good.
    """
    try:
        answer = client().request(method, url, **options)
    except httpx.TransportError as error:
        raise TryAgainError(type(error).__name__) from error
    if answer.status_code in RETRIED or answer.is_server_error:
        raise TryAgainError(f"HTTP {answer.status_code}")
    if answer.is_error:
        raise RefusedError(f"{method} {url}: HTTP {answer.status_code} {answer.text}")
    return answer


@cache
def client() -> httpx.Client:
    """One client for all calls: it reads every authority's certificates when it is made."""
    return httpx.Client(timeout=TIMEOUT, limits=httpx.Limits(max_keepalive_connections=0))


@dataclass(frozen=True, slots=True)
class Recoup:
    """Recoup by its contract."""

    url: str
    key: str

    def post(self, path: str, body: Any, *, intent: str) -> dict[str, Any]:
        """Write something once: a retry under the same `intent` gets the first answer again."""
        headers = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": intent}
        found: dict[str, Any] = call("POST", self.url + path, json=body, headers=headers).json()
        return found

    def get(self, path: str) -> dict[str, Any]:
        """Read something."""
        headers = {"Authorization": f"Bearer {self.key}"}
        found: dict[str, Any] = call("GET", self.url + path, headers=headers).json()
        return found

    def tell(self, kind: str, line_id: str, at: str, **data: Any) -> None:
        """Tell what happened to a return line; the id is made of both, so that a repeat is known as one."""
        event = {
            "specversion": "1.0",
            "id": f"{line_id}:{kind}",
            "source": "orchestrator",
            "type": f"returns.{kind}.v1",
            "subject": line_id,
            "time": at,
            "data": data,
        }
        self.post("/v1/events", event, intent=f"{line_id}:{kind}")


@dataclass(frozen=True, slots=True)
class Systems:
    """ERP and WMS: each takes a reference, and does nothing twice under one."""

    url: str

    def do(self, what: str, reference: str, **body: Any) -> dict[str, Any]:
        """Have something done: `authorizations`, `credits` (ERP); `receipts`, `moves` (WMS)."""
        found: dict[str, Any] = call(
            "POST", f"{self.url}/{what}", json={"reference": reference, **body}
        ).json()
        return found


def now() -> str:
    """The time, as events tell it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
