"""More tables of history: registers, evidence about lines, forecasts, and what goes out."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Double, ForeignKey, Index, Integer, Table, UniqueConstraint

from ledger.schema.columns import (
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
    Index(None, "at"),
)
documents = history(
    "documents",
    identity(),
    *texts("digest", "kind", "path"),
    *maybe_texts("return_line_id"),
    *bodies("meta", "body"),
    Index(None, "return_line_id"),
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
    *counts("replays"),
    moment("next_at"),
    Index(None, "status", "next_at"),
)
# How often events came again that were there already; they change nothing else.
repeats = Table(
    "repeats",
    metadata,
    key("day"),
    key("subject"),
    key("source"),
    *counts("times"),
)
