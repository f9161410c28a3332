"""Time: where lines wait and when to look at what; votes and outcomes are found by their time."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# The stages as they were told from events when this migration was written.
GIVEN_UP = ("returns.rma.denied.v1", "returns.rma.cancelled.v1", "returns.rma.expired.v1")
RECEIVED = "returns.receipt.confirmed.v1"
INSPECTED = "returns.inspection.completed.v1"
DISPOSED = "returns.disposition.executed.v1"
CREDITED = "returns.credit.issued.v1"


def upgrade() -> None:
    """Time: where lines wait and when to look at what; votes and outcomes are found by their time."""
    op.create_index("ix_votes_at", "votes", ["at"])
    op.create_index("ix_outcomes_at", "outcomes", ["at"])
    _approvals()
    _waits()


def _approvals() -> None:
    op.add_column("approval_state", sa.Column("look_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_approval_state_status_look_at", "approval_state", ["status", "look_at"])
    op.execute(
        "UPDATE approval_state SET look_at = "
        "(SELECT a.at FROM approvals a WHERE a.id = approval_state.approval_id) WHERE status = 'pending'"
    )


def _waits() -> None:
    op.create_table(
        "waits",
        sa.Column("return_line_id", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("steps", sa.BigInteger(), nullable=False),
        sa.Column("look_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("return_line_id", name="pk_waits"),
    )
    op.execute(_lines_that_wait())
    op.create_index("ix_waits_look_at", "waits", ["look_at"])


def _lines_that_wait() -> str:
    """What is under way is waited for from now on; a request that was never received is left alone."""
    first: dict[str, tuple[str, ...]]
    first = {"received": (RECEIVED,), "inspected": (INSPECTED,), "disposed": (DISPOSED,)}
    first |= {"credited": (CREDITED,), "given_up": GIVEN_UP}
    times = ", ".join(
        f"MIN(CASE WHEN type IN ({_quoted(types)}) THEN time END) AS {name}" for name, types in first.items()
    )
    wanted = _quoted(kind for types in first.values() for kind in types)
    return f"""
        INSERT INTO waits (return_line_id, stage, since, steps, look_at)
        SELECT subject,
               CASE WHEN disposed IS NOT NULL THEN 'credit' WHEN inspected IS NOT NULL THEN 'dispose'
                    ELSE 'inspect' END,
               COALESCE(disposed, inspected, received), 0, COALESCE(disposed, inspected, received)
        FROM (SELECT subject, {times} FROM events WHERE type IN ({wanted}) GROUP BY subject) AS lines
        WHERE given_up IS NULL AND COALESCE(disposed, inspected, received) IS NOT NULL
          AND (disposed IS NULL OR credited IS NULL)
          AND (disposed IS NOT NULL OR subject NOT IN (SELECT return_line_id FROM outcomes))
    """  # noqa: S608 - constants of this file alone


def _quoted(types: Iterable[str]) -> str:
    return ", ".join(f"'{kind}'" for kind in types)
