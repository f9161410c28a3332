"""Outgoing events reach a real receiver over HTTP, signed, at least once."""

import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from standardwebhooks import Webhook

from ledger.outbox import Endpoint
from serving.webhooks.relay import BACKOFF, client_of, relay_once
from tests.factories import a_line

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def receiver():
    """A receiver that answers what it is told to and keeps what it got."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.got.append((dict(self.headers), body))
            status, *headers = self.server.answers.pop(0) if self.server.answers else (204,)
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.got, server.answers = [], []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def service(make_service, receiver):
    made = make_service()
    url = f"http://127.0.0.1:{receiver.server_port}/hook"
    with made.ledger.write() as tx:
        one = Endpoint("whk_1", url, SECRET, ("returns.recommendation.issued.v1",))
        tx.put_endpoint(one, actor="service:test", at=made.clock())
    return made


def relay(service, *, to_private=True):
    with client_of(to_private=to_private) as client:
        return relay_once(service.ledger, client, now=service.clock)


def test_a_recommendation_goes_out_signed(service, receiver):
    recommendation = service.recommend(a_line()).json()
    relay(service)
    headers, body = receiver.got[0]
    lowered = {name.lower(): value for name, value in headers.items()}
    assert lowered["webhook-signature"] == Webhook(SECRET).sign(
        lowered["webhook-id"], service.clock(), body.decode()
    )
    event = json.loads(body)
    assert event["type"] == "returns.recommendation.issued.v1"
    assert event["data"]["recommendation_id"] == recommendation["id"]


def test_a_failed_delivery_is_tried_again_later_and_only_then(service, receiver):
    receiver.answers = [(500,)]
    service.recommend(a_line())
    relay(service)
    relay(service)
    assert len(receiver.got) == 1
    service.clock.forward(minutes=10)
    relay(service)
    assert len(receiver.got) == 2
    assert receiver.got[0][1] == receiver.got[1][1]


def test_a_receiver_that_is_gone_is_never_called_again(service, receiver):
    receiver.answers = [(410,)]
    service.recommend(a_line())
    relay(service)
    service.recommend(a_line(return_line_id="RMA-2/1"))
    service.clock.forward(days=2)
    relay(service)
    assert len(receiver.got) == 1


def test_a_relay_that_died_gives_its_batch_back(service, receiver):
    service.recommend(a_line())
    now = service.clock()
    with service.ledger.queue() as queue:
        queue.claim(at=now, until=now + timedelta(minutes=2))
    relay(service)
    assert receiver.got == []
    service.clock.forward(minutes=3)
    relay(service)
    assert len(receiver.got) == 1


def test_a_redirect_is_no_delivery_and_is_not_followed(service, receiver):
    receiver.answers = [(307, ("Location", f"http://127.0.0.1:{receiver.server_port}/inside"))]
    service.recommend(a_line())
    relay(service)
    assert len(receiver.got) == 1
    assert states(service)["pending"] > 0


def test_an_address_inside_is_never_called_unless_it_is_allowed(service, receiver):
    service.recommend(a_line())
    assert relay(service, to_private=False) > 0
    assert receiver.got == []
    assert "delivered" not in states(service)


def test_a_receiver_says_when_to_come_again(service, receiver):
    receiver.answers = [(503, ("Retry-After", "3600"))]
    service.recommend(a_line())
    relay(service)
    service.clock.forward(minutes=50)
    relay(service)
    assert len(receiver.got) == 1
    service.clock.forward(minutes=15)
    relay(service)
    assert len(receiver.got) == 2


def test_what_never_arrives_is_given_up_counted_and_sent_again_on_demand(service, receiver):
    receiver.answers = [(500,)] * (len(BACKOFF) + 1)
    service.recommend(a_line())
    for _ in range(len(BACKOFF) + 2):
        relay(service)
        service.clock.forward(days=2)
    assert states(service) == {"dead": 1}
    assert len(receiver.got) == len(BACKOFF) + 1
    path = "/v1/webhook-endpoints/whk_1"
    (dead,) = service.call("GET", f"{path}/deliveries", role="admin").json()["items"]
    assert (dead["error"], dead["type"]) == ("HTTP 500", "returns.recommendation.issued.v1")
    assert traffic(service)["dead_lettered"] == 1
    body = {"since": "2026-11-01T00:00:00Z", "dead_only": True}
    assert service.call("POST", f"{path}/replay", role="admin", json=body).json() == {"messages": 1}
    relay(service)
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert states(service) == {"delivered": 1}
    found = traffic(service)
    assert (found["sent"], found["dead_lettered"], found["replayed"]) == (1, 0, 1)


def test_events_that_came_before_are_counted_apart(service):
    event = {
        "specversion": "1.0",
        "id": "7",
        "source": "wms",
        "type": "returns.receipt.confirmed.v1",
        "subject": "RMA-1/1",
        "time": "2026-11-20T11:00:00Z",
    }
    for _ in range(3):
        assert service.call("POST", "/v1/events", json=event).status_code == 202
    assert service.call("POST", "/v1/events", json=[event, {**event, "id": "8"}]).json()["new"] == 1
    found = traffic(service)
    assert (found["duplicates"], found["sent"]) == (3, 2)


def states(service):
    with service.ledger.queue() as queue:
        return queue.counts()


def traffic(service):
    path = "/v1/metrics/operations?from=2026-11-01T00:00:00Z&to=2027-03-01T00:00:00Z"
    return service.call("GET", path, role="auditor").json()["metrics"]["integration"]
