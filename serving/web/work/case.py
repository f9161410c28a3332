"""One approval with all that a person needs to decide it; read here, decided by the API's own functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from features.returns import RecoupError
from ledger.approvals import Approval
from ledger.recommendations import Recommendation
from ledger.store import Transaction
from policy import approvals as rules
from policy.approvals import OverrideReason, State
from policy.authority import APPROVERS
from serving import auth
from serving.access import Action, allowed
from serving.api import approvals as api
from serving.auth import Caller
from serving.case import quality
from serving.case.approving import circle_of, delegated
from serving.runtime import Runtime
from serving.web.work.evidence import sheet

# What the past of those behind a return says, in the words of the page: figure, words, whether it is money.
PAST: Final = (
    ("Customer", "customer_count_365d", "returns in the last year", False),
    ("Customer", "customer_count_ever", "returns ever", False),
    ("Customer", "customer_credit_365d", "credit asked in the last year", True),
    ("Customer", "customer_fraud_confirmed_ever", "confirmed frauds", False),
    ("Customer", "customer_poor_ever", "items found worse than said (grade C or below)", False),
    ("Address", "address_customers_ever", "customers at this address", False),
    ("Address", "address_fraud_confirmed_ever", "confirmed frauds at this address", False),
    ("Device", "device_customers_ever", "customers on this device", False),
    ("Device", "device_fraud_confirmed_ever", "confirmed frauds on this device", False),
    ("Product", "product_count_30d", "returns of this product in 30 days", False),
    ("Product", "product_fraud_confirmed_ever", "confirmed frauds with this product", False),
)
INSIDE: Final = {  # what a request may leave out, inside its parts
    "item": ("brand", "unit_cost"),
    "customer": ("tier", "since"),
    "sale": ("order_number", "invoice_number", "sold_at", "price_paid"),
    "inspection": ("grade", "inspector"),
}


def case_of(doors: Runtime, tx: Transaction, caller: Caller, approval: Approval) -> dict[str, Any]:
    """What is asked, why, on what evidence, and whether this caller may decide it.

    Raises
    ------
    ProblemError
        403 out of the caller's sites, or where it is still to be reviewed blind.
    """
    auth.check_site(caller, approval.site)
    recommendation = tx.recommendation(approval.recommendation_id)
    quality.check_blind(tx, caller, [recommendation])
    answering = tx.answering(approval.return_line_id)
    newer = answering[-1] if answering and answering[-1].id != recommendation.id else None
    shown = api.whole(tx, approval, now=doors.now())
    shown |= {"etag": api.etag(approval), "owner": owner_of(doors, recommendation, approval.rule)}
    return {
        "approval": shown,
        "recommendation": recommendation,
        "body": recommendation.body,
        "request": _whole(recommendation.request),
        "past": _past(recommendation),
        "documents": _documents(tx, recommendation),
        "siblings": [
            {**api.wire(one, now=doors.now()), "owner": owner_of(doors, recommendation, one.rule)}
            for one in tx.approvals_of(recommendation.id)
            if one.id != approval.id
        ],
        "newer": newer and {"id": newer.id, "approvals": tx.approvals_of(newer.id)},
        **_rights(doors, tx, caller, approval),
        "reasons": list(OverrideReason),
    }


def owner_of(doors: Runtime, recommendation: Recommendation, rule: str) -> str:
    """Who answers for a rule, as it was when it fired."""
    for fired in recommendation.body.get("guardrails", ()):
        if fired["id"] == rule:
            return str(fired["owner"])
    return next((one.owner for one in doors.policies.rules if one.id == rule), "")


def _rights(doors: Runtime, tx: Transaction, caller: Caller, approval: Approval) -> dict[str, Any]:
    """Whether the caller may vote on it, pass it on and take it back; else in a sentence why not."""
    now, authority = doors.now(), doors.policies.at(approval.site).authority
    if approval.status != State.PENDING:
        return {"may_vote": False, "why_not": "", "may_delegate": False, "may_recall": False}
    standing = circle_of(tx, approval, authority)
    voter = api.voter_of(caller)
    passed = delegated(tx, approval, voter, now)
    no_vote = "Your role reads approvals and decides none."
    own = allowed(caller.role, Action.VOTE)
    if own:
        no_vote = _refused(
            lambda: rules.right_to_vote(standing, voter, delegations=passed, authority=authority, now=now)
        )
    return {
        "may_vote": not no_vote,
        "why_not": no_vote,
        "may_delegate": own and rules.may_vote(standing, voter, authority=authority, now=now),
        "may_recall": allowed(caller.role, Action.RECALL)
        and not _refused(lambda: rules.check_recall(standing, voter, authority=authority, now=now)),
    }


def _refused(check: Any) -> str:
    try:
        check()
    except RecoupError as refusal:
        return f"{refusal} {refusal.hint}".strip()
    return ""


def _whole(request: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked, with nothing for what was left out; empty where it was erased."""
    if not request:
        return {}
    whole: dict[str, Any] = {**dict.fromkeys(("customer_note", "sale", "inspection")), **request}
    for name, inside in INSIDE.items():
        if whole.get(name) is not None:
            whole[name] = {**dict.fromkeys(inside), **whole[name]}
    return whole


def _past(recommendation: Recommendation) -> list[dict[str, Any]]:
    history: Mapping[str, Any] = recommendation.facts.get("inputs", {}).get("history", {})
    currency = recommendation.amount.currency
    return [
        {"who": who, "words": words, "value": history[name], "currency": currency if money else ""}
        for who, name, words, money in PAST
        if history.get(name) is not None and (history[name] or who in {"Customer", "Product"})
    ]


def _documents(tx: Transaction, recommendation: Recommendation) -> list[dict[str, Any]]:
    named = tx.documents_of(recommendation.request.get("document_ids", ()))
    about = tx.documents_about(recommendation.return_line_id)
    every = {one.id: one for one in (*named, *about)}
    return [sheet(one, tx.corrections(one.id)) for one in every.values()]


def is_approver(caller: Caller) -> bool:
    """Whether the caller's inbox is that of an own role."""
    return caller.role in APPROVERS
