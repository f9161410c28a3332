"""Reviews counted by role and day, expected losses by day, and what is open of the blind quality reviews."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Draws and answers were versions 1 and 2 of a register; what is open was found by reading all of it.
DRAWN = sa.text(
    "SELECT drawn.id, drawn.at, drawn.body, answer.body AS answer, issued.seq FROM reference AS drawn "
    "JOIN recommendations AS issued ON issued.id = drawn.id "
    "LEFT JOIN reference AS answer "
    "ON answer.kind = drawn.kind AND answer.id = drawn.id AND answer.version = 2 "
    "WHERE drawn.kind = 'quality_reviews' AND drawn.version = 1"
)


def upgrade() -> None:
    """Reviews and losses counted from now on; the draws that are there keep their place."""
    for table, names in (
        ("review_counts", ("site", "role", "day")),
        ("loss_counts", ("site", "currency", "day")),
    ):
        loss = (sa.Column("loss", SEQUENCE, nullable=False),) if table == "loss_counts" else ()
        op.create_table(
            table,
            *(sa.Column(name, sa.Text(), nullable=False) for name in names),
            *loss,
            sa.Column("count", sa.BigInteger(), nullable=False),
            sa.PrimaryKeyConstraint(*names, *(column.name for column in loss), name=f"pk_{table}"),
        )
    _quality_state()


def _quality_state() -> None:
    table = op.create_table(
        "quality_state",
        sa.Column("recommendation_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("permille", sa.Integer(), nullable=False),
        sa.Column("agrees", sa.Boolean(), nullable=True),
        sa.PrimaryKeyConstraint("recommendation_id", name="pk_quality_state"),
        sa.ForeignKeyConstraint(
            ["recommendation_id"], ["recommendations.id"], name="fk_quality_state_recommendation_id"
        ),
    )
    for columns in (("status", "seq"), ("status", "site", "seq"), ("at",)):
        op.create_index(f"ix_quality_state_{'_'.join(columns)}", "quality_state", list(columns))
    typed = DRAWN.columns(at=sa.DateTime(timezone=True))
    for row in op.get_bind().execute(typed).mappings().all():
        drawn, answer = json.loads(row["body"]), json.loads(row["answer"] or "null")
        op.get_bind().execute(
            sa.insert(table).values(
                recommendation_id=row["id"],
                seq=row["seq"],
                status="answered" if answer else "open",
                site=drawn["site"],
                at=row["at"],
                permille=drawn["permille"],
                agrees=answer["agrees"] if answer else None,
            )
        )
