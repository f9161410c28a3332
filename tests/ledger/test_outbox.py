"""What callers are told: one answer a key, and messages that leave at least once."""

import threading

import pytest

from ledger.chain import IdempotencyInFlightError, NotInLedgerError
from ledger.outbox import Endpoint, Message, Remembered
from ledger.store import Ledger
from tests.ledger.records import NOON, a_recommendation, after

ANSWER = Remembered("sha256:p", 201, {"id": "rec_1", "score": 0.5}, {"ETag": '"1"'})


def message(number: int = 1) -> Message:
    return Message(f"msg_{number}", "returns.credit.approved.v1", "RMA-1/1", {"n": number}, NOON, "service:x")


def test_an_answer_is_remembered_for_its_owner_and_key(ledger: Ledger):
    with ledger.write() as tx:
        assert tx.remembered("key:a", "k") is None
        tx.remember("key:a", "k", ANSWER, at=NOON)
    with ledger.read() as tx:
        assert tx.remembered("key:a", "k") == ANSWER
        assert tx.remembered("key:b", "k") is None


def test_an_answer_is_forgotten_only_when_old(ledger: Ledger):
    with ledger.write() as tx:
        tx.remember("key:a", "k", ANSWER, at=NOON)
        assert tx.forget_answers(before=NOON) == 0
        assert tx.forget_answers(before=after(hours=1)) == 1


def test_of_two_requests_with_one_key_the_second_does_nothing(ledger: Ledger):
    outcomes = []

    def request(number: int) -> None:
        try:
            with ledger.write() as tx:
                tx.add_recommendation(a_recommendation(f"RMA-{number}/1"))
                tx.remember("key:a", "k", ANSWER, at=NOON)
            outcomes.append("did")
        except IdempotencyInFlightError as refusal:
            outcomes.append(refusal.code)

    threads = [threading.Thread(target=request, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["did"] + ["idempotency_in_flight"] * 11
    with ledger.read() as tx:
        assert len(tx.recommendations()) == 1


@pytest.fixture
def endpoint(ledger: Ledger) -> Endpoint:
    one = Endpoint("end_1", "https://example.org/hook", "whsec_x", ("returns.credit.approved.v1",))
    with ledger.write() as tx:
        tx.put_endpoint(one, actor="emp:1", at=NOON)
        tx.put_endpoint(
            Endpoint("end_2", "https://example.org/other", "whsec_y", ("other",)), actor="emp:1", at=NOON
        )
    return one


def test_a_message_goes_to_the_endpoints_that_want_it(ledger: Ledger, endpoint: Endpoint):
    with ledger.write() as tx:
        tx.enqueue(message())
    with ledger.queue() as queue:
        (delivery,) = queue.claim(at=NOON, until=after(minutes=1))
        assert (delivery.endpoint_id, delivery.message, delivery.attempts) == (endpoint.id, message(), 1)
        queue.delivered(delivery)
        assert queue.counts() == {"delivered": 1}


def test_a_message_of_a_failed_transaction_never_leaves(ledger: Ledger, endpoint: Endpoint):
    with pytest.raises(RuntimeError), ledger.write() as tx:  # noqa: PT012
        tx.enqueue(message())
        raise RuntimeError
    with ledger.queue() as queue:
        assert queue.claim(at=after(days=1), until=after(days=2)) == ()


def test_what_a_crashed_relay_claimed_is_claimed_again_later(ledger: Ledger, endpoint: Endpoint):
    with ledger.write() as tx:
        tx.enqueue(message())
    with ledger.queue() as queue:
        queue.claim(at=NOON, until=after(minutes=1))
        assert queue.claim(at=after(seconds=59), until=after(minutes=2)) == ()
        (again,) = queue.claim(at=after(minutes=1), until=after(minutes=2))
        assert again.attempts == 2


def test_a_failed_attempt_is_retried_then_given_up_then_replayed(ledger: Ledger, endpoint: Endpoint):
    with ledger.write() as tx:
        tx.enqueue(message())
    with ledger.queue() as queue:
        (first,) = queue.claim(at=NOON, until=after(minutes=1))
        queue.retry(first, at=after(hours=1), error="503")
        (second,) = queue.claim(at=after(hours=1), until=after(hours=2))
        queue.dead(second, error="gone")
        assert queue.claim(at=after(days=9), until=after(days=10)) == ()
    with ledger.write() as tx:
        assert tx.replay(endpoint.id, since=NOON, actor="emp:1", at=after(days=1)) == 1
        with pytest.raises(NotInLedgerError):
            tx.replay("end_x", since=NOON, actor="emp:1", at=NOON)
    with ledger.queue() as queue:
        assert len(queue.claim(at=after(days=1), until=after(days=2))) == 1


def test_two_relays_never_hold_the_same_delivery(ledger: Ledger, endpoint: Endpoint):
    with ledger.write() as tx:
        for number in range(6):
            tx.enqueue(message(number))
    if ledger._engine.dialect.name == "sqlite":
        pytest.skip("on SQLite the second relay waits for the first")
    with ledger.queue() as one, ledger.queue() as other:
        mine = one.claim(at=NOON, until=after(minutes=1), limit=4)
        theirs = other.claim(at=NOON, until=after(minutes=1), limit=4)
    assert (len(mine), len(theirs)) == (4, 2)
    assert not {one.message.id for one in mine} & {one.message.id for one in theirs}


def test_a_disabled_endpoint_gets_nothing_more(ledger: Ledger, endpoint: Endpoint):
    with ledger.write() as tx:
        tx.disable_endpoint(endpoint.id, actor="emp:1", at=NOON)
        tx.enqueue(message())
        assert [one.active for one in tx.endpoints()] == [False, True]
        with pytest.raises(NotInLedgerError):
            tx.disable_endpoint("end_x", actor="emp:1", at=NOON)
    with ledger.queue() as queue:
        assert queue.claim(at=NOON, until=after(minutes=1)) == ()
