"""The fraud reviews of a day are a budget: what is left is a fact, and so is what a review must be worth."""

from datetime import date

from policy.budget import ALWAYS
from tests.factories import a_line

TODAY = date(2026, 11, 20)


def _facts(service, recommendation):
    with service.ledger.read() as tx:
        return tx.recommendation(recommendation).facts["known"]


def _asked(service, number, **changes):
    """A return without models: nobody knows the risk, so a fraud reviewer is asked."""
    line = a_line(return_line_id=f"A/{number}", sale__order_number=f"SO-{number}", **changes)
    return service.recommend(line).json()


def _site(service, **body):
    path = "/v1/reference/sites/DAL1"
    assert service.call("PUT", path, json=body).status_code in {200, 201}


def _past(service, losses, *, days):
    """Losses of days gone by, as the service would have recorded them."""
    with service.ledger.write() as tx:
        for day in days:
            for loss in losses:
                tx.count_loss(loss, site="DAL1", currency="USD", day=day)


def test_every_review_asked_of_the_role_is_taken_from_the_budget(make_service):
    service = make_service()
    facts = [_facts(service, _asked(service, number)["id"]) for number in range(3)]
    assert [one["fraud.reviews_left"] for one in facts] == [40, 39, 38]
    assert {one["fraud.review_threshold"] for one in facts} == {1500}


def test_the_threshold_follows_the_recorded_losses_and_the_hour(service):
    _past(service, [1000 * number for number in range(1, 101)], days=[date(2026, 11, 18), date(2026, 11, 19)])
    noon = _facts(service, _asked(service, 1)["id"])
    service.clock.forward(hours=6)
    evening = _facts(service, _asked(service, 2)["id"])
    # At noon half of a hundred returns are to come, in the evening a quarter: 40 reviews take the largest.
    assert (noon["fraud.review_threshold"], evening["fraud.review_threshold"]) == (20_999, 1500)


def test_what_the_models_expect_is_recorded_for_the_days_to_come(service):
    body = _asked(service, 1)
    loss = _facts(service, body["id"])["fraud.expected_loss"]
    with service.ledger.read() as tx:
        kept = tx.losses(TODAY, date(2026, 11, 21), site="DAL1", currency="USD")
    assert list(kept.counts.values()) == [1]
    assert (next(iter(kept.counts)) <= loss, kept.first) == (True, TODAY)


def test_a_risk_that_nobody_knows_counts_as_reviewed_in_any_case(make_service):
    service = make_service()
    _asked(service, 1)
    with service.ledger.read() as tx:
        kept = tx.losses(TODAY, date(2026, 11, 21), site="DAL1", currency="USD")
    assert kept.counts == {ALWAYS: 1}


def test_a_new_day_of_the_site_has_its_whole_budget(make_service):
    service = make_service()
    _site(service, time_zone="America/Chicago")
    _asked(service, 1)
    service.clock.forward(hours=14)  # Saturday in UTC, still Friday evening in Chicago
    assert _facts(service, _asked(service, 2)["id"])["fraud.reviews_left"] == 39
    service.clock.forward(hours=5)  # Saturday in Chicago too: it waits for Monday
    assert _facts(service, _asked(service, 3)["id"])["fraud.reviews_left"] == 40
    service.clock.forward(days=2)
    assert _facts(service, _asked(service, 4)["id"])["fraud.reviews_left"] == 39


def test_a_closed_day_of_the_site_belongs_to_the_next_open_one(make_service):
    service = make_service()
    _site(service, closed_days=["2026-11-20"])
    _asked(service, 1)
    with service.ledger.read() as tx:
        assert tx.reviews_asked("fraud_reviewer", site="DAL1", day=date(2026, 11, 23)) == 1


def test_sites_do_not_share_a_budget(make_service):
    service = make_service()
    _asked(service, 1)
    assert _facts(service, _asked(service, 2, site="RNO1")["id"])["fraud.reviews_left"] == 40


def test_a_currency_without_a_cost_of_review_has_no_threshold(make_service):
    service = make_service()
    line = a_line(credit_requested={"amount": "119.00", "currency": "EUR"})
    assert "fraud.review_threshold" not in _facts(service, service.recommend(line).json()["id"])
