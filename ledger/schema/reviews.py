"""Projections of what people look at: they hold nothing that history does not say, and could be rebuilt."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table

from ledger.schema.columns import Sequence, counts, key, metadata, moment, refers, texts

# How many approvals were asked of a role at a site on a business day, in the site's time zone.
review_counts = Table(
    "review_counts", metadata, *(key(name) for name in ("site", "role", "day")), *counts("count")
)
# How many returns of a site and business day had an expected loss of about so much, in minor units.
loss_counts = Table(
    "loss_counts",
    metadata,
    *(key(name) for name in ("site", "currency", "day")),
    Column("loss", Sequence, primary_key=True, autoincrement=False),
    *counts("count"),
)
# Where each draw for blind review stands; `agrees` is empty while it is open.
quality_state = Table(
    "quality_state",
    metadata,
    refers("recommendation_id", "recommendations.id", primary_key=True),
    *counts("seq"),
    *texts("status", "site"),
    moment("at"),
    Column("permille", Integer, nullable=False),
    Column("agrees", Boolean, nullable=True),
    Index(None, "status", "seq"),
    Index(None, "status", "site", "seq"),
    Index(None, "at"),
)
