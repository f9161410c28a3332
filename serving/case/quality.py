"""Blind quality review: a few cleared returns, drawn unannounced, are decided again without the answer.

Drawn is what a keyed hash of the recommendation's id falls on: nobody without the key can tell beforehand,
and with it anyone can show afterwards that nobody chose. The chance is recorded with the facts.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from features.returns import Disposition, Money
from ledger.chain import ConflictError, NotInLedgerError
from ledger.recommendations import Recommendation
from ledger.reference import Reference
from ledger.store import Transaction
from serving.auth import Caller
from serving.errors import ProblemError
from serving.stamps import iso

REVIEWER: Final = "quality_assurance"
REGISTER: Final = "quality_reviews"  # version 1 is the draw, version 2 the answer
PAGE: Final = 50


def secret_of(home: Path) -> bytes:
    """The key of the draw, made at the first start and kept under `home` for its owner alone."""
    path = home / "quality.key"
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        fresh = home / f"quality.{secrets.token_hex(8)}.new"
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
    tx.put_reference(REGISTER, recommendation.id, body=body, actor=actor, at=recommendation.created_at)


def listed(tx: Transaction, caller: Caller) -> dict[str, Any]:
    """The open reviews in the caller's sight, oldest first, without the answer; and how many agreed."""
    seen = [one for one in tx.references(REGISTER) if caller.sees(one.body["site"])]
    waiting = sorted((one for one in seen if _is_open(one)), key=lambda one: one.at)
    known = tx.recommendations_of([one.id for one in waiting[:PAGE]])
    answered = [one.body for one in seen if not _is_open(one)]
    return {
        "items": [_blind(known[one.id], one) for one in waiting[:PAGE]],
        "open": len(waiting),
        "answered": len(answered),
        "agreed": sum(body["agrees"] for body in answered),
    }


def _blind(recommendation: Recommendation, review: Reference) -> dict[str, Any]:
    return {
        "recommendation_id": review.id,
        "return_line_id": recommendation.return_line_id,
        "stage": recommendation.stage,
        "site": recommendation.site,
        "drawn_at": iso(review.at),
        "propensity": review.body["permille"] / 1000,
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
    NotInLedgerError, ConflictError, ProblemError
        404 where it was not drawn, 409 where it was answered, 403 for someone who is part of the case.
    """
    review = tx.reference(REGISTER, recommendation.id)
    if review is None:
        raise NotInLedgerError("this recommendation was not drawn for review.")
    if not _is_open(review):
        raise ConflictError("this review has been answered.")
    if caller.actor in involved(recommendation):
        raise ProblemError(403, "own_case", "Nobody reviews a case that they had a part in.")
    disposition, credit = decided
    body = {
        **review.body,
        "disposition": disposition.value,
        "credit": {"amount": credit.text, "currency": credit.currency},
        "comment": comment,
        "agrees": _agrees(recommendation.body, disposition, credit),
    }
    tx.put_reference(REGISTER, recommendation.id, body=body, actor=caller.actor, at=at)
    return {"recommendation_id": recommendation.id, "agrees": body["agrees"], "at": iso(at)}


def _agrees(body: Mapping[str, Any], disposition: Disposition, credit: Money) -> bool:
    recommended = body["credit"]["recommended"]
    same_credit = (recommended["amount"], recommended["currency"]) == (credit.text, credit.currency)
    return same_credit and body["disposition"]["recommended"] == disposition.value


def involved(recommendation: Recommendation) -> frozenset[str]:
    """Everyone who had a part in the case: requester, caller, inspector, and who shaped the facts before."""
    inspection = recommendation.request.get("inspection") or {}
    people = {recommendation.requested_by, recommendation.actor, *recommendation.related}
    return frozenset(people | {inspection.get("inspector", "")} - {""})


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
        review = tx.reference(REGISTER, one.id)
        if review is not None and _is_open(review):
            raise ProblemError(
                403, "blind_review", "This one is yours to review blind; answer it at /v1/quality-reviews."
            )


def _is_open(review: Reference) -> bool:
    return "agrees" not in review.body
