"""What people are asked to look at is counted by site and day, and open reviews are found by an index."""

from __future__ import annotations

from datetime import date

from sqlalchemy import text

from ledger.reviews.quality import Draw
from ledger.store import Ledger
from tests.ledger.records import NOON, a_recommendation, after

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)


def _drawn(ledger: Ledger, number: int, *, site: str = "DAL1") -> str:
    with ledger.write() as tx:
        one = a_recommendation(f"RMA-{number}/1", id=f"rec_{number}")
        tx.add_recommendation(one)
        body = {"site": site, "permille": 15}
        tx.put_reference("quality_reviews", one.id, body=body, actor="service:x", at=NOON)
        tx.add_draw(Draw(one.id, site, NOON, 15, agrees=None))
    return one.id


def test_reviews_are_counted_by_role_site_and_day(ledger: Ledger):
    with ledger.write() as tx:
        for _ in range(3):
            tx.count_review("fraud_reviewer", site="DAL1", day=MONDAY)
        tx.count_review("fraud_reviewer", site="DAL1", day=TUESDAY)
        tx.count_review("supervisor", site="RNO1", day=MONDAY)
    with ledger.read() as tx:
        assert tx.reviews_asked("fraud_reviewer", site="DAL1", day=MONDAY) == 3
        assert tx.reviews_asked("fraud_reviewer", site="RNO1", day=MONDAY) == 0
        rows = tx.reviews_by_day(MONDAY, MONDAY)
        assert [(row["site"], row["role"], row["count"]) for row in rows] == [
            ("DAL1", "fraud_reviewer", 3),
            ("RNO1", "supervisor", 1),
        ]
        assert len(tx.reviews_by_day(MONDAY, TUESDAY, site="DAL1")) == 2


def test_losses_are_those_of_the_days_before_at_one_site_in_one_currency(ledger: Ledger):
    with ledger.write() as tx:
        for day, site, currency in (
            (MONDAY, "DAL1", "USD"),
            (MONDAY, "DAL1", "USD"),
            (TUESDAY, "DAL1", "USD"),
            (MONDAY, "RNO1", "USD"),
            (MONDAY, "DAL1", "EUR"),
        ):
            tx.count_loss(1500, site=site, currency=currency, day=day)
    with ledger.read() as tx:
        kept = tx.losses(MONDAY, TUESDAY, site="DAL1", currency="USD")
        assert (kept.counts, kept.first) == ({1500: 2}, MONDAY)
        assert tx.losses(TUESDAY, TUESDAY, site="DAL1", currency="USD").first is None


def test_open_draws_come_by_pages_and_leave_when_they_are_answered(ledger: Ledger):
    drawn = [_drawn(ledger, number, site="RNO1" if number == 3 else "DAL1") for number in range(5)]
    with ledger.write() as tx:
        tx.close_draw(drawn[1], agrees=False)
    with ledger.read() as tx:
        first = tx.open_draws(sites=["DAL1"], limit=2)
        rest = tx.open_draws(sites=["DAL1"], limit=2, after=first[-1].recommendation_id)
        assert [[one.recommendation_id for one in page] for page in (first, rest)] == [
            [drawn[0], drawn[2]],
            [drawn[4]],
        ]
        assert len(tx.open_draws()) == 4
        told = tx.draw(drawn[1])
        assert told is not None
        assert (told.is_open, told.agrees) == (False, False)
        assert len(tx.draws_between(NOON, after(days=1), site="RNO1")) == 1


def test_draws_of_before_keep_their_place_and_their_answer(empty_url: str):
    ledger = Ledger(empty_url)
    ledger.migrate()
    drawn = [_drawn(ledger, number) for number in range(2)]
    body = {"site": "DAL1", "permille": 15, "agrees": True}
    with ledger.write() as tx:
        tx.put_reference("quality_reviews", drawn[0], body=body, actor="emp:qa", at=after(days=1))
    with ledger._begin(exclusive=True) as connection:  # as it was before
        for table in ("quality_state", "loss_counts", "review_counts"):
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0006'"))
    ledger.migrate(to="0007")
    with ledger._begin() as connection:
        rows = connection.execute(
            text("SELECT recommendation_id, status, permille, agrees FROM quality_state ORDER BY seq")
        )
        assert [(*row[:3], row[3] if row[3] is None else bool(row[3])) for row in rows] == [
            (drawn[0], "answered", 15, True),
            (drawn[1], "open", 15, None),
        ]
    ledger.close()
