"""The inbox without a browser: what is shown to whom; a form decides nothing that a call would not."""

import re
from urllib.parse import urlencode

import pytest

from tests.serving.web.cases import a_case, approval_of, revised


def fields_of(html, path):
    """The hidden fields of the form that is sent to `path`."""
    form = html.partition(f'action="{path}"')[2].partition("</form>")[0]
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))


def decide(person, approval, vote="approve", **fields):
    page = person.get(f"/approvals?open={approval}").text
    path = f"/approvals/{approval}/vote"
    sent = {name: value.replace("&#34;", '"') for name, value in fields_of(page, path).items()}
    return person.client.post(path, data={**sent, "vote": vote, **fields}, follow_redirects=False)


@pytest.fixture
def pending(service):
    return a_case(service)


def test_signed_out_people_are_led_to_sign_in_and_back(service):
    answer = service.client.get("/approvals?status=rejected", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?" + urlencode({"return": "/approvals?status=rejected"})


def test_the_inbox_shows_what_asks_for_the_own_role(service, pending, signed_in):
    line = pending["return_line_id"]
    assert line in signed_in(service, "supervisor").get("/approvals").text
    other = signed_in(service, "hazmat_officer").get("/approvals").text
    assert line not in other
    assert "Nothing waits for you" in other


@pytest.mark.parametrize("path", ["/approvals?open={}", "/approvals/{}"])
def test_cases_of_other_sites_are_out_of_reach(service, pending, signed_in, path):
    approval = approval_of(pending)
    elsewhere = signed_in(service, "supervisor", sites=("RNO1",))
    assert elsewhere.get(path.format(approval)).status_code == 403
    assert pending["return_line_id"] not in elsewhere.get("/approvals").text
    assert elsewhere.get(f"/returns/{pending['return_line_id']}").status_code == 403


def test_roles_without_an_inbox_get_a_page_that_says_so(service, signed_in):
    answer = signed_in(service, "planner").get("/approvals")
    assert (answer.status_code, "not open to you" in answer.text) == (403, True)


def test_one_view_holds_amount_reason_rule_owner_and_evidence(service, pending, signed_in):
    page = signed_in(service, "supervisor", **{"Accept-Language": "en-US"}).get("/approvals").text
    for said in ("$600.00", "Defective", "FIN-01", "finance", "approved by someone whose limit covers it"):
        assert said in page
    for heading in ("What it is worth, by way", "Fraud", "History", "Documents", "Rules that fired"):
        assert heading in page


def test_money_and_dates_are_written_as_the_reader_writes_them(service, pending, signed_in):
    page = (
        signed_in(service, "supervisor", **{"Accept-Language": "de-DE,de;q=0.9,en;q=0.5"})
        .get("/approvals")
        .text
    )
    assert "600,00\xa0$" in page
    assert "20.11.2026" in page


def test_a_vote_on_the_page_is_the_vote_of_the_api(service, pending, signed_in):
    approval = approval_of(pending)
    person = signed_in(service, "supervisor", subject="emp:8")
    answer = decide(person, approval, comment="seen")
    assert answer.status_code == 303, answer.text
    now = service.call("GET", f"/v1/approvals/{approval}", role="auditor").json()
    assert (now["status"], now["votes"][0]["voter"], now["votes"][0]["comment"]) == (
        "approved",
        "emp:8",
        "seen",
    )


def test_a_form_sent_twice_counts_once(service, pending, signed_in):
    approval = approval_of(pending)
    person = signed_in(service, "supervisor", subject="emp:8")
    path = f"/approvals/{approval}/vote"
    fields = fields_of(person.get(f"/approvals?open={approval}").text, path)
    sent = {**fields, "etag": fields["etag"].replace("&#34;", '"'), "vote": "approve"}
    first, again = (person.client.post(path, data=sent, follow_redirects=False) for _ in range(2))
    assert (first.status_code, again.status_code) == (303, 303)
    assert len(service.call("GET", f"/v1/approvals/{approval}", role="auditor").json()["votes"]) == 1


def test_a_rejection_without_a_reason_is_asked_for_one_and_keeps_nothing(service, pending, signed_in):
    approval = approval_of(pending)
    answer = decide(signed_in(service, "supervisor"), approval, "reject")
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert service.call("GET", f"/v1/approvals/{approval}", role="auditor").json()["status"] == "pending"


def test_a_stale_form_cannot_approve_changed_facts(service, pending, signed_in):
    approval = approval_of(pending)
    person = signed_in(service, "supervisor")
    path = f"/approvals/{approval}/vote"
    fields = fields_of(person.get(f"/approvals?open={approval}").text, path)
    revised(service, pending)
    answer = person.client.post(path, data={**fields, "vote": "approve"}, follow_redirects=False)
    assert answer.status_code == 409
    assert "The facts changed after this was asked" in answer.text
    assert service.call("GET", f"/v1/approvals/{approval}", role="auditor").json()["votes"] == []


@pytest.mark.parametrize("subject", ["agent:17", "service:orchestrator"])
def test_nobody_approves_their_own_case_with_a_form_either(service, pending, signed_in, subject):
    approval = approval_of(pending)
    person = signed_in(service, "supervisor", subject=subject)
    page = person.get(f"/approvals?open={approval}").text
    assert "You cannot decide this" in page
    etag = service.call("GET", f"/v1/approvals/{approval}", role="auditor").headers["ETag"]
    sent = {"form_key": "k", "etag": etag, "vote": "approve"}
    answer = person.post(f"/approvals/{approval}/vote", page="/approvals", **sent)
    assert answer.status_code == 403
    assert service.call("GET", f"/v1/approvals/{approval}", role="auditor").json()["status"] == "pending"


def test_many_votes_count_and_fail_each_on_its_own(service, pending, signed_in):
    own = a_case(service, requested_by="emp:8")
    asked = [approval_of(one) for one in (pending, own)]
    etags = [service.call("GET", f"/v1/approvals/{one}", role="auditor").headers["ETag"] for one in asked]
    person = signed_in(service, "supervisor", subject="emp:8")
    picked = [f"{one} {etag}" for one, etag in zip(asked, etags, strict=True)]
    answer = person.post("/approvals/votes", page="/approvals", form_key="k", vote="approve", pick=picked)
    assert answer.status_code == 200
    assert "1 of 2 approved" in answer.text
    assert "cannot approve it" in answer.text


def test_expiring_and_overdue_cases_are_marked(service, pending, signed_in):
    person = signed_in(service, "supervisor")
    assert "Expires in" in person.get("/approvals").text
    service.clock.forward(days=10)
    person = signed_in(service, "supervisor")
    assert "Overdue" in person.get("/approvals").text


def test_passing_on_and_taking_back(service, pending, signed_in):
    approval = approval_of(pending)
    person = signed_in(service, "supervisor", subject="emp:8")
    page = person.get(f"/approvals?open={approval}").text
    for verb, said in (("delegate", {"to": "emp:99"}), ("recall", {"reason": "asked twice"})):
        path = f"/approvals/{approval}/{verb}"
        page = person.get(f"/approvals?open={approval}").text
        fields = {name: value.replace("&#34;", '"') for name, value in fields_of(page, path).items()}
        assert person.client.post(path, data={**fields, **said}, follow_redirects=False).status_code == 303
    now = service.call("GET", f"/v1/approvals/{approval}", role="auditor").json()
    assert now["delegations"][0]["to"] == "emp:99"
    assert now["status"] == "recalled"


def test_the_inbox_comes_by_pages(service, signed_in):
    asked = {approval_of(a_case(service)) for _ in range(27)}
    person = signed_in(service, "supervisor")
    first = person.get("/approvals").text
    following = re.search(r'rel="next" href="([^"]+)"', first)[1].replace("&amp;", "&")
    second = person.get(following).text
    pages = [set(re.findall(r'name="pick" value="(\S+) ', page)) for page in (first, second)]
    assert [len(page) for page in pages] == [25, 2]
    assert pages[0] | pages[1] == asked
    assert "27 pending" in first
    assert re.search("26.27 of 27", second)
