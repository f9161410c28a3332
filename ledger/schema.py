"""The tables: history that is only ever added to, and the few projections and queues that may change.

Every row of a history table is witnessed by the entry of the same `seq` in the hash chain; database
triggers refuse to change or delete it. Projections say what holds now and could be rebuilt from history.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    text,
)

from features.history import ENTITIES
from ledger.columns import (
    Sequence,
    Utc,
    Words,
    amount,
    bodies,
    counts,
    flag,
    history,
    identity,
    key,
    maybe_texts,
    metadata,
    moment,
    refers,
    texts,
)

REVISION: Final = "0004"  # the migration that this code needs

# The chain -------------------------------------------------------------------------------------------

entries = Table(
    "entries",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=False),
    *texts("at", "actor", "kind", "subject", "body"),
    Column("previous", Words, nullable=False, unique=True),
    Column("hash", Words, nullable=False, unique=True),
    Index(None, "subject", "seq"),
    info={"protected": True},
)
# The one row that every writer locks first: concurrent writers can never fork the chain.
chain_head = Table(
    "chain_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    *counts("seq"),
    *texts("hash"),
    CheckConstraint("id = 1", name="one_row"),
)
answers = Table(
    "answers",
    metadata,
    key("owner"),
    key("key"),
    *texts("payload_digest"),
    Column("status", Integer, nullable=False),
    *bodies("body", "headers"),
    Column("at", Utc, nullable=False, index=True),
)

# Recommendations and return lines --------------------------------------------------------------------


def _line_columns() -> tuple[Column[Any], ...]:
    return (
        *texts("customer_id", "sku", "site", "region", "family"),
        *maybe_texts("supplier_id", "order_number"),
        moment("requested_at"),
        *counts("quantity"),
        *amount("requested_minor"),
    )


def _by_entity(time: str) -> tuple[Index, ...]:
    return tuple(Index(None, entity, time) for entity in ENTITIES.values())


recommendations = history(
    "recommendations",
    identity(),
    *texts("return_line_id", "stage", "status", "action", "requested_by"),
    *_line_columns(),
    *counts("amount_minor"),
    *bodies("related", "facts", "request", "body"),
    *texts("payload_digest", "digest", "policy_digest"),
    *maybe_texts("supersedes"),
)
recommendation_statuses = history(
    "recommendation_statuses",
    refers("recommendation_id", "recommendations.id"),
    *texts("status", "reason"),
    Index(None, "recommendation_id", "seq"),
)
recommendation_state = Table(
    "recommendation_state",
    metadata,
    refers("recommendation_id", "recommendations.id", primary_key=True),
    *counts("seq"),
    *texts("return_line_id", "stage", "status", "site"),
    flag("is_current"),
    Index(None, "return_line_id", "seq"),
    Index(None, "status", "seq"),
    # The business key: two idempotency keys cannot credit one return line twice.
    Index(
        "uq_recommendation_state_business_key",
        "return_line_id",
        "stage",
        unique=True,
        sqlite_where=text("is_current"),
        postgresql_where=text("is_current"),
    ),
)
lines = history(
    "lines",
    Column("return_line_id", Words, nullable=False, unique=True),
    *_line_columns(),
    *counts("hundredths"),  # the credit asked for as the features count it, whatever the currency
    *_by_entity("requested_at"),
    Index(None, "requested_at"),
)
# Where each line stands now: what its newest recommendation gives.
standing = Table(
    "standing",
    metadata,
    key("return_line_id"),
    *texts("recommendation_id", "status", "customer_id", "sku"),
    *maybe_texts("order_number"),
    moment("requested_at"),
    *counts("quantity", "requested_minor"),
    *amount("credit_minor"),
    flag("kept"),
    Index(None, "customer_id", "requested_at"),
    Index(None, "order_number", "sku"),
)
# Sums by hour: a busy site's history is thousands of rows to read, not millions.
hourly = Table(
    "hourly",
    metadata,
    key("entity"),
    key("entity_id"),
    Column("hour", Utc, primary_key=True),
    *counts("count", "quantity", "hundredths"),
)
fraud_labels = history(
    "fraud_labels",
    *texts("return_line_id"),
    flag("confirmed"),
    moment("known_at"),
    Index(None, "return_line_id", "known_at"),
)
# Labels beside what is known of their line, so that one indexed read finds a customer's frauds.
fraud_marks = Table(
    "fraud_marks",
    metadata,
    Column("seq", Sequence, ForeignKey("fraud_labels.seq"), primary_key=True, autoincrement=False),
    *texts("return_line_id", "customer_id", "sku", "site"),
    *maybe_texts("supplier_id"),
    flag("confirmed"),
    moment("known_at"),
    moment("counted_from"),
    Index(None, "return_line_id", "known_at"),
    *_by_entity("counted_from"),
)

# Approvals -------------------------------------------------------------------------------------------

approvals = history(
    "approvals",
    identity(),
    refers("recommendation_id", "recommendations.id"),
    *texts("return_line_id", "rule", "site", "status", "digest", "sentence"),
    *bodies("roles"),
    *counts("needed"),
    moment("expires_at", nullable=True),
    *amount("amount_minor", nullable=True),
    Index(None, "recommendation_id"),
    Index(None, "rule", "site", "at"),
)
approval_changes = history(
    "approval_changes",
    refers("approval_id", "approvals.id"),
    *texts("status", "reason"),
    *bodies("roles"),
    moment("expires_at", nullable=True),
    Index(None, "approval_id", "seq"),
)
votes = history(
    "votes",
    identity(),
    refers("approval_id", "approvals.id"),
    *texts("voter", "role", "vote", "comment"),
    UniqueConstraint("approval_id", "voter"),
)
delegations = history(
    "delegations",
    identity(),
    refers("approval_id", "approvals.id"),
    *texts("role", "delegator", "delegate"),
    Index(None, "approval_id", "seq"),
    Index(None, "delegate"),
)
approval_state = Table(
    "approval_state",
    metadata,
    refers("approval_id", "approvals.id", primary_key=True),
    *counts("seq", "version"),
    *texts("status", "site"),
    *bodies("roles"),
    moment("expires_at", nullable=True),
    Index(None, "status", "seq"),
    Index(None, "status", "site", "seq"),
    Index(None, "status", "expires_at"),
)
# The inbox: one row per approval and role, so that a page of a million is one range of one index.
approval_roles = Table(
    "approval_roles",
    metadata,
    refers("approval_id", "approvals.id", primary_key=True),
    key("role"),
    *counts("seq"),
    *texts("status", "site"),
    Index(None, "role", "status", "seq"),
    Index(None, "role", "status", "site", "seq"),
)

# Registers: what has versions ------------------------------------------------------------------------

reference = history(
    "reference",
    *texts("kind", "id"),
    Column("version", Integer, nullable=False),
    *bodies("body"),
    UniqueConstraint("kind", "id", "version"),
    Index(None, "kind", "at"),
)
policies = history("policies", Column("digest", Words, nullable=False, unique=True), *bodies("content"))
policy_activations = history("policy_activations", refers("digest", "policies.digest"), Index(None, "at"))
keys = history(
    "keys",
    Column("hash", Words, nullable=False, unique=True),
    *texts("role", "subject"),
    *bodies("sites"),
    moment("expires_at", nullable=True),
)
key_revocations = history(
    "key_revocations", Column("hash", Words, ForeignKey("keys.hash"), nullable=False, unique=True)
)

# Evidence about a line -------------------------------------------------------------------------------

events = history(
    "events",
    *texts("source", "id", "type", "subject"),
    moment("time"),
    *bodies("data"),
    UniqueConstraint("source", "id"),
    Index(None, "subject", "time"),
    Index(None, "type", "time"),
)
outcomes = history(
    "outcomes",
    identity(),
    refers("recommendation_id", "recommendations.id"),
    *texts("return_line_id", "disposition"),
    *amount("recovered_minor", nullable=True),
    Column("minutes", Double, nullable=True),
    flag("fraud_confirmed", nullable=True),
    *maybe_texts("reason_code"),
    Index(None, "return_line_id"),
)
documents = history(
    "documents",
    identity(),
    *texts("digest", "kind", "path"),
    *maybe_texts("return_line_id"),
    *bodies("meta", "body"),
    Index(None, "return_line_id"),
    Index(None, "digest"),
)
corrections = history(
    "corrections",
    identity(),
    refers("document_id", "documents.id"),
    *bodies("body"),
    Index(None, "document_id", "seq"),
)

# Forecasts -------------------------------------------------------------------------------------------

QUANTITIES: Final = ("mean", "q10", "q50", "q80", "q90", "q95")
forecast_issues = history(
    "forecast_issues",
    identity(),
    moment("as_of"),
    *texts("model_version", "data_hash", "rows_digest"),
    *bodies("meta"),
)
# Witnessed through the digest of their issue.
forecast_rows = Table(
    "forecast_rows",
    metadata,
    refers("issue", "forecast_issues.id", primary_key=True),
    *(key(name) for name in ("region", "family", "ds")),
    *(Column(name, Double, nullable=False) for name in QUANTITIES),
    info={"protected": True},
)
overrides = history(
    "overrides",
    identity(),
    *texts("issue", "region", "family", "ds", "reason"),
    Column("value", Double, nullable=False),
    Index(None, "region", "family", "ds"),
)

# What goes out ---------------------------------------------------------------------------------------

outbox = history("outbox", identity(), *texts("type", "subject"), *bodies("data"))
deliveries = Table(
    "deliveries",
    metadata,
    refers("message_id", "outbox.id", primary_key=True),
    key("endpoint_id"),
    *texts("status", "error"),
    Column("attempts", Integer, nullable=False),
    moment("next_at"),
    Index(None, "status", "next_at"),
)

PROTECTED: Final = tuple(table for table in metadata.sorted_tables if table.info.get("protected"))
WITNESSED: Final = tuple(table for table in PROTECTED if "seq" in table.c and table is not entries)
