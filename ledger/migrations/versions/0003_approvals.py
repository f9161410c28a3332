"""Approvals, votes and the inbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ledger.migrations.protection import protect

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Approvals, votes and the inbox."""
    _approvals()
    _approval_changes()
    _votes()
    _delegations()
    _approval_state()
    _approval_roles()
    for table in ("approvals", "approval_changes", "votes", "delegations"):
        protect(op.get_bind(), table)


def _approvals() -> None:
    op.create_table(
        "approvals",
        sa.Column("seq", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("recommendation_id", sa.Text(), nullable=False),
        sa.Column("return_line_id", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("needed", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["recommendation_id"], ["recommendations.id"], name="fk_approvals_recommendation_id"
        ),
        sa.ForeignKeyConstraint(
            ["seq"], ["entries.seq"], name="fk_approvals_seq", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_approvals"),
        sa.UniqueConstraint("id", name="uq_approvals_id"),
    )
    op.create_index("ix_approvals_recommendation_id", "approvals", ["recommendation_id"])
    op.create_index("ix_approvals_rule_site_at", "approvals", ["rule", "site", "at"])


def _approval_changes() -> None:
    op.create_table(
        "approval_changes",
        sa.Column("seq", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("approval_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["approval_id"], ["approvals.id"], name="fk_approval_changes_approval_id"),
        sa.ForeignKeyConstraint(
            ["seq"], ["entries.seq"], name="fk_approval_changes_seq", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_approval_changes"),
    )
    op.create_index("ix_approval_changes_approval_id_seq", "approval_changes", ["approval_id", "seq"])


def _votes() -> None:
    op.create_table(
        "votes",
        sa.Column("seq", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("approval_id", sa.Text(), nullable=False),
        sa.Column("voter", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("vote", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["approval_id"], ["approvals.id"], name="fk_votes_approval_id"),
        sa.ForeignKeyConstraint(
            ["seq"], ["entries.seq"], name="fk_votes_seq", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_votes"),
        sa.UniqueConstraint("approval_id", "voter", name="uq_votes_approval_id_voter"),
        sa.UniqueConstraint("id", name="uq_votes_id"),
    )


def _delegations() -> None:
    op.create_table(
        "delegations",
        sa.Column("seq", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("approval_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("delegator", sa.Text(), nullable=False),
        sa.Column("delegate", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["approval_id"], ["approvals.id"], name="fk_delegations_approval_id"),
        sa.ForeignKeyConstraint(
            ["seq"], ["entries.seq"], name="fk_delegations_seq", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_delegations"),
        sa.UniqueConstraint("id", name="uq_delegations_id"),
    )
    op.create_index("ix_delegations_approval_id_seq", "delegations", ["approval_id", "seq"])
    op.create_index("ix_delegations_delegate", "delegations", ["delegate"])


def _approval_state() -> None:
    op.create_table(
        "approval_state",
        sa.Column("approval_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["approval_id"], ["approvals.id"], name="fk_approval_state_approval_id"),
        sa.PrimaryKeyConstraint("approval_id", name="pk_approval_state"),
    )
    op.create_index("ix_approval_state_status_expires_at", "approval_state", ["status", "expires_at"])
    op.create_index("ix_approval_state_status_seq", "approval_state", ["status", "seq"])
    op.create_index("ix_approval_state_status_site_seq", "approval_state", ["status", "site", "seq"])


def _approval_roles() -> None:
    op.create_table(
        "approval_roles",
        sa.Column("approval_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["approval_id"], ["approvals.id"], name="fk_approval_roles_approval_id"),
        sa.PrimaryKeyConstraint("approval_id", "role", name="pk_approval_roles"),
    )
    op.create_index("ix_approval_roles_role_status_seq", "approval_roles", ["role", "status", "seq"])
    op.create_index(
        "ix_approval_roles_role_status_site_seq", "approval_roles", ["role", "status", "site", "seq"]
    )
