"""People at work in a real Chromium: approve, reject, several at once, stale, own case, session over."""

import pytest
from playwright.sync_api import expect

from tests.serving.web.cases import a_case, a_form, a_story, approval_of, revised
from tests.serving.web.conftest import NARROW, WIDE, fits, serious


def status(site, case):
    return site.service.call("GET", f"/v1/approvals/{approval_of(case)}", role="auditor").json()["status"]


def test_an_approval_takes_two_clicks_from_the_inbox(site):
    first, second = a_case(site.service), a_case(site.service)
    page = site.visit("/approvals", role="supervisor", subject="emp:8")
    page.get_by_role("link", name=second["return_line_id"]).first.click()
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text(second["return_line_id"])
    assert (status(site, first), status(site, second)) == ("pending", "approved")


def test_a_rejection_says_why(site):
    case = a_case(site.service)
    page = site.visit("/approvals", role="supervisor", subject="emp:8")
    page.get_by_role("button", name="Reject", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("reason")
    page.get_by_label("Comment", exact=True).fill("serial of another drill")
    page.get_by_role("button", name="Reject", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("Rejected")
    assert status(site, case) == "rejected"


def test_several_are_decided_at_once(site):
    cases = [a_case(site.service) for _ in range(3)]
    page = site.visit("/approvals", role="supervisor", subject="emp:8")
    page.get_by_label(f"Pick {cases[0]['return_line_id']}").check()
    page.get_by_label(f"Pick {cases[2]['return_line_id']}").check()
    page.get_by_role("button", name="Approve picked").click()
    expect(page.get_by_role("heading", name="2 of 2 approved")).to_be_visible()
    assert [status(site, case) for case in cases] == ["approved", "pending", "approved"]
    assert not serious(page)


def test_a_page_that_went_stale_cannot_approve_changed_facts(site):
    case = a_case(site.service)
    page = site.visit("/approvals", role="supervisor", subject="emp:8")
    again = revised(site.service, case)
    page.get_by_role("button", name="Approve", exact=True).click()
    page.get_by_role("link", name="Decide on the facts of now").click()
    assert status(site, again) == "pending"
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("Approved")
    assert (status(site, case), status(site, again)) == ("superseded", "approved")


def test_nobody_is_offered_to_approve_their_own_case(site):
    case = a_case(site.service, requested_by="emp:8")
    page = site.visit("/approvals", role="supervisor", subject="emp:8")
    expect(page.get_by_text("You cannot decide this")).to_be_visible()
    assert page.get_by_role("button", name="Approve", exact=True).count() == 0
    assert page.get_by_label(f"Pick {case['return_line_id']}").is_disabled()


def test_a_session_that_is_over_leads_through_sign_in_back_to_the_case(site):
    case = a_case(site.service)
    site.service.key_of("supervisor", "emp:8")
    page = site.visit("/approvals", role="supervisor", subject="emp:8")
    site.service.clock.forward(hours=9)
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.get_by_text("Your session has ended")).to_be_visible()
    assert status(site, case) == "pending"
    page.get_by_label("Key").fill(site.service.key_of("supervisor", "emp:8"))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name=case["return_line_id"]).first).to_be_visible()


def test_the_inbox_is_worked_by_keys_alone(site):
    first, second = a_case(site.service), a_case(site.service)
    page = site.visit("/approvals", role="supervisor", subject="emp:8")
    page.keyboard.press("j")
    page.wait_for_url("**open=**")
    page.keyboard.press("c")
    page.keyboard.type("looked at")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("Approved")
    assert (status(site, first), status(site, second)) == ("pending", "approved")


def test_forms_work_without_scripts(site):
    case = a_case(site.service)
    context = site.browser.new_context(java_script_enabled=False, base_url=site.url)
    page = context.new_page()
    page.goto("/sign-in")
    page.get_by_label("Key").fill(site.service.key_of("supervisor", "emp:8"))
    page.get_by_role("button", name="Sign in").click()
    page.goto("/approvals")
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("Approved")
    assert status(site, case) == "approved"


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_every_page_is_open_to_everybody_at_any_width(site, width):
    """With much and with nothing on it: nothing serious by WCAG A and AA, nothing that scrolls sideways."""
    page = site.visit("/approvals", role="supervisor", width=width, subject="emp:8")
    expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    found = {"nothing": serious(page)}
    story, case = a_story(site.service), a_case(site.service)
    page = site.visit("/approvals", role="supervisor", width=width, subject="emp:8")
    document = a_form(site.service, case["return_line_id"])
    for path in (
        f"/approvals?open={approval_of(case)}",
        f"/returns/{story['return_line_id']}?replay={story['id']}",
        f"/documents/{document}",
        "/no/such/page",
        "/approvals?role=cfo",
    ):
        page.goto(path)
        assert fits(page), path
        found[path] = serious(page)
    assert not any(found.values()), found
