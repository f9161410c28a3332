"""How long the judge takes over the whole policy set: every stage, everything known and nothing known."""

from __future__ import annotations

import gc
import time

import numpy as np

from benchmarks.report import Figure, Mode
from features.returns import FACTS, Disposition, Money, Stage
from policy.guardrails import judge
from policy.language import FactValue
from policy.policies import DEFAULT_RULES, PolicySet
from policy.verdict import Proposal

SITE = "CHI1"  # the site with rules and limits of its own: the most there is to weigh
ROUNDS = {"quick": 2_000, "normal": 20_000, "full": 200_000}
BLANK: dict[str, FactValue] = {"int": 1, "double": 0.5, "bool": False, "string": "", "list": []}
TARGET = "<= 150"  # microseconds, for the stage with the most rules


def known() -> dict[str, FactValue]:
    """Every declared fact, with values of a plain return."""
    plain: dict[str, FactValue] = {
        "reason": "DEFECTIVE",
        "inspection.grade": "B",
        "item.regulatory": ["NONE"],
        "item.handling": ["SERIALIZED"],
        "fraud.band": "low",
        "sale.claimed": True,
        "sale.known": True,
        "models.in_domain": True,
        "contract.window_days": 30,
        "fraud.review_threshold": 1500,
    }
    return {fact.name: plain.get(fact.name, BLANK[fact.kind]) for fact in FACTS}


def microseconds(policies: PolicySet, proposal: Proposal, rounds: int) -> dict[str, float]:
    """Median and 99th percentile of one judgement: by the clock, and of the processor's own time.

    The clock also counts what other programs of the machine do in between; on an idle one both are the same.
    """
    clock, own = np.empty(rounds), np.empty(rounds)
    gc.collect()
    gc.disable()  # the service collects rarely as well
    for place in range(rounds):
        started, worked = time.perf_counter_ns(), time.thread_time_ns()
        judge(policies, proposal, site=SITE)
        own[place] = time.thread_time_ns() - worked
        clock[place] = time.perf_counter_ns() - started
    gc.enable()
    taken = {"p50": (clock, 0.5), "p99": (clock, 0.99), "cpu_p50": (own, 0.5), "cpu_p99": (own, 0.99)}
    return {name: float(np.quantile(times, share) / 1000) for name, (times, share) in taken.items()}


def run(mode: Mode) -> dict[str, Figure]:
    """Judge the stage with the most rules for long, every other for a tenth of that; the slowest counts."""
    policies = PolicySet.load(DEFAULT_RULES)
    busiest = max(Stage, key=lambda stage: sum(len(asked.rules) for asked in policies.at(SITE).rounds(stage)))
    figures = {"rules": Figure(len(policies.rules), "rules")}
    for name, facts in (("all_known", known()), ("none_known", {})):
        stages = []
        for stage in Stage:
            rounds = ROUNDS[mode] // (1 if stage is busiest else 10)
            proposal = Proposal(stage, facts, Money(11_900, "USD"), tuple(Disposition)[:6])
            stages.append(microseconds(policies, proposal, rounds))
        for share in stages[0]:
            figures[f"{name}.{share}"] = Figure(max(one[share] for one in stages), "µs", target=TARGET)
    return figures
