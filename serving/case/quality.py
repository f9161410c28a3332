"""Blind quality review: a few cleared returns, drawn unannounced, are decided again without the answer.

Drawn is what a keyed hash of the recommendation's id falls on: nobody without the key can tell beforehand,
and with it anyone can show afterwards that nobody chose. The chance is recorded with the facts.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import math
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from statistics import NormalDist
from typing import Any, Final

from features.returns import Disposition, Money
from ledger.chain import ConflictError, NotInLedgerError
from ledger.recommendations import Recommendation
from ledger.reviews.quality import Draw
from ledger.store import Transaction
from serving.auth import Caller
from serving.errors import ProblemError
from serving.stamps import iso

REVIEWER: Final = "quality_assurance"
REGISTER: Final = "quality_reviews"  # version 1 is the draw, version 2 the answer
PAGE: Final = 50


def secret_of(home: Path, name: str = "quality") -> bytes:
    """The key of the draw, or another, made at the first start and kept under `home` for its owner alone."""
    path = home / f"{name}.key"
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        fresh = home / f"{name}.{secrets.token_hex(8)}.new"
        fresh.touch(mode=0o600)
        fresh.write_bytes(secrets.token_bytes(32))
        # A link never replaces: of several processes that start at once, all use the first one's key.
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(fresh)
        fresh.unlink()
    return path.read_bytes()


def is_drawn(recommendation_id: str, *, key: bytes, permille: int) -> bool:
    """Whether this one is reviewed: always the same answer, for so many of a thousand."""
    mark = hmac.new(key, recommendation_id.encode(), hashlib.sha256).digest()
    return int.from_bytes(mark[:8], "big") * 1000 < permille << 64


def draw(tx: Transaction, recommendation: Recommendation, *, permille: int, actor: str) -> None:
    """Put a recommendation on the reviewers' list."""
    body = {"site": recommendation.site, "permille": permille}
    at = recommendation.created_at
    tx.put_reference(REGISTER, recommendation.id, body=body, actor=actor, at=at)
    tx.add_draw(Draw(recommendation.id, recommendation.site, at, permille, agrees=None))


def listed(tx: Transaction, caller: Caller, *, after: str | None = None) -> dict[str, Any]:
    """A page of the open reviews in the caller's sight, oldest first, without the answer.

    `next` is the id to go on after where more are open.
    """
    page = tx.open_draws(sites=sorted(caller.sites), after=after, limit=PAGE + 1)
    known = tx.recommendations_of([one.recommendation_id for one in page[:PAGE]])
    items = [_blind(known[one.recommendation_id], one) for one in page[:PAGE]]
    return {"items": items, "next": items[-1]["recommendation_id"] if len(page) > PAGE else None}


def _blind(recommendation: Recommendation, review: Draw) -> dict[str, Any]:
    return {
        "recommendation_id": recommendation.id,
        "return_line_id": recommendation.return_line_id,
        "stage": recommendation.stage,
        "site": recommendation.site,
        "drawn_at": iso(review.at),
        "propensity": review.permille / 1000,
        "request": dict(recommendation.request),
    }


def answer(
    tx: Transaction,
    recommendation: Recommendation,
    caller: Caller,
    *,
    decided: tuple[Disposition, Money],
    comment: str | None,
    at: datetime,
) -> dict[str, Any]:
    """Record what the reviewer would have done, and whether that is what was recommended.

    Raises
    ------
    NotInLedgerError, ConflictError
        404 where it was not drawn, 409 where it was answered.
    """
    review = tx.draw(recommendation.id)
    if review is None:
        raise NotInLedgerError("this recommendation was not drawn for review.")
    if not review.is_open:
        raise ConflictError("this review has been answered.")
    disposition, credit = decided
    agrees = _agrees(recommendation.body, disposition, credit)
    body = {
        "site": review.site,
        "permille": review.permille,
        "disposition": disposition.value,
        "credit": {"amount": credit.text, "currency": credit.currency},
        "comment": comment,
        "agrees": agrees,
    }
    tx.put_reference(REGISTER, recommendation.id, body=body, actor=caller.actor, at=at)
    tx.close_draw(recommendation.id, agrees=agrees)
    return {"recommendation_id": recommendation.id, "agrees": agrees, "at": iso(at)}


def _agrees(body: Mapping[str, Any], disposition: Disposition, credit: Money) -> bool:
    recommended = body["credit"]["recommended"]
    same_credit = (recommended["amount"], recommended["currency"]) == (credit.text, credit.currency)
    return same_credit and body["disposition"]["recommended"] == disposition.value


def check_blind(tx: Transaction, caller: Caller, recommendations: Iterable[Recommendation]) -> None:
    """Refuse a reviewer the answer to what is still to be reviewed.

    Raises
    ------
    ProblemError
        403, naming the list to answer first.
    """
    if caller.role != REVIEWER:
        return
    for one in recommendations:
        review = tx.draw(one.id)
        if review is not None and review.is_open:
            raise ProblemError(
                403, "blind_review", "This one is yours to review blind; answer it at /v1/quality-reviews."
            )


def error_rate(draws: Sequence[Draw]) -> dict[str, Any]:
    """How many of the cleared returns reviewers would have decided otherwise, estimated from the draws.

    Each answer counts for the returns that it stands for: one over the chance with which it was drawn
    (Hajek's ratio). The 95 % interval is Wilson's, of as many answers as equal weights would need to tell
    as much (Kish); with one chance for all of them that is the number of answers.
    """
    answered = [one for one in draws if one.agrees is not None]
    weights = [1000 / one.permille for one in answered]
    whole, squares = sum(weights), sum(weight * weight for weight in weights)
    wrong = sum(weight for one, weight in zip(answered, weights, strict=True) if not one.agrees)
    rate = wrong / whole if answered else None
    lo, hi = (None, None) if rate is None else wilson(rate, whole * whole / squares)
    return {
        "unit": "cleared returns",
        "drawn": len(draws),
        "answered": len(answered),
        "disagreed": sum(not one.agrees for one in answered),
        "cleared_estimate": round(sum(1000 / one.permille for one in draws), 1),
        "error_rate": rate,
        "lo": lo,
        "hi": hi,
    }


def wilson(rate: float, answers: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share that was found among so many answers."""
    z = NormalDist().inv_cdf(0.975)
    middle = (rate + z * z / (2 * answers)) / (1 + z * z / answers)
    half = z / (1 + z * z / answers) * math.sqrt(rate * (1 - rate) / answers + (z / (2 * answers)) ** 2)
    return max(middle - half, 0.0), min(middle + half, 1.0)
