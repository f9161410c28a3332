"""Outgoing events reach a real receiver over HTTP, signed, at least once."""

import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from standardwebhooks import Webhook

from ledger.outbox import Endpoint
from serving.operations.relay import relay_once
from tests.factories import a_line

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def receiver():
    """A receiver that answers what it is told to and keeps what it got."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.got.append((dict(self.headers), body))
            self.send_response(self.server.answers.pop(0) if self.server.answers else 204)
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
def service(make_service, champions, receiver):
    made = make_service(champions)
    url = f"http://127.0.0.1:{receiver.server_port}/hook"
    with made.ledger.write() as tx:
        tx.put_endpoint(Endpoint("whk_1", url, SECRET), actor="service:test", at=made.clock())
    return made


def relay(service):
    with httpx.Client() as client:
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
    receiver.answers = [500]
    service.recommend(a_line())
    relay(service)
    relay(service)
    assert len(receiver.got) == 1
    service.clock.forward(minutes=10)
    relay(service)
    assert len(receiver.got) == 2
    assert receiver.got[0][1] == receiver.got[1][1]


def test_a_receiver_that_is_gone_is_never_called_again(service, receiver):
    receiver.answers = [410]
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
