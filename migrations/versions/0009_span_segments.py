"""The index of span ids in segments of arrival: ids are random, so that each one stored changed a page of the index of all.

Revision ID: 0009
Revises: 0008
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Put what is stored into the first segment, whose size costs those who look for an id nothing."""
    op.add_column("span", sa.Column("segment", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.drop_index("ix_span_span", "span")
    op.create_index("ix_span_segment", "span", ["segment", "span_id"])


def downgrade() -> None:
    """Go back to one index of all."""
    op.drop_index("ix_span_segment", "span")
    op.create_index("ix_span_span", "span", ["span_id"])
    op.drop_column("span", "segment")
