"""The tables: history that is only ever added to, and the few projections and queues that may change.

Every row of a history table is witnessed by the entry of the same `seq` in the hash chain; database
triggers refuse to change or delete it. Projections say what holds now and could be rebuilt from history.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    text,
)

from features.history import ENTITIES, SEEN, TOLD
from ledger.schema import registers
from ledger.schema.columns import (
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

REVISION: Final = "0009"  # the migration that this code needs

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

# Personal data ---------------------------------------------------------------------------------------

# Who is behind a pseudonym; the one place that names a customer. Deleted by erasure, and by nothing else.
subjects = Table(
    "subjects",
    metadata,
    key("customer_id"),
    Column("pseudonym", Words, nullable=False, unique=True),
    Column("seq", Sequence, nullable=False, unique=True),
    moment("at"),
    *texts("salt"),
)
# What the history rows of the same `seq` say of persons; they themselves hold its salted digest.
personal = Table(
    "personal",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=False),
    *texts("subject"),
    *maybe_texts("customer"),
    moment("at"),
    *texts("salt"),
    *bodies("value"),
    Index(None, "subject"),
    Index(None, "customer"),
    Index(None, "at"),
)
# Signatures that the chain reached a head, by a key that the database does not hold.
checkpoints = Table(
    "checkpoints",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=False),
    key("key"),
    *texts("head", "at", "signature"),
    info={"protected": True},
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


def _by_entity(time: str, *entities: str) -> tuple[Index, ...]:
    return tuple(Index(None, ENTITIES[entity], time) for entity in entities)


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
    *_by_entity("requested_at", "customer", "product", "supplier", "site"),
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
    *counts("count", "quantity", "hundredths", *SEEN),
)
# What a line says of those behind it. Address and device are erased with their customer.
past = Table(
    "past",
    metadata,
    key("return_line_id"),
    *texts("customer_id", "sku", "site"),
    *maybe_texts("address_id", "device_id", "supplier_id"),
    moment("at"),
    moment("requested_at"),
    *counts("quantity", "hundredths", *TOLD),
    moment("found_from", nullable=True),
    *counts(*SEEN),
    *_by_entity("requested_at", "customer", "address", "device"),
    Index(None, "at"),
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
    *maybe_texts("address_id", "device_id", "supplier_id"),
    flag("confirmed"),
    moment("known_at"),
    moment("counted_from"),
    Index(None, "return_line_id", "known_at"),
    *_by_entity("counted_from", *ENTITIES),
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
    Index(None, "at"),
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
    moment("look_at", nullable=True),  # when whoever keeps the time wants to see it next
    Index(None, "status", "seq"),
    Index(None, "status", "site", "seq"),
    Index(None, "status", "expires_at"),
    Index(None, "status", "look_at"),
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

# Time ------------------------------------------------------------------------------------------------

# Where each line waits by its events, how many steps were told of it, and when to look at it next (OPS-08).
waits = Table(
    "waits",
    metadata,
    key("return_line_id"),
    *texts("stage"),
    moment("since"),
    *counts("steps"),
    moment("look_at", nullable=True),
    Index(None, "look_at"),
)

PROTECTED: Final = tuple(
    table for table in registers.outbox.metadata.sorted_tables if table.info.get("protected")
)
WITNESSED: Final = tuple(
    table for table in PROTECTED if "seq" in table.c and table not in {entries, checkpoints}
)
