"""Recommendations, return lines and what they add up to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ledger.migrations.protection import protect

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Recommendations, return lines and what they add up to."""
    _recommendations()
    _recommendation_statuses()
    _recommendation_state()
    _lines()
    _standing()
    _hourly()
    _fraud_labels()
    _fraud_marks()
    for table in ("recommendations", "recommendation_statuses", "lines", "fraud_labels"):
        protect(op.get_bind(), table)


def _recommendations() -> None:
    op.create_table(
        "recommendations",
        sa.Column("seq", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("return_line_id", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("supplier_id", sa.Text(), nullable=True),
        sa.Column("order_number", sa.Text(), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("requested_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("related", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("payload_digest", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("policy_digest", sa.Text(), nullable=False),
        sa.Column("supersedes", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["seq"], ["entries.seq"], name="fk_recommendations_seq", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_recommendations"),
        sa.UniqueConstraint("id", name="uq_recommendations_id"),
    )


def _recommendation_statuses() -> None:
    op.create_table(
        "recommendation_statuses",
        sa.Column("seq", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("recommendation_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["recommendation_id"], ["recommendations.id"], name="fk_recommendation_statuses_recommendation_id"
        ),
        sa.ForeignKeyConstraint(
            ["seq"],
            ["entries.seq"],
            name="fk_recommendation_statuses_seq",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_recommendation_statuses"),
    )
    op.create_index(
        "ix_recommendation_statuses_recommendation_id_seq",
        "recommendation_statuses",
        ["recommendation_id", "seq"],
    )


def _recommendation_state() -> None:
    op.create_table(
        "recommendation_state",
        sa.Column("recommendation_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("return_line_id", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["recommendation_id"], ["recommendations.id"], name="fk_recommendation_state_recommendation_id"
        ),
        sa.PrimaryKeyConstraint("recommendation_id", name="pk_recommendation_state"),
    )
    op.create_index(
        "ix_recommendation_state_return_line_id_seq", "recommendation_state", ["return_line_id", "seq"]
    )
    op.create_index("ix_recommendation_state_status_seq", "recommendation_state", ["status", "seq"])
    op.create_index(
        "uq_recommendation_state_business_key",
        "recommendation_state",
        ["return_line_id", "stage"],
        unique=True,
        sqlite_where=sa.text("is_current"),
        postgresql_where=sa.text("is_current"),
    )


def _lines() -> None:
    op.create_table(
        "lines",
        sa.Column("seq", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("return_line_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("supplier_id", sa.Text(), nullable=True),
        sa.Column("order_number", sa.Text(), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("requested_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("hundredths", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["seq"], ["entries.seq"], name="fk_lines_seq", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_lines"),
        sa.UniqueConstraint("return_line_id", name="uq_lines_return_line_id"),
    )
    op.create_index("ix_lines_customer_id_requested_at", "lines", ["customer_id", "requested_at"])
    op.create_index("ix_lines_requested_at", "lines", ["requested_at"])
    op.create_index("ix_lines_site_requested_at", "lines", ["site", "requested_at"])
    op.create_index("ix_lines_sku_requested_at", "lines", ["sku", "requested_at"])
    op.create_index("ix_lines_supplier_id_requested_at", "lines", ["supplier_id", "requested_at"])


def _standing() -> None:
    op.create_table(
        "standing",
        sa.Column("return_line_id", sa.Text(), nullable=False),
        sa.Column("recommendation_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("order_number", sa.Text(), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("requested_minor", sa.BigInteger(), nullable=False),
        sa.Column("credit_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("return_line_id", name="pk_standing"),
    )
    op.create_index("ix_standing_customer_id_requested_at", "standing", ["customer_id", "requested_at"])
    op.create_index("ix_standing_order_number_sku", "standing", ["order_number", "sku"])


def _hourly() -> None:
    op.create_table(
        "hourly",
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("entity_id", sa.Text(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("hundredths", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("entity", "entity_id", "hour", name="pk_hourly"),
    )


def _fraud_labels() -> None:
    op.create_table(
        "fraud_labels",
        sa.Column("seq", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("return_line_id", sa.Text(), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("known_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["seq"], ["entries.seq"], name="fk_fraud_labels_seq", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_fraud_labels"),
    )
    op.create_index("ix_fraud_labels_return_line_id_known_at", "fraud_labels", ["return_line_id", "known_at"])


def _fraud_marks() -> None:
    op.create_table(
        "fraud_marks",
        sa.Column("seq", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("return_line_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("supplier_id", sa.Text(), nullable=True),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("known_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("counted_from", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["seq"], ["fraud_labels.seq"], name="fk_fraud_marks_seq"),
        sa.PrimaryKeyConstraint("seq", name="pk_fraud_marks"),
    )
    op.create_index("ix_fraud_marks_customer_id_counted_from", "fraud_marks", ["customer_id", "counted_from"])
    op.create_index("ix_fraud_marks_return_line_id_known_at", "fraud_marks", ["return_line_id", "known_at"])
    op.create_index("ix_fraud_marks_site_counted_from", "fraud_marks", ["site", "counted_from"])
    op.create_index("ix_fraud_marks_sku_counted_from", "fraud_marks", ["sku", "counted_from"])
    op.create_index("ix_fraud_marks_supplier_id_counted_from", "fraud_marks", ["supplier_id", "counted_from"])
