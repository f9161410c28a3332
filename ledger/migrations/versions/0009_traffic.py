"""Messages that were replayed, and events that came again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Counted from now on."""
    op.add_column("deliveries", sa.Column("replays", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "repeats",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("day", "subject", "source")),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "subject", "source", name="pk_repeats"),
    )
