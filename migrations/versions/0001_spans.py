"""Projects, keys, traces, spans and log records.

Revision ID: 0001
Revises:
"""

import time
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Make the tables and the project ``default``."""
    _create_access()
    _create_trace()
    _create_span()
    _create_chunks()


def downgrade() -> None:
    """Drop the tables and everything that was received."""
    for table in ("log_chunk", "log_record", "chunk", "span", "trace", "api_key", "project"):
        op.drop_table(table)


def _keys(*more: str) -> "list[sa.Column[Any]]":
    ids = [sa.Column(name, sa.LargeBinary, primary_key=True) for name in ("trace_id", *more)]
    return [sa.Column("project_id", sa.Integer, primary_key=True, autoincrement=False), *ids]


def _column(name: str, kind: type[sa.types.TypeEngine[Any]], *, nullable: bool = False) -> "sa.Column[Any]":
    return sa.Column(name, kind(), nullable=nullable)


def _create_access() -> None:
    project = op.create_table(
        "project",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        _column("created_ns", sa.BigInteger),
    )
    op.bulk_insert(project, [{"name": "default", "created_ns": time.time_ns()}])
    op.create_table(
        "api_key",
        sa.Column("id", sa.Integer, primary_key=True),
        _column("project_id", sa.Integer),
        _column("name", sa.Text),
        _column("scope", sa.Text),
        _column("shown", sa.Text),
        sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
        _column("created_ns", sa.BigInteger),
        _column("revoked_ns", sa.BigInteger, nullable=True),
    )


def _create_trace() -> None:
    op.create_table(
        "trace",
        *_keys(),
        _column("version", sa.BigInteger),
        _column("linked_version", sa.BigInteger, nullable=True),
        _column("dirty_ns", sa.BigInteger, nullable=True),
        _column("first_seen_ns", sa.BigInteger),
        _column("last_seen_ns", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    dirty = sa.text("dirty_ns IS NOT NULL")
    op.create_index("ix_trace_dirty", "trace", ["dirty_ns"], sqlite_where=dirty, postgresql_where=dirty)
    op.create_index("ix_trace_last_seen", "trace", ["last_seen_ns"])


def _create_span() -> None:
    op.create_table(
        "span",
        *_keys("span_id"),
        _column("start_ns", sa.BigInteger),
        _column("end_ns", sa.BigInteger),
        _column("kind", sa.Text),
        _column("name", sa.Text),
        *(_column(name, sa.Text, nullable=True) for name in ("service", "model", "tool_name")),
        _column("status_code", sa.Integer),
        _column("chunk_id", sa.LargeBinary),
        _column("place", sa.Integer),
        _column("rank", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_span_span", "span", ["span_id"])


def _create_chunks() -> None:
    for name in ("chunk", "log_chunk"):
        op.create_table(name, *_keys("chunk_id"), _column("payload", sa.LargeBinary), _column("facts", sa.LargeBinary))
        if op.get_bind().dialect.name == "postgresql":
            # Compressed already: trying again costs four times the insert.
            for column in ("payload", "facts"):
                op.execute(f"ALTER TABLE {name} ALTER COLUMN {column} SET STORAGE EXTERNAL")
    op.create_table(
        "log_record",
        *_keys("span_id", "record_id"),
        _column("chunk_id", sa.LargeBinary),
        _column("place", sa.Integer),
        sqlite_with_rowid=False,
    )
