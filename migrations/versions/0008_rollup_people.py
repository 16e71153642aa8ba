"""What users and sessions spent, by hour, so that all of a month is added up at once.

Revision ID: 0008
Revises: 0007
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_KEYS = ("user_id", "session_id", "agent")
_SUMS = (
    "llm_calls", "tool_calls", "errors", "uncached_input_tokens", "cache_read_tokens", "cache_write_tokens", "plain_output_tokens",
    "reasoning_tokens", "cost_nanos", "unpriced_calls",
)  # fmt: skip
_OF_RUNS = ("runs", "duration_ns")


def upgrade() -> None:
    """Make the table and fill it from the ledger: some seconds for a million spans."""
    op.create_table(
        "rollup_people",
        sa.Column("project_id", sa.Integer(), primary_key=True, nullable=False, autoincrement=False),
        sa.Column("hour", sa.BigInteger(), primary_key=True, nullable=False, autoincrement=False),
        *(sa.Column(name, sa.Text(), primary_key=True, nullable=False) for name in _KEYS),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in (*_OF_RUNS, *_SUMS, "completed")),
        sqlite_with_rowid=False,
    )
    keys = ", ".join(("project_id", "hour", *_KEYS))
    sums = [f"SUM({name})" for name in _SUMS]
    sums += [f"SUM(CASE WHEN operation = 'run' THEN {name} ELSE 0 END)" for name in _OF_RUNS]
    sums.append("SUM(CASE WHEN operation = 'run' AND termination = 'completed' THEN runs ELSE 0 END)")
    op.execute(
        f"INSERT INTO rollup_people ({keys}, {', '.join((*_SUMS, *_OF_RUNS, 'completed'))}) "
        f"SELECT {keys}, {', '.join(sums)} FROM ledger GROUP BY {keys} HAVING {' OR '.join(f'{one} <> 0' for one in sums)}"
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("rollup_people")
