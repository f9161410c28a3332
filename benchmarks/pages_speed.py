"""How fast the inbox answers a person: with a hundred thousand open cases, with ten thousand, with none.

Server time of whole answers through the application, in turns, so that whatever else the machine does falls
on all of them. One case is recorded by the service, its rows are multiplied inside the database; the page is
complete: 25 rows, their total, and the first case with all its evidence.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fastapi.testclient import TestClient

from benchmarks.ledger_scale import multiply
from benchmarks.report import Figure, Mode
from ledger.reference import Key
from ledger.store import Ledger
from policy.policies import PolicySet, files_of
from serving.app import create_app
from serving.auth import hashed, new_key
from serving.runtime import Champions, Runtime
from serving.settings import Settings
from serving.stamps import utc_now
from serving.telemetry import configure_logs
from tests.factories import a_line

OPEN: dict[Mode, int] = {"quick": 20_000, "normal": 100_000, "full": 100_000}
TURNS: dict[Mode, int] = {"quick": 60, "normal": 300, "full": 1_000}
PAGED = 10_000
ASKED = (
    3  # approvals that a supervisor is asked for with the one case: its amount, and models that are missing
)
WARM = 5  # answers before any is timed


@dataclass(frozen=True, slots=True)
class Inbox:
    """A supervisor signed in to a service of its own."""

    client: TestClient
    ledger: Ledger

    def page(self, address: str = "/approvals") -> str:
        """One whole page."""
        answer = self.client.get(address)
        assert answer.is_success, answer.status_code
        return answer.text


def run(mode: Mode) -> dict[str, Figure]:
    """Open three inboxes and ask for their first pages in turns; then walk through ten thousand cases."""
    configure_logs("error")
    with tempfile.TemporaryDirectory(prefix="recoup-") as folder:
        many, ten, none = (opened(Path(folder) / str(n), n) for n in (OPEN[mode], PAGED // ASKED + 1, 0))
        steps = {
            "many": many.page,
            "ten": ten.page,
            "none": none.page,
            "sign_in": lambda: many.page("/sign-in"),
        }
        seconds = compared(steps, TURNS[mode])
        cases, pages, walked = walk(ten)
        for one in (many, ten, none):
            one.client.__exit__(None, None, None)
    median = {name: float(np.median(values)) * 1e3 for name, values in seconds.items()}
    p95 = {name: float(np.quantile(values, 0.95)) * 1e3 for name, values in seconds.items()}
    return {
        "open_cases": Figure(OPEN[mode], "cases"),
        "first_page_p50": Figure(round(median["many"], 1), "ms", target="<= 150"),
        "first_page_p95": Figure(round(p95["many"], 1), "ms", target="<= 150"),
        "first_page_none_open_p50": Figure(round(median["none"], 1), "ms"),
        "first_page_ratio_to_empty": Figure(
            round(median["many"] / median["none"], 2), "times", target="<= 3"
        ),
        "first_page_ratio_to_ten_thousand": Figure(
            round(median["many"] / median["ten"], 2), "times", target="<= 1.5"
        ),
        "sign_in_page_p50": Figure(round(median["sign_in"], 1), "ms"),
        "paginated_approvals": Figure(cases, "approvals", target=f">= {PAGED}"),
        "paginated_page_mean": Figure(round(walked / pages * 1e3, 1), "ms", target="<= 150"),
    }


def compared(steps: dict[str, Callable[[], str]], turns: int) -> dict[str, list[float]]:
    """Seconds of every answer, one of each in turn."""
    for step in steps.values():
        for _ in range(WARM):
            step()
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(turns):
        for name, step in steps.items():
            started = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def walk(inbox: Inbox) -> tuple[int, int, float]:
    """Follow `next` to the end: how many different cases on how many pages in how many seconds."""
    seen: set[str] = set()
    address, pages, started = "/approvals", 0, time.perf_counter()
    while address:
        html = inbox.page(address)
        pages += 1
        seen.update(re.findall(r'name="pick" value="(\S+) ', html))
        found = re.search(r'rel="next" href="([^"]+)"', html)
        address = found[1].replace("&amp;", "&") if found else ""
    return len(seen), pages, time.perf_counter() - started


def opened(home: Path, cases: int) -> Inbox:
    """A service of its own with so many open cases, and a supervisor signed in."""
    settings = Settings(home=home)
    home.mkdir()
    ledger = Ledger(settings.ledger_url)
    ledger.migrate()
    files = files_of(settings.policy_dir)
    policies = PolicySet.parse(files)
    with ledger.write() as tx:
        tx.add_policy(policies.digest, content=files, actor="service:benchmark", at=utc_now())
    runtime = Runtime(settings, ledger, policies, Champions(), utc_now)
    client = TestClient(create_app(settings, lambda _: runtime))
    client.__enter__()
    if cases:
        recorded(client, ledger)
        multiply(ledger, cases, waiting=1)
    inbox = Inbox(client, ledger)
    sign_in(client, key_of(ledger, "supervisor", "emp:8"))
    assert (inbox.page().count('name="pick"') > 0) == bool(cases)
    return inbox


def recorded(client: TestClient, ledger: Ledger) -> None:
    """One return of 600 dollars, which a supervisor may approve, as the service records it."""
    line = a_line(return_line_id="seed/1", rma_number="seed", customer__id="C-seed", item__sku="SKU-seed")
    line |= {"credit_requested": {"amount": "600.00", "currency": "USD"}}
    line["sale"] |= {"price_paid": "600.00", "order_number": "SO-seed"}
    line["item"]["unit_cost"] = "400.00"
    headers = {
        "Authorization": f"Bearer {key_of(ledger, 'orchestrator', 'service:erp')}",
        "Idempotency-Key": "seed",
    }
    answer = client.post("/v1/recommendations", json=line, headers=headers)
    assert answer.is_success, answer.text


def key_of(ledger: Ledger, role: str, subject: str) -> str:
    """A fresh key."""
    key = new_key()
    with ledger.write() as tx:
        tx.add_key(Key(hashed(key), role, subject, (), None, utc_now(), "service:benchmark"))
    return key


def sign_in(client: TestClient, key: str) -> None:
    """Sign in as a person does."""
    token = re.search(r'name="csrf" value="(\w+)"', client.get("/sign-in").text)
    assert token is not None
    answer = client.post("/sign-in", data={"csrf": token[1], "key": key}, follow_redirects=False)
    assert answer.is_redirect, answer.status_code
