"""The reviews of a role and day at a site: what is left of them, and what the next one must be worth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from ledger.store import Transaction
from policy.budget import ALWAYS, Day, business_day, days_between, review_threshold, rung, window, zone_of
from policy.language import FactValue
from policy.rulebook import Rulebook
from policy.timing.calendar import Calendar
from policy.verdict import Proposal

THRESHOLD: Final = "fraud.review_threshold"
LEFT: Final = "fraud.reviews_left"
BUDGET: Final = "fraud_reviews_per_day"
COST: Final = "fraud_review_cost"


@dataclass(frozen=True, slots=True)
class Desk:
    """A site on one of its business days, and the currency of the case."""

    site: str
    currency: str
    day: Day
    calendar: Calendar


def desk_of(tx: Transaction, site: str, currency: str, *, now: datetime) -> Desk:
    """The site's business day in its own time zone, by its master data."""
    found = tx.reference("sites", site)
    register = found.body if found else {}
    calendar = Calendar.of_site(register)
    return Desk(site, currency, business_day(now, zone=zone_of(register), calendar=calendar), calendar)


class Desks:
    """The business days of many cases, each site's master data read once."""

    def __init__(self, tx: Transaction) -> None:
        self._registers = {one.id: one.body for one in tx.references("sites")}
        self._sites: dict[str, tuple[tzinfo, Calendar]] = {}

    def of(self, site: str, at: datetime) -> tuple[str, str]:
        """The site and its business day as text."""
        if site not in self._sites:
            register = self._registers.get(site, {})
            self._sites[site] = (zone_of(register), Calendar.of_site(register))
        zone, calendar = self._sites[site]
        return site, business_day(at, zone=zone, calendar=calendar).date.isoformat()


def facts(tx: Transaction, desk: Desk, book: Rulebook) -> dict[str, FactValue]:
    """What the judge is told of the budget; without a price of a review in this currency, no threshold."""
    budget = book.limits[BUDGET]
    used = tx.reviews_asked(budget.budget_of or "", site=desk.site, day=desk.day.date)
    left = max((budget.at("") or 0) - used, 0)
    cost = book.limit(COST, currency=desk.currency)
    return {LEFT: left} if cost is None else {LEFT: left, THRESHOLD: _threshold(tx, desk, cost, left)}


def _threshold(tx: Transaction, desk: Desk, cost: int, left: int) -> int:
    today = desk.day.date
    past = tx.losses(window(today, desk.calendar), today, site=desk.site, currency=desk.currency)
    days = days_between(past.first, today, desk.calendar) if past.first else 0
    return review_threshold(cost, left=left, to_come=desk.day.to_come, counts=past.counts, days=days)


def note(tx: Transaction, desk: Desk, book: Rulebook, proposal: Proposal, *, asked: Iterable[str]) -> None:
    """Count the roles that are asked, and the expected loss where a rule of this stage weighs it."""
    for role in asked:
        tx.count_review(role, site=desk.site, day=desk.day.date)
    if THRESHOLD in book.rounds(proposal.stage)[0].names:
        loss, band = proposal.facts.get("fraud.expected_loss"), proposal.facts.get("fraud.band")
        # What is not known is reviewed in any case, and so is a high band.
        counted = rung(loss) if isinstance(loss, int) and band != "high" else ALWAYS
        tx.count_loss(counted, site=desk.site, currency=desk.currency, day=desk.day.date)
