"""What was found out and judged, as the JSON of the contract."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from features.returns import EXPONENTS, CreditAction, Disposition, Money, ReturnLine
from models import routing
from policy.language import FactValue
from policy.verdict import Status, Verdict
from serving.case.facts import MasterData, recoverable
from serving.case.insight import HAZARDOUS, Insight
from serving.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Case:
    """One line and what was found out about it before it is judged."""

    line: ReturnLine
    insight: Insight
    master_data: MasterData
    documents: tuple[str, ...]
    sites: tuple[routing.Site, ...]
    features_digest: str
    history: Mapping[str, float]
    written: Mapping[str, FactValue] = field(default_factory=dict)


def inputs_of(case: Case) -> dict[str, Any]:
    """What the models and the answer were made from besides the request, as JSON."""
    known_at = case.master_data.recalls_known_at
    return {
        "history": {name: None if math.isnan(value) else value for name, value in case.history.items()},
        "master_data": {
            **asdict(case.master_data),
            "recalls_known_at": known_at.isoformat() if known_at else None,
        },
        "sites": [asdict(site) for site in case.sites],
        "documents": list(case.documents),
        "written": dict(case.written),
    }


def compose(runtime: Runtime, case: Case, verdict: Verdict) -> dict[str, Any]:
    """The recommendation of the contract; id, time and approvals are added where it is recorded."""
    line, insight = case.line, case.insight
    minutes = insight.minutes or (None, None)
    return {
        "id": "",
        "return_line_id": line.return_line_id,
        "stage": line.stage.value,
        "status": verdict.status.value,
        "degraded": insight.degraded,
        "created_at": "",
        "supersedes": None,
        "disposition": _disposition(insight, verdict, line.credit_requested.currency),
        "fraud": {
            "score": insight.score,
            "band": insight.band,
            "reasons": [
                {"code": one.code, "text": one.text, "contribution": one.contribution}
                for one in insight.reasons
            ],
        },
        "inspection": {
            "minutes_p50": minutes[0],
            "minutes_p90": minutes[1],
            "queue": _queue(line, insight),
            "priority": insight.priority,
        },
        "routing": _routing(line, insight, case.sites),
        "supplier_claim": _supplier_claim(line, case.master_data),
        "credit": _credit(line, verdict),
        "guardrails": [
            {
                "id": fired.id,
                "version": fired.version,
                "owner": fired.owner,
                "effect": fired.effect.value,
                "sentence": fired.sentence,
            }
            for fired in verdict.fired
        ],
        "approvals": [],
        "models": runtime.champions.wire,
        "policy": {"digest": runtime.policies.digest},
        "features": {"digest": case.features_digest},
    }


def _disposition(insight: Insight, verdict: Verdict, currency: str) -> dict[str, Any]:
    return {
        "likely": insight.likely.value if insight.likely else None,
        "recommended": verdict.disposition.value,
        "probabilities": dict(insight.probabilities),
        "prediction_set": list(insight.prediction_set),
        "alternatives": [
            {
                "disposition": one.disposition.value,
                "expected_recovery": Money(one.expected, currency).text,
                "p10": Money(one.p10, currency).text,
                "p90": Money(one.p90, currency).text,
                "permitted": verdict.permits(one.disposition),
                "forbidden_by": list(verdict.forbidden.get(one.disposition, ())),
            }
            for one in insight.alternatives
        ],
    }


def _queue(line: ReturnLine, insight: Insight) -> str:
    if line.item.regulatory_classes & HAZARDOUS:
        return "hazmat"
    return "fraud" if insight.band == "high" else "general"


def _credit(line: ReturnLine, verdict: Verdict) -> dict[str, Any]:
    requested, recommended = line.credit_requested, verdict.credit
    ceiling = verdict.ceiling or requested
    return {
        "requested": _wire(requested),
        "ceiling": _wire(ceiling),
        "recommended": _wire(recommended),
        "action": _action(line, verdict).value,
    }


def _action(line: ReturnLine, verdict: Verdict) -> CreditAction:
    if verdict.status is Status.DENIED:
        return CreditAction.DENY
    if verdict.disposition is Disposition.NO_RETURN_KEEP:
        return CreditAction.CREDIT_WITHOUT_RETURN
    return (
        CreditAction.FULL_CREDIT if verdict.credit == line.credit_requested else CreditAction.PARTIAL_CREDIT
    )


def _supplier_claim(line: ReturnLine, data: MasterData) -> dict[str, Any] | None:
    owed = recoverable(data.supplier, line)
    if not owed:
        return None
    return {
        "recoverable": _wire(Money(owed, line.credit_requested.currency)),
        "deadline": data.supplier.get("claim_deadline"),
        "approval_id": None,
    }


def _routing(line: ReturnLine, insight: Insight, sites: tuple[routing.Site, ...]) -> dict[str, str]:
    """The site that recovers most net of freight among those with room; the one named where none is known."""
    if not sites:
        return {"site": line.site, "reason": "The site of the request; master data name no other with room."}
    recovery = max(insight.alternatives[0].expected, 0) / 10 ** EXPONENTS.get(
        line.credit_requested.currency, 2
    )
    one = routing.Lines(
        np.array([recovery]),
        np.array([line.item.weight_kg or 0.0]),
        np.array([float(line.quantity)]),
        np.array([line.region], object),
        np.array([bool(line.item.regulatory_classes & HAZARDOUS)]),
    )
    place = routing.choose(one, sites)
    if place == routing.NOWHERE:
        return {"site": line.site, "reason": "No permitted site has room; the site of the request keeps it."}
    return {"site": sites[place].name, "reason": "Highest recovery net of freight among sites with room."}


def _wire(money: Money) -> dict[str, str]:
    return {"amount": money.text, "currency": money.currency}
