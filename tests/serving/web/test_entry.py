"""Sign-in by key, sessions, forms that are not ours, and refusals as pages."""

import re

import pytest
from fastapi.testclient import TestClient

from serving.settings import Settings
from serving.web.entry.sign_in import local
from tests.serving.web.conftest import NARROW, WIDE, Person, fits, serious, sign_in, token_on


def test_a_wrong_key_opens_nothing(make_service):
    person = Person(TestClient(make_service().client.app))
    answer = person.post("/sign-in", page="/sign-in", key="rk_guessed")
    assert answer.status_code == 401
    assert "not known here" in answer.text
    assert "rk_guessed" not in answer.text


def test_the_session_is_kept_from_scripts_and_from_other_sites(make_service, signed_in):
    service = make_service()
    person = Person(TestClient(service.client.app))
    answer = person.post("/sign-in", page="/sign-in", key=service.key_of("manager", "emp:7"))
    cookie = answer.headers["set-cookie"].lower()
    assert {"httponly", "samesite=lax", "path=/"} <= set(re.split(r"; ?", cookie))
    assert "max-age=28800" in cookie
    assert "secure" not in cookie


def test_over_tls_the_session_is_sent_over_tls_alone(make_service):
    service = make_service(public_url="https://returns.example")
    client = TestClient(service.client.app, base_url="https://returns.example")
    answer = Person(client).post("/sign-in", page="/sign-in", key=service.key_of("manager", "emp:7"))
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-recoup_session=")
    assert "Secure" in cookie


def test_a_session_ends_by_itself(make_service, signed_in):
    service = make_service()
    person = signed_in(service, "manager")
    assert "Sign out" in person.get("/").text
    service.clock.forward(hours=8, seconds=1)
    assert "Sign out" not in person.get("/").text


def test_a_session_ends_with_its_key(make_service, signed_in):
    service = make_service(session_hours=100)
    service.key_of("manager", "emp:9", days=1)
    person = signed_in(service, "manager", subject="emp:9")
    service.clock.forward(days=2)
    assert "Sign out" not in person.get("/").text


def test_a_session_that_somebody_else_signed_is_none(make_service, signed_in):
    first = make_service()
    person = signed_in(first, "manager")
    name, value = next(iter(person.client.cookies.items()))
    head, _, tail = value.rpartition(".")
    person.client.cookies.set(name, f"{head}.{tail[::-1]}")
    assert "Sign out" not in person.client.get("/", follow_redirects=False).text


def test_a_secret_that_can_be_guessed_signs_no_session():
    with pytest.raises(ValueError, match="32 characters"):
        Settings(session_secret="summer2026")


def test_signing_out_ends_the_session_in_this_browser(make_service, signed_in):
    person = signed_in(make_service(), "manager")
    assert person.post("/sign-out", page="/").headers["location"] == "/sign-in"
    assert "Sign out" not in person.get("/").text


@pytest.mark.parametrize("token", ["", "0" * 64])
def test_a_form_without_its_token_does_nothing(make_service, signed_in, token):
    person = signed_in(make_service(), "manager")
    answer = person.client.post("/sign-out", data={"csrf": token}, follow_redirects=False)
    assert answer.status_code == 403
    assert "belong to your session" in answer.text
    assert "Sign out" in person.get("/").text


def test_a_form_that_another_site_sends_does_nothing(make_service, signed_in):
    person = signed_in(make_service(), "manager")
    token = token_on(person.get("/").text)
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert person.client.post("/sign-out", data={"csrf": token}, headers=headers).status_code == 403


def test_the_token_of_one_person_is_none_for_another(make_service, signed_in):
    service = make_service()
    one, other = signed_in(service, "manager"), signed_in(service, "cfo")
    token = token_on(one.get("/").text)
    assert other.client.post("/sign-out", data={"csrf": token}).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "/\n/evil",
        "/sign-out",
    ],
)
def test_sign_in_leads_nowhere_else(path):
    assert local(path) == "/"
    assert local("/approvals?open=apr_1") == "/approvals?open=apr_1"


def test_pages_allow_nothing_inline_and_nothing_from_elsewhere(make_service, signed_in):
    person = signed_in(make_service(), "auditor")
    for path in ("/", "/sign-in", "/docs", "/no/such/page"):
        answer = person.client.get(path, headers={"Accept": "text/html"})
        policy = answer.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert policy.startswith("default-src 'none'")
        assert not re.search(r"<script(?![^>]* src=)|<style| style=\"| on[a-z]+=\"", answer.text)


def test_unknown_addresses_are_pages_for_people_and_problems_for_programs(make_service):
    client = make_service().client
    person = client.get("/no/such/page", headers={"Accept": "text/html,*/*"})
    assert (person.status_code, person.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert client.get("/no/such/page").headers["content-type"] == "application/problem+json"


def test_static_files_are_kept_by_browsers_until_they_change(make_service):
    client = make_service().client
    url = re.search(r'href="(/static/style.css\?v=\w+)"', client.get("/").text)[1]
    first = client.get(url)
    assert "immutable" in first.headers["Cache-Control"]
    assert "immutable" not in client.get("/static/style.css").headers["Cache-Control"]
    assert client.get(url, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    assert client.get("/static/../rendering.py").status_code == 404


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_everybody_can_sign_in_at_any_width(site, width):
    page = site.visit("/sign-in?return=/docs", width=width)
    assert not serious(page)
    assert fits(page)
    sign_in(page, site.service.key_of("auditor", "emp:3"))
    page.goto("/")
    assert page.get_by_text("emp:3").is_visible()
    assert not serious(page)
    assert fits(page)
