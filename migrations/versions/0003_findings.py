"""What detectors found in runs.

Revision ID: 0003
Revises: 0002
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "finding",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("trace_id", sa.LargeBinary(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.LargeBinary(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("rule", "severity", "agent", "subject")),
        *(sa.Column(name, sa.Float(), nullable=False) for name in ("observed", "threshold")),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("since_ns", "last_ns")),
        sa.Column("spans", sa.LargeBinary(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("sentence", "detail")),
        sa.Column("wasted_nanos", sa.BigInteger()),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("wasted_ns", "seen_ns")),
        sa.PrimaryKeyConstraint("project_id", "trace_id", "place"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_finding_seen", "finding", ["seen_ns"])


def downgrade() -> None:
    """Drop the table; relinking after an upgrade fills it again."""
    op.drop_table("finding")
