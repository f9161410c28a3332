"""The default policy and the facts of one plain return, for every test of the room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from features.returns import Disposition, Money, Stage
from policy.guardrails import PolicySet, Proposal, Verdict, judge
from policy.policies import DEFAULT_RULES, files_of

Judge = Callable[..., Verdict]

# The request of the contract's example: a drill, defective after three weeks, 119.00 USD.
PLAIN: dict[str, Any] = {
    "reason": "DEFECTIVE",
    "line.quantity": 1,
    "line.already_returned": 0,
    "line.requested_on": 20261120,
    "sale.claimed": True,
    "sale.known": True,
    "sale.quantity": 1,
    "sale.days_since": 21,
    "sale.price_paid": 11900,
    "credit.currency_known": True,
    "credit.without_return": False,
    "credit.already_given": 0,
    "customer.credits_30d": 0,
    "customer.requests_under_limit_30d": 0,
    "customer.kept_this_year": 0,
    "contract.window_days": 30,
    "contract.advance_credit": False,
    "contract.rotation_agreed": False,
    "contract.rotation_left": 0,
    "contract.keep_cap_yearly": 20000,
    "supplier.authorized": False,
    "supplier.recoverable": 0,
    "supplier.owner_consents": False,
    "item.regulatory": ["NONE"],
    "item.handling": ["SERIALIZED"],
    "item.unit_cost": 8000,
    "item.recallable": False,
    "item.recalled": False,
    "item.dated": False,
    "item.espr_derogation": False,
    "inspection.grade": "UNGRADED",
    "inspection.serials_compared": False,
    "documents.kinds": [],
    "documents.contradict": False,
    "recovery.best": 6120,
    "recovery.freight_and_handling": 1500,
    "models.degraded": False,
    "models.in_domain": True,
    "models.set_size": 1,
    "fraud.score": 0.03,
    "fraud.band": "low",
    "fraud.expected_loss": 357,
    "fraud.reviews_left": 40,
    "fraud.review_threshold": 1500,
}


@pytest.fixture(scope="session")
def policies() -> PolicySet:
    """The default policy, loaded once."""
    return PolicySet.load(DEFAULT_RULES)


@pytest.fixture(scope="session")
def files() -> dict[str, str]:
    """The default policy as texts, to be spoilt."""
    return files_of(DEFAULT_RULES)


@pytest.fixture(scope="session")
def plain() -> dict[str, Any]:
    """The facts of the plain return."""
    return dict(PLAIN)


@pytest.fixture(scope="session")
def judged(policies: PolicySet) -> Judge:
    """Judge the plain return with the differences that are given; a fact set to ... is removed."""

    def judged(
        facts: dict[str, Any] | None = None,
        *,
        stage: Stage = Stage.AUTHORIZATION,
        credit: Money | None = None,
        candidates: tuple[Disposition, ...] = (
            Disposition.REFURBISH,
            Disposition.RESTOCK,
            Disposition.RECYCLE,
        ),
        site: str = "DAL1",
    ) -> Verdict:
        known = {name: value for name, value in {**PLAIN, **(facts or {})}.items() if value is not ...}
        proposal = Proposal(stage, known, credit or Money(11900, "USD"), candidates)
        return judge(policies, proposal, site=site)

    return judged
