"""Recorded recommendations made again: judged by a policy set, predicted by the models that are loaded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from features.returns import Disposition, ReturnLine, Stage
from ledger.recommendations import Recommendation
from ledger.store import Transaction
from models import routing
from policy.guardrails import judge
from policy.policies import PolicySet
from policy.verdict import Proposal, Verdict
from serving.case.answer import Case, compose
from serving.case.budgeting import Desks
from serving.case.comparing import Tally, differences, said_again, spoken, summary
from serving.case.facts import MasterData
from serving.case.insight import features_digest, laid_out, look
from serving.runtime import Runtime

EXAMPLES: Final = 10
PAGE: Final = 500  # recommendations read at a time
_JUDGED: Final = frozenset(
    {"id", "status", "created_at", "supersedes", "credit", "guardrails", "approvals", "models", "policy"}
)


def proposal_of(recommendation: Recommendation) -> Proposal:
    """What was put before the judge when the recommendation was made."""
    facts = recommendation.facts
    return Proposal(
        Stage(recommendation.stage),
        facts["known"],
        recommendation.line.requested,
        tuple(Disposition(code) for code in facts["candidates"]),
    )


def replay(
    recommendation: Recommendation, line: ReturnLine | None, *, policies: PolicySet, runtime: Runtime
) -> dict[str, Any]:
    """Judge and predict one recommendation again and name every difference from what was recorded.

    The verdict is that of `policies` on the recorded facts; the predictions are those of the loaded models
    on the recorded request, history and master data. With the same policy set and models both are identical.
    Without a `line` (its personal data were erased) there is nothing to predict from, and the answer says so.
    """
    verdict = judge(policies, proposal_of(recommendation), site=recommendation.site)
    body = recommendation.body
    changed = differences(recommendation.facts["verdict"], summary(verdict))
    changed |= differences(spoken(body), said_again(verdict, body))
    models = _models(recommendation, line, verdict, runtime)
    return {
        "id": recommendation.id,
        "identical": not changed and models["predicted"] and not models["differences"],
        "policy": {"recorded": recommendation.policy_digest, "replayed": policies.digest},
        "differences": changed,
        "models": models,
    }


def _models(
    recommendation: Recommendation, line: ReturnLine | None, verdict: Verdict, runtime: Runtime
) -> dict[str, Any]:
    recorded, loaded = recommendation.body["models"], runtime.champions.wire
    versions = {"same": recorded == loaded, "versions": differences(recorded, loaded)}
    if line is None:
        return {**versions, "predicted": False, "differences": {}}
    case = _case(line, recommendation.facts["inputs"], runtime)
    again = _predicted(compose(runtime, case, verdict))
    different = differences(_predicted(recommendation.body), again)
    return {**versions, "predicted": True, "differences": different}


def _case(line: ReturnLine, inputs: Mapping[str, Any], runtime: Runtime) -> Case:
    history = {name: math.nan if value is None else value for name, value in inputs["history"].items()}
    told = inputs["master_data"]
    known_at = told["recalls_known_at"]
    return Case(
        line,
        look([line], laid_out([line], [history]), runtime.champions)[0],
        MasterData(**{**told, "recalls_known_at": datetime.fromisoformat(known_at) if known_at else None}),
        tuple(inputs["documents"]),
        tuple(routing.Site(**site) for site in inputs["sites"]),
        features_digest(line, history),
        history,
        inputs.get("written", {}),  # recommendations of older versions have none
    )


def _predicted(body: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of an answer that policy has no part in; alternatives by disposition, with their rank."""
    parts = {name: value for name, value in body.items() if name not in _JUDGED}
    disposition = parts["disposition"]
    ranked = {
        one["disposition"]: {
            "rank": rank,
            **{name: one[name] for name in ("expected_recovery", "p10", "p90")},
        }
        for rank, one in enumerate(disposition["alternatives"], 1)
    }
    unjudged = {name: value for name, value in disposition.items() if name != "recommended"}
    claim = parts["supplier_claim"]
    return {
        **parts,
        "disposition": {**unjudged, "alternatives": ranked},
        "supplier_claim": claim and {**claim, "approval_id": None},
    }


def backtest(
    tx: Transaction, candidate: PolicySet, *, limit: int | None = None, after: str | None = None
) -> dict[str, Any]:
    """Judge recorded recommendations by a candidate, page by page, and sum up what it would change.

    Parameters
    ----------
    limit : int or None
        How many at most; None means all.
    after : str or None
        The id to go on from: what an earlier answer gave as `next`.

    Returns
    -------
    dict
        Transitions, money by currency, reviews by role and by site and business day, examples with ids, and
        `next` where more are left.
    """
    sums, desks, last, seen = Tally(), Desks(tx), after, 0
    examples: list[dict[str, Any]] = []
    for recommendation in _pages(tx, limit, after):
        recorded = recommendation.facts["verdict"]
        replayed = summary(judge(candidate, proposal_of(recommendation), site=recommendation.site))
        desk = desks.of(recommendation.site, recommendation.created_at)
        sums.add(recorded, replayed, currency=recommendation.amount.currency, desk=desk)
        if recorded != replayed and len(examples) < EXAMPLES:
            examples.append({"id": recommendation.id, "differences": differences(recorded, replayed)})
        last, seen = recommendation.id, seen + 1
    more = limit is not None and seen == limit and bool(tx.recommendations(after=last, limit=1))
    return {"policy": candidate.digest, **sums.wire(), "examples": examples, "next": last if more else None}


def _pages(tx: Transaction, limit: int | None, after: str | None) -> Iterator[Recommendation]:
    left = math.inf if limit is None else limit
    while left > 0:
        page = tx.recommendations(after=after, limit=int(min(PAGE, left)))
        yield from page
        if len(page) < PAGE:
            return
        left, after = left - len(page), page[-1].id
