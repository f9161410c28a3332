"""Personal data held apart, in what is there already too; checkpoints."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ledger.migrations.protection import protect
from ledger.migrations.sealing import seal

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Personal data held apart, in what is there already too; checkpoints."""
    _subjects()
    _personal()
    _checkpoints()
    protect(op.get_bind(), "checkpoints")
    # Documents hold only a salted digest of their digest now: nothing to look up.
    op.drop_index("ix_documents_digest", "documents")
    seal(op.get_bind())


def _subjects() -> None:
    op.create_table(
        "subjects",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("pseudonym", sa.Text(), nullable=False),
        sa.Column("seq", SEQUENCE, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("salt", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", name="pk_subjects"),
        sa.UniqueConstraint("pseudonym", name="uq_subjects_pseudonym"),
        sa.UniqueConstraint("seq", name="uq_subjects_seq"),
    )


def _personal() -> None:
    op.create_table(
        "personal",
        sa.Column("seq", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("salt", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_personal"),
    )
    op.create_index("ix_personal_subject", "personal", ["subject"])
    op.create_index("ix_personal_customer", "personal", ["customer"])
    op.create_index("ix_personal_at", "personal", ["at"])


def _checkpoints() -> None:
    op.create_table(
        "checkpoints",
        sa.Column("seq", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("head", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", "key", name="pk_checkpoints"),
    )
