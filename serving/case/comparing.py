"""Two verdicts on one return, side by side, and many such pairs added up."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from features.returns import Disposition, Money
from policy.verdict import Fired, Verdict


def summary(verdict: Verdict) -> dict[str, Any]:
    """A verdict as it is recorded and compared."""
    return {
        "status": verdict.status.value,
        "disposition": verdict.disposition.value,
        "credit": verdict.credit.text,
        "rules": sorted(fired.id for fired in verdict.fired),
        "approvals": sorted(f"{needed.rule}: {', '.join(needed.roles)}" for needed in verdict.approvals),
    }


def spoken(body: Mapping[str, Any]) -> dict[str, Any]:
    """What an answer says of its verdict beyond the summary: rules by version, credit, what is forbidden."""
    return {
        "guardrails": {rule["id"]: rule for rule in body["guardrails"]},
        "credit": {name: body["credit"][name] for name in ("ceiling", "recommended")},
        "forbidden_by": {
            one["disposition"]: one["forbidden_by"] for one in body["disposition"]["alternatives"]
        },
    }


def said_again(verdict: Verdict, body: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a verdict, about the alternatives of the answer that was recorded."""
    requested = body["credit"]["requested"]
    ceiling = verdict.ceiling or Money.parse(requested["amount"], requested["currency"])
    weighed = [Disposition(one["disposition"]) for one in body["disposition"]["alternatives"]]
    return {
        "guardrails": {fired.id: _rule(fired) for fired in verdict.fired},
        "credit": {
            "ceiling": {"amount": ceiling.text, "currency": ceiling.currency},
            "recommended": {"amount": verdict.credit.text, "currency": verdict.credit.currency},
        },
        "forbidden_by": {what.value: list(verdict.forbidden.get(what, ())) for what in weighed},
    }


def _rule(fired: Fired) -> dict[str, Any]:
    return {**asdict(fired), "effect": fired.effect.value}


def differences(recorded: Any, replayed: Any) -> dict[str, dict[str, Any]]:
    """Every value that differs, by its dotted place, with both sides; compared exactly."""
    return {place: {"recorded": one, "replayed": other} for place, one, other in _pairs(recorded, replayed)}


def _pairs(one: Any, other: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for name in sorted({*one, *other}):
            yield from _pairs(one.get(name), other.get(name), f"{place}.{name}".lstrip("."))
    elif one != other:
        yield place, one, other


class Tally:
    """What one policy set decided and another would decide, added up over many recommendations."""

    def __init__(self) -> None:
        self._transitions: dict[str, Counter[str]] = defaultdict(Counter)
        self._money: dict[str, Counter[str]] = defaultdict(Counter)
        self._reviews: dict[str, Counter[str]] = defaultdict(Counter)
        self._daily: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
        self._changed = 0

    def add(
        self,
        recorded: Mapping[str, Any],
        replayed: Mapping[str, Any],
        *,
        currency: str,
        desk: tuple[str, str],
    ) -> None:
        """Add one pair of verdicts as `summary` gives them, at a desk: the site and its business day."""
        self._transitions[recorded["status"]][replayed["status"]] += 1
        changed = recorded != replayed
        self._changed += changed
        before, after = (Money.parse(each["credit"], currency).minor for each in (recorded, replayed))
        self._money[currency].update(
            recorded=before, replayed=after, at_stake=max(before, after) if changed else 0
        )
        for side, verdict in (("recorded", recorded), ("replayed", replayed)):
            for role in _asked(verdict):
                self._reviews[role][side] += 1
                self._daily[role, *desk][side] += 1

    def wire(self) -> dict[str, Any]:
        """The sums as JSON: statuses from and to, decimal money by currency, approvals asked by role."""
        return {
            "recommendations": sum(row.total() for row in self._transitions.values()),
            "changed": self._changed,
            "transitions": {status: dict(row) for status, row in sorted(self._transitions.items())},
            "money": {currency: _amounts(sums, currency) for currency, sums in sorted(self._money.items())},
            "reviews_by_role": {
                role: {"recorded": counts["recorded"], "replayed": counts["replayed"]}
                for role, counts in sorted(self._reviews.items())
            },
            "reviews_by_day": [
                {
                    "role": role,
                    "site": site,
                    "day": day,
                    "recorded": counts["recorded"],
                    "replayed": counts["replayed"],
                }
                for (role, site, day), counts in sorted(self._daily.items())
            ],
        }


def _asked(verdict: Mapping[str, Any]) -> list[str]:
    """The roles that are asked; one who is asked by two rules looks twice."""
    return [role for needed in verdict["approvals"] for role in needed.partition(": ")[2].split(", ")]


def _amounts(sums: Mapping[str, int], currency: str) -> dict[str, str]:
    change = sums["replayed"] - sums["recorded"]
    return {
        **{name: Money(sums[name], currency).text for name in ("recorded", "replayed", "at_stake")},
        "change": Money(change, currency).text,
    }
