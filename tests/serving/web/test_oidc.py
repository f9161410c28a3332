"""Sign-in by OpenID Connect, against a provider in a process of its own."""

import json
import subprocess
import sys
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi.testclient import TestClient

from benchmarks.running import free_port
from serving.web.entry.oidc import provider_of

PEOPLE = (
    {"sub": "8", "roles": ["supervisor"], "site": "DAL1"},
    {"sub": "9", "roles": ["janitor"]},
)
COMMAND = "from oidc_provider_mock.__main__ import run; run()"


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    """The provider's address, once it answers."""
    port = free_port()
    words = ["--port", str(port), "--require-nonce", "true"]
    words += [word for one in PEOPLE for word in ("--user-claims", json.dumps(one))]
    log = tmp_path_factory.mktemp("provider") / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", COMMAND, *words], stdout=out, stderr=out
        )
    address = f"http://127.0.0.1:{port}"
    transport = httpx.HTTPTransport(retries=8)
    with httpx.Client(transport=transport, timeout=60) as client:
        assert client.get(f"{address}/.well-known/openid-configuration").is_success, log.read_text()
    yield address
    process.terminate()
    process.wait(30)
    provider_of.cache_clear()


@pytest.fixture
def service(make_service, issuer):
    """A service at which people sign in with their company account."""
    return make_service(
        oidc_issuer=issuer,
        oidc_audience="recoup",
        oidc_jwks=f"{issuer}/jwks",
        oidc_client_id="recoup",
        oidc_client_secret="not a secret",
        oidc_sites_claim=None,
    )


@pytest.fixture
def browser_of(service):
    return TestClient(service.client.app, raise_server_exceptions=False, follow_redirects=False)


def begun(client, back="/approvals"):
    """To the provider's address for this sign-in."""
    answer = client.get("/sign-in/oidc", params={"return": back})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def back_from(address, sub):
    """Where the provider leads on to once `sub` has signed in there."""
    answer = httpx.post(address, data={"sub": sub}, timeout=60)
    parts = urlsplit(answer.headers["location"])
    return f"{parts.path}?{parts.query}"


def test_people_come_in_with_their_role_and_get_where_they_wanted(service, browser_of):
    page = browser_of.get("/sign-in?return=/approvals").text
    assert "company account" in page
    answer = browser_of.get(back_from(begun(browser_of), "8"))
    assert (answer.status_code, answer.headers.get("location")) == (303, "/approvals"), answer.text
    inbox = browser_of.get("/approvals").text
    assert "emp:8" in inbox
    assert "Supervisor" in inbox


def test_the_code_is_bound_to_this_browser_and_this_sign_in(browser_of):
    asked = parse_qs(urlsplit(begun(browser_of)).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["response_type"] == ["code"]
    assert {"state", "nonce", "code_challenge"} <= set(asked)


def test_what_another_browser_began_signs_nobody_in(service, browser_of):
    stolen = back_from(begun(browser_of), "8")
    other = TestClient(service.client.app, raise_server_exceptions=False, follow_redirects=False)
    assert other.get(stolen).status_code == 403
    begun(other)
    assert other.get(stolen).status_code == 403
    assert other.get("/approvals").status_code == 303


def test_a_code_of_another_sign_in_is_refused_by_its_nonce(browser_of):
    first = parse_qs(urlsplit(back_from(begun(browser_of), "8")).query)
    second = parse_qs(urlsplit(begun(browser_of)).query)
    mixed = {"code": first["code"][0], "state": second["state"][0]}
    answer = browser_of.get("/sign-in/oidc/callback", params=mixed)
    assert answer.status_code == 403
    assert browser_of.get("/approvals").status_code == 303


def test_who_took_too_long_begins_anew(service, browser_of):
    address = back_from(begun(browser_of), "8")
    service.clock.forward(minutes=11)
    assert browser_of.get(address).status_code == 403


def test_people_without_a_role_here_are_told_so(browser_of):
    answer = browser_of.get(back_from(begun(browser_of), "9"))
    assert (answer.status_code, "no role of this service" in answer.text) == (403, True)


def test_a_provider_that_is_away_is_a_503(make_service):
    service = make_service(oidc_issuer=f"http://127.0.0.1:{free_port()}", oidc_client_id="recoup")
    answer = service.client.get("/sign-in/oidc", follow_redirects=False)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")


def test_codes_are_sent_to_no_address_in_the_clear(make_service):
    service = make_service(oidc_issuer="http://sso.example", oidc_client_id="recoup")
    assert service.client.get("/sign-in/oidc", follow_redirects=False).status_code == 503
