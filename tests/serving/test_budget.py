"""The fraud reviews of a day are a budget: what is left is a fact, and so is what a review must be worth."""

from tests.factories import a_line


def _facts(service, recommendation):
    with service.ledger.read() as tx:
        return tx.recommendation(recommendation).facts["known"]


def _asked(service, number):
    """A return without models: nobody knows the risk, so a fraud reviewer is asked."""
    return service.recommend(a_line(return_line_id=f"A/{number}", sale__order_number=f"SO-{number}")).json()


def test_the_threshold_stays_at_the_cost_while_the_day_keeps_pace(make_service):
    service = make_service()  # noon: twenty of forty reviews are the pace
    facts = [_facts(service, _asked(service, number)["id"]) for number in range(3)]
    left = [one["fraud.reviews_left"] for one in facts]
    assert left[0] == 40 > left[1] > left[2]
    assert {one["fraud.review_threshold"] for one in facts} == {1500}


def test_ahead_of_the_days_pace_a_review_must_be_worth_more(make_service):
    service = make_service()
    service.clock.forward(hours=12, minutes=1)  # the next day has just begun
    thresholds = [_facts(service, _asked(service, n)["id"])["fraud.review_threshold"] for n in range(4)]
    assert thresholds == sorted(thresholds)
    assert thresholds[0] == 1500 < thresholds[-1]


def test_a_new_day_has_its_whole_budget(make_service):
    service = make_service()
    _asked(service, 1)
    service.clock.forward(days=1)
    assert _facts(service, _asked(service, 2)["id"])["fraud.reviews_left"] == 40


def test_a_currency_without_a_cost_of_review_has_no_threshold(make_service):
    service = make_service()
    line = a_line(credit_requested={"amount": "119.00", "currency": "EUR"})
    assert "fraud.review_threshold" not in _facts(service, service.recommend(line).json()["id"])
