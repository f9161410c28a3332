"""Registers, evidence, forecasts and what goes out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ledger.migrations.protection import protect

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Registers, evidence, forecasts and what goes out."""
    _reference()
    _policies()
    _policy_activations()
    _keys()
    _key_revocations()
    _events()
    _outcomes()
    _documents()
    _corrections()
    _forecast_issues()
    _forecast_rows()
    _overrides()
    _outbox()
    _deliveries()
    for table in (
        "reference",
        "policies",
        "policy_activations",
        "keys",
        "key_revocations",
        "events",
        "outcomes",
        "documents",
        "corrections",
        "forecast_issues",
        "forecast_rows",
        "overrides",
        "outbox",
    ):
        protect(op.get_bind(), table)


def _reference() -> None:
    op.create_table(
        "reference",
        sa.Column("seq", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["seq"], ["entries.seq"], name="fk_reference_seq", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_reference"),
        sa.UniqueConstraint("kind", "id", "version", name="uq_reference_kind_id_version"),
    )
    op.create_index("ix_reference_kind_at", "reference", ["kind", "at"])


def _policies() -> None:
    op.create_table(
        "policies",
        sa.Column("seq", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["seq"], ["entries.seq"], name="fk_policies_seq", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_policies"),
        sa.UniqueConstraint("digest", name="uq_policies_digest"),
    )


def _policy_activations() -> None:
    op.create_table(
        "policy_activations",
        sa.Column("seq", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["policies.digest"], name="fk_policy_activations_digest"),
        sa.ForeignKeyConstraint(
            ["seq"], ["entries.seq"], name="fk_policy_activations_seq", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_policy_activations"),
    )
    op.create_index("ix_policy_activations_at", "policy_activations", ["at"])


def _keys() -> None:
    op.create_table(
        "keys",
        sa.Column("seq", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("sites", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["seq"], ["entries.seq"], name="fk_keys_seq", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_keys"),
        sa.UniqueConstraint("hash", name="uq_keys_hash"),
    )


def _key_revocations() -> None:
    op.create_table(
        "key_revocations",
        sa.Column("seq", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["hash"], ["keys.hash"], name="fk_key_revocations_hash"),
        sa.ForeignKeyConstraint(
            ["seq"], ["entries.seq"], name="fk_key_revocations_seq", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_key_revocations"),
        sa.UniqueConstraint("hash", name="uq_key_revocations_hash"),
    )


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("seq", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["seq"], ["entries.seq"], name="fk_events_seq", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_events"),
        sa.UniqueConstraint("source", "id", name="uq_events_source_id"),
    )
    op.create_index("ix_events_subject_time", "events", ["subject", "time"])
    op.create_index("ix_events_type_time", "events", ["type", "time"])


def _outcomes() -> None:
    op.create_table(
        "outcomes",
        sa.Column("seq", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("recommendation_id", sa.Text(), nullable=False),
        sa.Column("return_line_id", sa.Text(), nullable=False),
        sa.Column("disposition", sa.Text(), nullable=False),
        sa.Column("recovered_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("minutes", sa.Double(), nullable=True),
        sa.Column("fraud_confirmed", sa.Boolean(), nullable=True),
        sa.Column("reason_code", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["recommendation_id"], ["recommendations.id"], name="fk_outcomes_recommendation_id"
        ),
        sa.ForeignKeyConstraint(
            ["seq"], ["entries.seq"], name="fk_outcomes_seq", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_outcomes"),
        sa.UniqueConstraint("id", name="uq_outcomes_id"),
    )
    op.create_index("ix_outcomes_return_line_id", "outcomes", ["return_line_id"])


def _documents() -> None:
    op.create_table(
        "documents",
        sa.Column("seq", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("return_line_id", sa.Text(), nullable=True),
        sa.Column("meta", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["seq"], ["entries.seq"], name="fk_documents_seq", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_documents"),
        sa.UniqueConstraint("id", name="uq_documents_id"),
    )
    op.create_index("ix_documents_digest", "documents", ["digest"])
    op.create_index("ix_documents_return_line_id", "documents", ["return_line_id"])


def _corrections() -> None:
    op.create_table(
        "corrections",
        sa.Column("seq", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], name="fk_corrections_document_id"),
        sa.ForeignKeyConstraint(
            ["seq"], ["entries.seq"], name="fk_corrections_seq", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_corrections"),
        sa.UniqueConstraint("id", name="uq_corrections_id"),
    )
    op.create_index("ix_corrections_document_id_seq", "corrections", ["document_id", "seq"])


def _forecast_issues() -> None:
    op.create_table(
        "forecast_issues",
        sa.Column("seq", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("data_hash", sa.Text(), nullable=False),
        sa.Column("rows_digest", sa.Text(), nullable=False),
        sa.Column("meta", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["seq"], ["entries.seq"], name="fk_forecast_issues_seq", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_forecast_issues"),
        sa.UniqueConstraint("id", name="uq_forecast_issues_id"),
    )


def _forecast_rows() -> None:
    op.create_table(
        "forecast_rows",
        sa.Column("issue", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("ds", sa.Text(), nullable=False),
        sa.Column("mean", sa.Double(), nullable=False),
        sa.Column("q10", sa.Double(), nullable=False),
        sa.Column("q50", sa.Double(), nullable=False),
        sa.Column("q80", sa.Double(), nullable=False),
        sa.Column("q90", sa.Double(), nullable=False),
        sa.Column("q95", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["issue"], ["forecast_issues.id"], name="fk_forecast_rows_issue"),
        sa.PrimaryKeyConstraint("issue", "region", "family", "ds", name="pk_forecast_rows"),
    )


def _overrides() -> None:
    op.create_table(
        "overrides",
        sa.Column("seq", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("issue", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("ds", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["seq"], ["entries.seq"], name="fk_overrides_seq", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_overrides"),
        sa.UniqueConstraint("id", name="uq_overrides_id"),
    )
    op.create_index("ix_overrides_region_family_ds", "overrides", ["region", "family", "ds"])


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("seq", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["seq"], ["entries.seq"], name="fk_outbox_seq", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_outbox"),
        sa.UniqueConstraint("id", name="uq_outbox_id"),
    )


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("endpoint_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["outbox.id"], name="fk_deliveries_message_id"),
        sa.PrimaryKeyConstraint("message_id", "endpoint_id", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_status_next_at", "deliveries", ["status", "next_at"])
