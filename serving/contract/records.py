"""The shapes of what is kept and planned: master data, events, documents, forecasts, policy, audit."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from features.documents import Kind
from features.returns import Stage
from serving.contract.shapes import At, Day, Digest, Shape, Share


class ReferenceVersion(Shape):
    """A version of master data."""

    kind: str
    id: str
    version: Annotated[int, Field(ge=1)]
    body: dict[str, Any]
    at: At
    actor: str


class EventsAccepted(Shape):
    """How many events came, and how many of them were new."""

    accepted: int
    new: int


class AuditEntry(Shape):
    """One link of the hash chain."""

    seq: int
    at: At
    actor: str
    kind: str
    subject: str
    body: dict[str, Any]
    previous: Digest
    hash: Digest


class AuditEntries(Shape):
    """A page of the chain."""

    items: list[AuditEntry]
    next: int | None


class Verified(Shape):
    """Whether the chain is whole."""

    valid: bool
    entries: int
    head: Digest


class Reading(Shape):
    """One named value of a document, and where it stands."""

    name: str
    raw: str
    value: str
    type: str
    confidence: Share
    page: int
    polygon: list[list[float]]
    label: str
    method: str
    accepted: bool
    currency: str | None
    alternatives: list[dict[str, Any]]
    checks: list[dict[str, Any]]


class Document(Shape):
    """What a document says, and why a person should look at it, if one should."""

    id: str
    return_line_id: str | None
    created_at: At
    digest: Digest
    name: str
    kind: Kind
    kind_confidence: Share
    fields: list[Reading]
    items: list[dict[str, Any]]
    pages: list[dict[str, Any]]
    words: list[dict[str, Any]]
    needs_review: bool
    reasons: list[str]


class DocumentNow(Document):
    """A document with what people corrected since."""

    corrections: list[dict[str, Any]]


class Corrected(Shape):
    """A person's reading."""

    id: str
    document_id: str
    actor: str
    at: At
    fields: list[dict[str, Any]]
    comment: str


class ForecastCell(Shape):
    """What is forecast for a region, family and day; `*` where a level is collapsed.

    The figures named `versus_` are those of the issue that it is compared with, and are there only then.
    """

    region: str
    family: str
    ds: Day
    mean: float
    q10: float
    q50: float
    q80: float
    q90: float
    q95: float
    issue: str
    versus_mean: float | None = None
    versus_q10: float | None = None
    versus_q50: float | None = None
    versus_q80: float | None = None
    versus_q90: float | None = None
    versus_q95: float | None = None


class OverrideOut(Shape):
    """A planner's own figure."""

    id: str
    issue: str
    region: str
    family: str
    ds: Day
    value: float
    reason: str
    actor: str
    at: At


class Forecast(Shape):
    """One issue's rows, with the planners' overrides beside them."""

    rows: list[ForecastCell]
    issue: str | None
    overrides: list[OverrideOut]
    versus: Annotated[str | None, Field(description="The issue compared with, if one was asked for.")] = None


class Issue(Shape):
    """What was issued when, from what."""

    id: str
    as_of: At
    model_version: str
    data_hash: str
    actor: str
    at: At
    meta: dict[str, Any]


class Issues(Shape):
    """All issues, newest first."""

    items: list[Issue]


class Accuracy(Shape):
    """How an issue did over the days that have passed."""

    issue: str | None
    cells: int
    wape: float | None
    bias: float | None
    coverage_80: Share | None


class LaborPlan(Shape):
    """Hours, heads, doors and positions by day, or by shift or hour."""

    rows: list[dict[str, Any]]
    site: str
    service_level: Share
    issue: str | None


class RuleOut(Shape):
    """A rule as people read it."""

    id: str
    version: int
    owner: str
    effect: str
    stages: list[Stage]
    when: str | None
    sentence: str
    basis: str | None
    enforced_by: str | None
    roles: list[str]


class Policies(Shape):
    """The rules in force, and every set that was recorded."""

    digest: Digest
    rules: list[RuleOut]
    sites: list[str]
    fired: dict[str, Any]
    shadow: dict[str, Any] | None
    recorded: list[dict[str, Any]]


class PolicyFiles(Shape):
    """A policy set as it was recorded."""

    digest: Digest
    at: At
    actor: str
    files: dict[str, str]


class Backtested(Shape):
    """What a candidate set would have changed."""

    policy: Digest
    recommendations: int
    changed: int
    transitions: dict[str, Any]
    money: dict[str, Any]
    examples: list[dict[str, Any]]
    next: str | None


class OperationsMetrics(Shape):
    """The operations metrics of a window."""

    since: Annotated[At, Field(alias="from")]
    to: At
    site: str | None
    metrics: dict[str, Any]


class EndpointOut(Shape):
    """Where events go out to."""

    id: str
    url: str
    types: list[str]
    active: bool


class EndpointMade(EndpointOut):
    """A new endpoint, with the secret that is shown only once."""

    secret: str


class Endpoints(Shape):
    """All endpoints."""

    items: list[EndpointOut]


class Replaying(Shape):
    """How many messages go out again."""

    messages: int


class DeliveryOut(Shape):
    """One message to one endpoint."""

    message_id: str
    type: str
    subject: str
    at: At
    attempts: int
    error: Annotated[str, Field(description="Of the last attempt; empty where it arrived.")]
    next_at: Annotated[At, Field(description="When the next attempt is due, while it is pending.")]


class Deliveries(Shape):
    """A page of deliveries."""

    items: list[DeliveryOut]
    next: str | None


class KeyOut(Shape):
    """An API key without what opens anything."""

    id: str
    role: str
    subject: str
    sites: list[str]
    created_at: At
    created_by: str
    expires_at: At | None
    revoked_at: Annotated[At | None, Field(description="From when it opens nothing.")]
    good: bool


class KeyMade(KeyOut):
    """A new key; null where this answer was given before."""

    key: str | None


class Keys(Shape):
    """All keys in reach."""

    items: list[KeyOut]


class ToReview(Shape):
    """A cleared return to decide again, without the answer."""

    recommendation_id: str
    return_line_id: str
    stage: Stage
    site: str
    drawn_at: At
    propensity: Share
    request: dict[str, Any]


class Reviews(Shape):
    """A page of open reviews."""

    items: list[ToReview]
    next: str | None


class Reviewed(Shape):
    """Whether the reviewer agrees."""

    recommendation_id: str
    agrees: bool
    at: At
