"""A service that a real browser reaches, and people signed in to it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.running import free_port
from policy.policies import DEFAULT_RULES, PolicySet, files_of
from serving.runtime import Champions
from tests.serving.conftest import Service

WIDE, NARROW = 1440, 360
PATIENCE = 20_000  # milliseconds that a step in the browser may take on a busy machine
SERIOUS = {"serious", "critical"}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.fail("No Chromium on this machine: the pages are tested in one (apt-get install chromium).")
    with sync_playwright() as playwright:
        # As root Chromium has no sandbox to go into; it opens our own pages alone.
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@dataclass
class Site:
    """The service's pages as people meet them: over HTTP, each in a browser of their own."""

    service: Service
    browser: Browser
    url: str
    complaints: list[str] = field(default_factory=list)

    def visit(
        self, path: str, *, role: str = "", width: int = WIDE, locale: str = "en-GB", **signed: Any
    ) -> Page:
        """Open a page in a fresh browser, signed in as `role` where one is named."""
        context = self.browser.new_context(
            viewport={"width": width, "height": 900}, locale=locale, base_url=self.url
        )
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", self._heard)
        if role:
            sign_in(
                page, self.service.key_of(role, signed.get("subject", f"emp:{role}"), signed.get("sites", ()))
            )
        page.goto(path)
        return page

    def _heard(self, message: Any) -> None:
        if message.type == "error" and "Content Security Policy" in message.text:
            self.complaints.append(message.text)


def sign_in(page: Page, key: str) -> None:
    """Sign in by key, as a person does."""
    page.goto("/sign-in")
    page.get_by_label("Key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)


def serious(page: Page) -> list[str]:
    """What axe-core finds that keeps people out; nothing else may be left of WCAG A and AA."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['help']} ({one['nodes'][0]['html'][:120]})"
        for one in found
        if one["impact"] in SERIOUS
    ]


def fits(page: Page) -> bool:
    """Whether nothing makes the whole page scroll sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


@pytest.fixture
def open_site(browser: Browser) -> Iterator[Callable[[Service], Site]]:
    """Serve the application of a service to the browser; no page may break its own policy."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []
    sites: list[Site] = []

    def start(service: Service) -> Site:
        port = free_port()
        config = uvicorn.Config(service.client.app, port=port, lifespan="off", log_level="error", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        running.append((server, thread))
        while not server.started:
            thread.join(0.01)
        sites.append(Site(service, browser, f"http://127.0.0.1:{port}"))
        return sites[-1]

    yield start
    for context in browser.contexts:
        context.close()
    for server, thread in running:
        server.should_exit = True
        thread.join(10)
    assert not [one for site in sites for one in site.complaints]


@pytest.fixture
def service(make_service: Callable[..., Service], champions: Champions) -> Service:
    """A service with all its models, without a budget for fraud reviews: amounts decide who is asked."""
    files = files_of(DEFAULT_RULES)
    some, none = (f"fraud_reviews_per_day: {{unit: count, value: {number}" for number in (40, 0))
    assert some in files["finance.yaml"]
    files["finance.yaml"] = files["finance.yaml"].replace(some, none)
    return make_service(champions, policies=PolicySet.parse(files))


@pytest.fixture
def site(service: Service, open_site: Callable[[Service], Site]) -> Site:
    """The pages of a service with all its models."""
    return open_site(service)


@dataclass(frozen=True)
class Person:
    """Somebody signed in without a browser: the pages' HTML and forms."""

    client: TestClient

    def get(self, path: str) -> httpx.Response:
        """One page, redirects not followed."""
        return self.client.get(path, follow_redirects=False)

    def post(self, path: str, *, page: str, **fields: Any) -> httpx.Response:
        """Send a form as it stands on `page`, with that page's token."""
        body = {"csrf": token_on(self.get(page).text), **fields}
        return self.client.post(path, data=body, follow_redirects=False)


def token_on(html: str) -> str:
    """The token that the forms of a page carry."""
    return html.partition('name="csrf" value="')[2].partition('"')[0]


@pytest.fixture
def signed_in() -> Callable[..., Person]:
    """Sign somebody in to a service by key, without a browser."""

    def enter(
        service: Service, role: str, *, subject: str = "", sites: tuple[str, ...] = (), **headers: str
    ) -> Person:
        client = TestClient(service.client.app, raise_server_exceptions=False, headers=headers)
        person = Person(client)
        key = service.key_of(role, subject or f"emp:{role}", sites)
        answer = person.post("/sign-in", page="/sign-in", key=key)
        assert answer.status_code == 303, answer.text
        return person

    return enter
