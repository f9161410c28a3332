"""A candidate policy set that judges beside the one in force: recorded, and without any effect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any, Final

from ledger.recommendations import Recommendation
from policy.guardrails import judge
from policy.policies import PolicySet
from policy.verdict import Proposal
from serving.case.budgeting import Desks
from serving.case.comparing import Tally, summary
from serving.stamps import iso

PATIENCE: Final = 0.01  # seconds; a verdict takes a hundredth of it, and the answer waits for no more
SHOWN: Final = 1_000  # recommendations, newest first: what the tally reads at most


class Shadow:
    """Judges every proposal by a candidate, in a thread of its own, and never raises.

    Parameters
    ----------
    patience : float
        Seconds that an answer waits; a later verdict is recorded as late, and while the candidate is still
        busy nobody waits for it at all.
    """

    def __init__(self, policies: PolicySet, *, patience: float = PATIENCE) -> None:
        self.policies = policies
        self._patience = patience
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="shadow")
        self._last: Future[dict[str, Any]] | None = None

    def judge(self, proposal: Proposal, *, site: str) -> dict[str, Any]:
        """What to record: the candidate's digest, and its verdict or the kind of error."""
        return {"digest": self.policies.digest, **self._judged(proposal, site)}

    def _judged(self, proposal: Proposal, site: str) -> dict[str, Any]:
        if self._last is not None and not self._last.done():
            return {"error": "late"}
        try:
            self._last = self._worker.submit(_verdict, self.policies, proposal, site)
            return {"verdict": self._last.result(self._patience)}
        except TimeoutError:
            return {"error": "late"}
        except Exception as error:  # noqa: BLE001  # whatever is wrong with a candidate is its own affair
            return {"error": type(error).__name__}

    def close(self) -> None:
        """Judge nothing more."""
        self._worker.shutdown(wait=False, cancel_futures=True)


def _verdict(policies: PolicySet, proposal: Proposal, site: str) -> dict[str, Any]:
    return summary(judge(policies, proposal, site=site))


def tally(recommendations: Iterable[Recommendation], digest: str, *, desks: Desks) -> dict[str, Any]:
    """Sum up what the candidate of `digest` said beside what was decided, and what it failed to say."""
    sums, failed = Tally(), 0
    for one in recommendations:
        said = one.facts.get("shadow", {})
        if said.get("digest") != digest:
            continue
        if "verdict" in said:
            desk = desks.of(one.site, one.created_at)
            sums.add(one.facts["verdict"], said["verdict"], currency=one.amount.currency, desk=desk)
        else:
            failed += 1
    return {"digest": digest, **sums.wire(), "failed": failed}


def firings(recommendations: Iterable[Recommendation], digest: str | None) -> dict[str, Any]:
    """Count how often each rule fired on these recommendations, and how often by the shadow of `digest`.

    The shadow's count is of those that it judged; those without its verdict count for neither side of it.
    """
    fired, beside, shadow = Counter[str](), Counter[str](), Counter[str]()
    considered = judged = 0
    since: datetime | None = None
    for one in recommendations:
        rules = one.facts["verdict"]["rules"]
        considered += 1
        fired.update(rules)
        since = min(since or one.created_at, one.created_at)
        said = one.facts.get("shadow", {})
        if digest is not None and said.get("digest") == digest and "verdict" in said:
            judged += 1
            beside.update(rules)
            shadow.update(said["verdict"]["rules"])
    return {
        "considered": considered,
        "since": iso(since) if since else None,
        "rules": dict(sorted(fired.items())),
        "judged": judged,
        "shadow": {
            rule: {"in_force": beside[rule], "shadow": shadow[rule]} for rule in sorted(beside | shadow)
        },
    }
