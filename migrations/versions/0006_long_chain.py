"""Chains of long traces, kept as they were linked, so that their pages open at once.

Revision ID: 0006
Revises: 0005
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Make the table. Traces stored before have no row until they are linked again; they are reconstructed as before."""
    op.create_table(
        "long_chain",
        sa.Column("project_id", sa.Integer(), primary_key=True, nullable=False, autoincrement=False),
        sa.Column("trace_id", sa.LargeBinary(), primary_key=True, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        # It is compressed already.
        op.execute("ALTER TABLE long_chain ALTER COLUMN body SET STORAGE EXTERNAL")


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("long_chain")
