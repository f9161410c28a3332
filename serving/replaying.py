"""Recorded facts judged again: the same policies must say the same, others show what they would change."""

from __future__ import annotations

from collections import Counter
from typing import Any

from features.returns import Disposition, Money, Stage
from ledger.recommendations import Recommendation
from ledger.store import Transaction
from policy.guardrails import judge
from policy.policies import PolicySet
from policy.verdict import Proposal, Verdict

EXAMPLES = 10


def proposal_of(recommendation: Recommendation) -> Proposal:
    """What was put before the judge when the recommendation was made."""
    facts = recommendation.facts
    return Proposal(
        Stage(recommendation.stage),
        facts["known"],
        recommendation.line.requested,
        tuple(Disposition(code) for code in facts["candidates"]),
    )


def summary(verdict: Verdict) -> dict[str, Any]:
    """A verdict as it is recorded and compared."""
    return {
        "status": verdict.status.value,
        "disposition": verdict.disposition.value,
        "credit": verdict.credit.text,
        "rules": sorted(fired.id for fired in verdict.fired),
        "approvals": sorted(f"{needed.rule}: {', '.join(needed.roles)}" for needed in verdict.approvals),
    }


def replay(recommendation: Recommendation, policies: PolicySet) -> dict[str, Any]:
    """Judge one recommendation again and name every difference from what was recorded."""
    before = recommendation.facts["verdict"]
    after = summary(judge(policies, proposal_of(recommendation), site=recommendation.site))
    different = {
        name: {"recorded": before[name], "replayed": after[name]}
        for name in after
        if before[name] != after[name]
    }
    return {
        "id": recommendation.id,
        "identical": not different,
        "policy": {"recorded": recommendation.policy_digest, "replayed": policies.digest},
        "differences": different,
    }


def backtest(tx: Transaction, candidate: PolicySet, *, limit: int) -> dict[str, Any]:
    """Judge recorded recommendations by a candidate: transitions, money, review load by role, examples."""
    transitions: Counter[str] = Counter()
    roles: Counter[str] = Counter()
    credit: Counter[str] = Counter()
    examples: list[dict[str, Any]] = []
    known = tx.recommendations(limit=limit)
    for recommendation in known:
        verdict = judge(candidate, proposal_of(recommendation), site=recommendation.site)
        transitions[f"{recommendation.facts['verdict']['status']} -> {verdict.status.value}"] += 1
        roles.update(role for needed in verdict.approvals for role in needed.roles)
        credit[verdict.credit.currency] += verdict.credit.minor - recommendation.amount.minor
        shown = replay(recommendation, candidate)
        if not shown["identical"] and len(examples) < EXAMPLES:
            examples.append(shown)
    return {
        "policy": candidate.digest,
        "recommendations": len(known),
        "transitions": dict(sorted(transitions.items())),
        "approvals_by_role": dict(sorted(roles.items())),
        "credit_change": {
            currency: Money(minor, currency).text for currency, minor in sorted(credit.items())
        },
        "examples": examples,
    }
