"""Time passes: approvals that nobody decides are escalated, brought to mind and lapse.

Each change is a transaction of its own and looks again under the ledger's lock, so that two who keep time
at once escalate once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from features.events import EventType
from ledger.approvals import ESCALATED, REMINDED, Approval
from ledger.chain import ConflictError
from ledger.store import Ledger, Transaction
from policy.approvals import State, Step, escalation
from policy.policies import PolicySet
from policy.rulebook import Rulebook
from policy.timing.calendar import Calendar
from serving.case.approving import calendar_of, conclude, notify, requirement_of
from serving.stamps import iso

KEEPER: Final = "service:timekeeper"
PAGE: Final = 500
YOUNGEST: Final = timedelta(hours=12)  # nothing is due sooner: half of the shortest life, one business day
_log = structlog.get_logger("recoup.timekeeping")


@dataclass(frozen=True, slots=True)
class Kept:
    """How many approvals lapsed, how many steps were climbed and how many reminders sent."""

    expired: int = 0
    escalated: int = 0
    reminded: int = 0


@dataclass(frozen=True, slots=True)
class Due:
    """What the time of an approval asks for: the steps to climb now, and whether to remind its voters."""

    steps: tuple[Step, ...] = ()
    remind: bool = False

    def __bool__(self) -> bool:
        return bool(self.steps) or self.remind


Change = Callable[[Transaction, Approval], Kept]


def keep_time(ledger: Ledger, policies: PolicySet, now: datetime) -> Kept:
    """Let lapse what has lapsed by `now`, escalate what is late (OPS-08), remind of what lapses soon."""

    def lapse(tx: Transaction, approval: Approval) -> Kept:
        assert approval.expires_at is not None
        if approval.expires_at > now:
            return Kept()
        conclude(tx, approval, State.EXPIRED, actor=KEEPER, at=now)
        return Kept(expired=1)

    def attend(tx: Transaction, approval: Approval) -> Kept:
        taken = tx.approval_steps([approval.id])[approval.id]
        due = _due(approval, taken, policies.at(approval.site), calendar_of(tx, approval.site), now)
        for number, step in enumerate(due.steps, start=taken[ESCALATED] + 1):
            _escalate(tx, approval, step, number, now)
        if due.remind:
            _remind(tx, approval, now)
        return Kept(escalated=len(due.steps), reminded=int(due.remind))

    with ledger.read() as tx:
        lapsed = [approval.id for approval in tx.approvals_due(now, limit=PAGE)]
    kept = [_apply(ledger, name, lapse) for name in lapsed]
    kept += [_apply(ledger, name, attend) for name in _waiting(ledger, policies, now)]
    return Kept(*(sum(counts) for counts in zip(*map(astuple, kept), strict=True)))


def _waiting(ledger: Ledger, policies: PolicySet, now: datetime) -> list[str]:
    """The approvals for which something is due, whatever a second look under the lock then finds."""
    waiting: list[str] = []
    calendars: dict[str, Calendar] = {}
    with ledger.read() as tx:
        for page in _pages(tx, now):
            steps = tx.approval_steps([approval.id for approval in page])
            for approval in page:
                site = approval.site
                if site not in calendars:
                    calendars[site] = calendar_of(tx, site)
                if _due(approval, steps[approval.id], policies.at(site), calendars[site], now):
                    waiting.append(approval.id)
    return waiting


def _pages(tx: Transaction, now: datetime) -> Iterator[tuple[Approval, ...]]:
    """Pending approvals, the oldest first, up to those too young for anything to be due."""
    last: str | None = None
    while page := tx.approvals(after=last, limit=PAGE):
        yield page
        last = page[-1].id
        if page[-1].created_at > now - YOUNGEST:
            return


def _due(
    approval: Approval, taken: Mapping[str, int], book: Rulebook, calendar: Calendar, now: datetime
) -> Due:
    expires = approval.expires_at
    if expires is None or expires <= now:
        return Due()
    days = max(book.limit("approve_days") or 1, 1)
    owner = next((rule.owner for rule in book.rules if rule.id == approval.rule), "")
    climb = escalation(requirement_of(approval, book.authority), owner=owner)
    ripe = [
        step
        for place, step in enumerate(climb, start=1)
        if calendar.is_overdue(approval.created_at, business_days=days * place, now=now)
    ]
    late = now >= approval.created_at + (expires - approval.created_at) / 2
    soon = late and calendar.after(now, 1) >= expires
    return Due(tuple(ripe[taken[ESCALATED] :]), soon and not taken[REMINDED])


def _apply(ledger: Ledger, approval_id: str, change: Change) -> Kept:
    """Make a change to an approval if it is still pending; what someone else changes meanwhile stands."""
    try:
        with ledger.write() as tx:
            approval = tx.approval(approval_id, for_update=True)
            return change(tx, approval) if approval.status == State.PENDING else Kept()
    except ConflictError as error:
        _log.warning("left as it is", approval=approval_id, error=str(error))
        return Kept()


def _escalate(tx: Transaction, approval: Approval, step: Step, number: int, now: datetime) -> None:
    # Whoever was asked stays asked, whatever the limits of now say: a circle only widens.
    roles = tuple(dict.fromkeys((*tx.approval(approval.id).roles, *step.roles)))
    tx.escalate_approval(approval.id, roles=roles, expires_at=approval.expires_at, actor=KEEPER, at=now)
    data = {"rule": approval.rule, "site": approval.site, "step": number, "told": list(step.told)}
    _tell(tx, EventType.APPROVAL_ESCALATED, approval, {**data, "roles": list(roles)}, now)


def _remind(tx: Transaction, approval: Approval, now: datetime) -> None:
    tx.remind_of_approval(approval.id, actor=KEEPER, at=now)
    data = {"rule": approval.rule, "site": approval.site, "roles": list(approval.roles), "reminder": True}
    _tell(tx, EventType.APPROVAL_REQUESTED, approval, data, now)


def _tell(
    tx: Transaction, kind: EventType, approval: Approval, data: Mapping[str, object], now: datetime
) -> None:
    assert approval.expires_at is not None
    notify(tx, kind, approval, {**data, "expires_at": iso(approval.expires_at)}, actor=KEEPER, at=now)
