"""A day's batch prices the sites, and a single return pays for the place that it takes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from serving.case.sites import known_sites, price_sites
from tests.factories import a_line
from tests.serving.conftest import Service

SITES = {
    "DAL1": {"region": "US-SOUTH", "free_capacity": 2, "freight_per_kg": 1.0, "hazmat": True},
    "RNO1": {"region": "US-WEST", "free_capacity": 50, "freight_per_kg": 1.0, "hazmat": True},
}


@pytest.fixture
def service(make_service: Callable[..., Service], champions: object) -> Service:
    """A service with a small site near and a large one far away."""
    made = make_service(champions)
    with made.ledger.write() as tx:
        for name, body in SITES.items():
            tx.put_reference("sites", name, body=body, actor="service:wms", at=made.clock())
    return made


def ask(service: Service, number: int, weight: float) -> dict[str, object]:
    """Recommend for one line of its own, of a weight, in the South."""
    line = a_line(return_line_id=f"R-{number}/1", sale__order_number=f"SO-{number}", item__weight_kg=weight)
    answer: dict[str, object] = service.recommend(line).json()
    return answer


def priced(service: Service) -> int:
    return price_sites(service.ledger, service.clock())


def test_once_a_batch_fought_over_a_site_a_light_return_leaves_it_to_a_heavy_one(service: Service):
    """Without a price everything goes to the near site; with one, what is cheap to ship goes further."""
    routed = [ask(service, number, weight)["routing"]["site"] for number, weight in enumerate((1, 4, 8, 9))]
    assert set(routed) == {"DAL1"}
    assert priced(service) == 4
    with service.ledger.read() as tx:
        prices = {site.name: site.price for site in known_sites(tx)}
    assert prices["DAL1"] > 0
    assert prices["RNO1"] == 0
    assert ask(service, 10, 1.0)["routing"]["site"] == "RNO1"
    assert ask(service, 11, 9.5)["routing"]["site"] == "DAL1"


def test_a_day_is_priced_once_and_the_next_day_anew(service: Service):
    """A round within the day does nothing; after it the newest lines alone count."""
    ask(service, 1, 3.0)
    assert priced(service) == 1
    assert priced(service) == 0
    service.clock.forward(hours=25)
    assert priced(service) == 0  # nobody asked since
    ask(service, 2, 3.0)
    assert priced(service) == 1


def test_the_prices_paid_are_part_of_what_is_replayed(service: Service):
    """An exact replay routes by the prices of then, whatever they are now."""
    first = ask(service, 1, 3.0)
    priced(service)
    again = service.call("POST", f"/v1/recommendations/{first['id']}/replay", role="auditor", json={}).json()
    assert again["models"]["differences"] == {}
    with service.ledger.read() as tx:
        kept = tx.recommendation(str(first["id"])).facts["inputs"]["sites"]
    assert {site["name"]: site["price"] for site in kept} == {"DAL1": 0.0, "RNO1": 0.0}
