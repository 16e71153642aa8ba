"""What the watch keeps for longer: days of agents, by which drift is seen, and how much of what was sent could not be stored.

Revision ID: 0005
Revises: 0004
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "agent_day",
        sa.Column("project_id", sa.Integer(), primary_key=True, nullable=False, autoincrement=False),
        sa.Column("agent", sa.Text(), primary_key=True, nullable=False),
        sa.Column("day", sa.BigInteger(), primary_key=True, nullable=False, autoincrement=False),
        sa.Column("runs", sa.BigInteger(), nullable=False),
        sa.Column("cost_nanos", sa.BigInteger(), nullable=True),
        sa.Column("duration_ns", sa.BigInteger(), nullable=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "intake_slot",
        sa.Column("project_id", sa.Integer(), primary_key=True, nullable=False, autoincrement=False),
        sa.Column("slot", sa.BigInteger(), primary_key=True, nullable=False, autoincrement=False),
        sa.Column("stored", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop the tables; days are taken anew from the runs that are stored."""
    op.drop_table("intake_slot")
    op.drop_table("agent_day")
