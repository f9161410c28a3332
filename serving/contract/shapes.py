"""The shapes of recommendations and approvals; fields may be added to them, none is renamed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from features.returns import CreditAction, Disposition, Stage
from policy.approvals import State

At = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Day = Annotated[str, Field(json_schema_extra={"format": "date"})]
Share = Annotated[float, Field(ge=0, le=1)]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Decimal = Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]+)?$", description="Decimal text.")]


class Shape(BaseModel):
    """What goes out: documented fields, and perhaps others."""

    model_config = ConfigDict(extra="allow")


class MoneyOut(Shape):
    """Decimal text with a currency."""

    amount: Decimal
    currency: str


class Alternative(Shape):
    """What one disposition would recover, and whether policy permits it."""

    disposition: Disposition
    expected_recovery: Decimal
    p10: Decimal
    p90: Decimal
    permitted: bool
    forbidden_by: list[str]


class DispositionOut(Shape):
    """The likely and the recommended disposition."""

    likely: Disposition | None
    recommended: Disposition
    probabilities: Annotated[dict[str, Share], Field(description="Every class; they sum to one.")]
    prediction_set: list[Disposition]
    alternatives: list[Alternative]


class FraudReason(Shape):
    """One reason for the score."""

    code: str
    text: str
    contribution: float


class FraudOut(Shape):
    """The fraud score."""

    score: Share | None
    band: Literal["low", "medium", "high"] | None
    reasons: list[FraudReason]


class InspectionOut(Shape):
    """How long inspection will take, and when its turn is."""

    minutes_p50: float | None
    minutes_p90: float | None
    queue: str
    priority: float


class RoutingOut(Shape):
    """Which site."""

    site: str
    reason: str


class SupplierClaimOut(Shape):
    """What the supplier owes."""

    recoverable: MoneyOut
    deadline: str | None
    approval_id: str | None


class CreditOut(Shape):
    """The credit before and after the cap."""

    requested: MoneyOut
    ceiling: MoneyOut
    recommended: MoneyOut
    action: CreditAction


class FiredRule(Shape):
    """A rule that fired."""

    id: str
    version: int
    owner: str
    effect: str
    sentence: str


class ApprovalNeeded(Shape):
    """An approval that is asked for."""

    id: str
    rule: str
    roles: list[str]
    needed: Annotated[int, Field(ge=1)]
    expires_at: At


class Recommendation(Shape):
    """What Recoup recommends, why, and who must approve it."""

    id: str
    return_line_id: str
    stage: Stage
    status: Literal[
        "cleared",
        "pending_approval",
        "held",
        "denied",
        "approved",
        "rejected",
        "expired",
        "recalled",
        "superseded",
    ]
    degraded: bool
    created_at: At
    supersedes: str | None
    disposition: DispositionOut
    fraud: FraudOut
    inspection: InspectionOut
    routing: RoutingOut
    supplier_claim: SupplierClaimOut | None
    credit: CreditOut
    guardrails: list[FiredRule]
    approvals: list[ApprovalNeeded]
    models: dict[str, dict[str, str]]
    policy: dict[str, Digest]
    features: dict[str, Digest]


class Recommendations(Shape):
    """A page of recommendations, oldest first."""

    items: list[Recommendation]
    next: str | None


class BatchItem(Shape):
    """A recommendation, or the problem that is in its place."""

    status: int
    recommendation: Recommendation | None = None
    problem: dict[str, Any] | None = None


class BatchAnswer(Shape):
    """One answer for every line, in the order of the request."""

    items: list[BatchItem]


class OutcomeTold(Shape):
    """An outcome as it was recorded."""

    id: str
    recommendation_id: str
    at: At


class Replayed(Shape):
    """Every difference between what was recorded and what is said now."""

    id: str
    identical: bool
    policy: dict[str, Digest]
    differences: dict[str, Any]
    models: dict[str, Any]


class Approval(Shape):
    """An approval as it is listed."""

    id: str
    recommendation_id: str
    return_line_id: str
    rule: str
    sentence: str
    roles: list[str]
    needed: Annotated[int, Field(ge=1)]
    site: str
    amount: MoneyOut | None
    status: State
    created_at: At
    expires_at: At | None


class WholeApproval(Approval):
    """An approval with its votes and what it is about."""

    votes: list[dict[str, Any]]
    delegations: list[dict[str, Any]]
    recommendation_status: str
    recommendation_digest: Digest


class Approvals(Shape):
    """A page of the inbox, oldest first."""

    items: list[Approval]
    next: str | None


class VoteItem(Shape):
    """The approval after a vote, or the problem that is in its place."""

    status: int
    approval: WholeApproval | None = None
    etag: str | None = None
    problem: dict[str, Any] | None = None


class VotesAnswer(Shape):
    """One answer for every vote, in the order of the request."""

    items: list[VoteItem]


class Delegation(Shape):
    """Who stands in for whom."""

    id: str
    holder: str
    role: str
    sites: list[str]
    to: str
    since: Annotated[At, Field(alias="from")]
    until: At
    revoked_at: At | None
    limit: MoneyOut | None
    created_at: At


class Delegations(Shape):
    """All delegations from and to the caller."""

    items: list[Delegation]
