"""Decisions and tallies appended, instead of kept in the order of their keys: a trace's id is random, and its rows fill a third of a
page, so that each trace changed two pages and more of both tables where it now changes a part of one.

Revision ID: 0010
Revises: 0009
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Lay both tables anew: some seconds for a million spans. PostgreSQL appends anyway."""
    _lay_anew(in_order_of_keys=False)


def downgrade() -> None:
    """Keep them in the order of their keys again."""
    _lay_anew(in_order_of_keys=True)


def _lay_anew(in_order_of_keys: bool) -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    for name in ("decision", "tally"):
        kept = sa.Table(name, sa.MetaData(), autoload_with=op.get_bind())
        columns = [sa.Column(one.name, one.type, nullable=one.nullable, primary_key=one.primary_key) for one in kept.columns]
        op.create_table(f"{name}_anew", *columns, sqlite_with_rowid=not in_order_of_keys)
        names = ", ".join(column.name for column in columns)
        op.execute(f"INSERT INTO {name}_anew ({names}) SELECT {names} FROM {name}")
        op.drop_table(name)
        op.rename_table(f"{name}_anew", name)
    op.create_index("ix_decision_chosen", "decision", ["project_id", "chosen", "decided_ns"])
