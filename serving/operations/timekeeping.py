"""Time passes: what nobody decides or does is escalated, approvals are brought to mind and lapse (OPS-08).

Everything that waits carries the moment at which to look at it next, so that a round costs what is due and
not what is there. A round takes the ledger's lock page by page: two who keep time at once escalate once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Final

import structlog

from features.events import EventType
from ledger.approvals import ESCALATED, REMINDED, Approval
from ledger.chain import ConflictError
from ledger.history import GIVES_NOTHING
from ledger.outbox import Message
from ledger.store import Ledger, Transaction
from ledger.waits import Wait
from policy.approvals import State, Step, escalation
from policy.policies import PolicySet
from policy.timing.calendar import Calendar
from policy.timing.stages import STAGES
from policy.verdict import Status
from serving.case.approving import calendar_of, conclude, notify, requirement_of
from serving.stamps import iso, new_id

KEEPER: Final = "service:timekeeper"
RULE: Final = "OPS-08"
PAGE: Final = 100
LAPSES: Final = 500
AGAIN: Final = timedelta(days=1)  # what waits is looked at daily: limits and closed days change
_log = structlog.get_logger("recoup.timekeeping")


@dataclass(frozen=True, slots=True)
class Kept:
    """How many approvals lapsed, steps were climbed, reminders sent, and owners of late stages told."""

    expired: int = 0
    escalated: int = 0
    reminded: int = 0
    late: int = 0

    @classmethod
    def total(cls, many: Sequence[Kept]) -> Kept:
        """All of them together."""
        return cls(*(sum(counts) for counts in zip(*map(astuple, [cls(), *many]), strict=True)))


@dataclass(frozen=True, slots=True)
class Keeper:
    """Whoever keeps the time, at one moment and in one transaction."""

    tx: Transaction
    policies: PolicySet
    now: datetime
    calendar: Callable[[str], Calendar]

    def days(self, limit: str, *, site: str) -> int:
        """How many business days policy gives at a site."""
        return max(self.policies.at(site).limit(limit) or 1, 1)

    def next_look(self, moments: Iterable[datetime]) -> datetime | None:
        """When to look again: at the first moment still to come, within a day; None where all have passed."""
        to_come = [moment for moment in moments if moment >= self.now]
        return min([*to_come, self.now + AGAIN]) if to_come else None


def keep_time(ledger: Ledger, policies: PolicySet, now: datetime) -> Kept:
    """Let lapse what has lapsed by `now`, escalate what is late (OPS-08), remind of what lapses soon."""
    with ledger.read() as tx:
        lapsed = [approval.id for approval in tx.approvals_due(now, limit=LAPSES)]
    kept = [_lapse(ledger, name, now) for name in lapsed]
    for look in (_look_at_approvals, _look_at_lines):
        kept += _pages(ledger, policies, now, look)
    return Kept.total(kept)


def _lapse(ledger: Ledger, approval_id: str, now: datetime) -> Kept:
    """Let an approval lapse if it is still pending; what someone else does to it meanwhile stands."""
    try:
        with ledger.write() as tx:
            approval = tx.approval(approval_id, for_update=True)
            if approval.status != State.PENDING:
                return Kept()
            conclude(tx, approval, State.EXPIRED, actor=KEEPER, at=now)
            return Kept(expired=1)
    except ConflictError as error:
        _log.warning("left as it is", approval=approval_id, error=str(error))
        return Kept()


def _pages(
    ledger: Ledger, policies: PolicySet, now: datetime, look: Callable[[Keeper], list[Kept]]
) -> Iterator[Kept]:
    """Look at what is due, a page a transaction; what was looked at is due later or never again."""
    full = True
    while full:
        with ledger.write() as tx:
            page = look(Keeper(tx, policies, now, cache(partial(calendar_of, tx))))
        yield from page
        full = len(page) == PAGE


def _look_at_approvals(keeper: Keeper) -> list[Kept]:
    page = keeper.tx.approvals_to_look_at(keeper.now, limit=PAGE)
    taken = keeper.tx.approval_steps([approval.id for approval in page])
    return [_attend(keeper, approval, taken[approval.id]) for approval in page]


def _attend(keeper: Keeper, approval: Approval, taken: Mapping[str, int]) -> Kept:
    """Take the steps of an approval whose time has come, remind of it once, and say when to look again."""
    tx, now, expires = keeper.tx, keeper.now, approval.expires_at
    if expires is None or expires <= now:
        tx.look_at_approval(approval.id, at=None)
        return Kept()
    climb, calendar = _climb(keeper, approval), keeper.calendar(approval.site)
    days = keeper.days("approve_days", site=approval.site)
    moments = [calendar.after(approval.created_at, days * place) for place in range(1, len(climb) + 1)]
    ripe = sum(moment < now for moment in moments)
    steps = climb[taken[ESCALATED] : ripe]
    for number, step in enumerate(steps, start=taken[ESCALATED] + 1):
        _escalate(tx, approval, step, number, now)
    half = approval.created_at + (expires - approval.created_at) / 2
    remind_at = max(half, calendar.before(expires, 1))
    remind = remind_at < now and not taken[REMINDED]
    if remind:
        _remind(tx, approval, now)
    tx.look_at_approval(approval.id, at=keeper.next_look([*moments, remind_at]))
    return Kept(escalated=len(steps), reminded=int(remind))


def _climb(keeper: Keeper, approval: Approval) -> tuple[Step, ...]:
    book = keeper.policies.at(approval.site)
    owner = next((rule.owner for rule in book.rules if rule.id == approval.rule), "")
    return escalation(requirement_of(approval, book.authority), owner=owner)


def _look_at_lines(keeper: Keeper) -> list[Kept]:
    return [_hurry(keeper, wait) for wait in keeper.tx.waits_to_look_at(keeper.now, limit=PAGE)]


def _hurry(keeper: Keeper, wait: Wait) -> Kept:
    """Tell of a line that has been in its stage for too long: the stage's owner, then the service manager."""
    stage, site = STAGES[wait.stage], wait.site or ""
    calendar, days = keeper.calendar(site), keeper.days(stage.limit, site=site)
    moments = [calendar.after(wait.since, days * place) for place in range(1, len(stage.told) + 1)]
    ripe = wait.steps
    if not _is_with_approvers(wait):
        ripe = max(ripe, sum(moment < keeper.now for moment in moments))
    elif ripe < len(stage.told):
        moments.append(keeper.now + AGAIN)
    if _is_owed_nothing(wait):
        ripe, moments = wait.steps, []
    for number in range(wait.steps, ripe):
        _tell_of_line(keeper, wait, number + 1, stage.told[number])
    keeper.tx.look_at_wait(wait.return_line_id, steps=ripe, at=keeper.next_look(moments))
    return Kept(late=ripe - wait.steps)


def _is_with_approvers(wait: Wait) -> bool:
    """Whether its approvals climb by themselves: nobody is told of one delay twice."""
    return wait.stage == "approve" and wait.status == Status.PENDING_APPROVAL


def _is_owed_nothing(wait: Wait) -> bool:
    """Whether no credit will come because none was given."""
    return wait.stage == "credit" and (wait.credit_minor == 0 or wait.status in GIVES_NOTHING)


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


def _tell_of_line(keeper: Keeper, wait: Wait, step: int, role: str) -> None:
    where = {"rule": RULE, "stage": wait.stage, "site": wait.site, "since": iso(wait.since)}
    data = {**where, "step": step, "told": [role]}
    kind, line = EventType.APPROVAL_ESCALATED, wait.return_line_id
    keeper.tx.enqueue(Message(new_id("msg"), kind, line, data, keeper.now, KEEPER))
