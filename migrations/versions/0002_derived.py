"""Derived tables: summaries, runs, decisions, the ledger and its roll-ups, references, search, prices, tombstones.

Revision ID: 0002
Revises: 0001
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_TOTALS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "cost_nanos")
_TALLIES = ("unpriced_calls", "llm_calls", "tool_calls", "errors", "decisions", "steps")
_DIMENSIONS = ("agent", "model", "provider", "tool", "operation", "service", "environment", "termination")
_SUMS = (
    "runs", "llm_calls", "tool_calls", "errors", "uncached_input_tokens", "cache_read_tokens", "cache_write_tokens",
    "plain_output_tokens", "reasoning_tokens", "cost_nanos", "unpriced_calls", "duration_ns",
)  # fmt: skip

_TALLY_SUMS = ("traces", "times", "failed", "repeats", "length_ns", "wasted_ns", "nanos")

_TABLES = (
    "summary", "run", "decision", "option_set", "ledger", "rollup_hour", "rollup_day", "reference", "search_doc", "price", "tombstone",
    "tally", "tally_day", "branch_point", "sign", "saved_view",
)  # fmt: skip


def upgrade() -> None:
    """Make the tables."""
    _create_summary()
    _create_run()
    _create_decisions()
    _create_ledger()
    _create_lookups()
    _create_search()
    _create_tallies()


def downgrade() -> None:
    """Drop the tables; relinking after an upgrade fills them again."""
    op.execute("DROP TABLE search_fts" if _is_sqlite() else "DROP TABLE search_word")
    for table in reversed(_TABLES):
        op.drop_table(table)


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _key(name: str, kind: type[sa.types.TypeEngine[Any]] = sa.Text) -> "sa.Column[Any]":
    return sa.Column(name, kind(), primary_key=True, nullable=False, autoincrement=False)


def _trace_keys() -> "list[sa.Column[Any]]":
    return [_key("project_id", sa.Integer), _key("trace_id", sa.LargeBinary)]


def _columns(kind: type[sa.types.TypeEngine[Any]], *names: str, nullable: bool = True) -> "list[sa.Column[Any]]":
    return [sa.Column(name, kind(), nullable=nullable) for name in names]


def _create_summary() -> None:
    op.create_table(
        "summary",
        *_trace_keys(),
        *_columns(sa.LargeBinary, "run_id", nullable=False),
        *_columns(sa.BigInteger, "started_ns", nullable=False),
        *_columns(sa.BigInteger, "ended_ns", "duration_ns"),
        *_columns(sa.Text, "agent", "status", "termination", "termination_source", "state", nullable=False),
        *_columns(sa.Text, "service", "version", "environment", "session_id", "user_id"),
        *_columns(sa.BigInteger, "span_count", "run_count", "tokens", nullable=False),
        *_columns(sa.BigInteger, *_TOTALS),
        *_columns(sa.BigInteger, *_TALLIES, nullable=False),
        *_columns(sa.BigInteger, "lost_after_ns"),
        *_columns(sa.Text, "input", "output"),
    )
    for name in ("agent", "status", "termination"):
        op.create_index(f"ix_summary_{name}", "summary", ["project_id", name, "started_ns", "trace_id"])
    for name in ("session", "user"):
        op.create_index(f"ix_summary_{name}", "summary", ["project_id", f"{name}_id", "started_ns", "trace_id"])
    op.create_index("ix_summary_started", "summary", ["project_id", "started_ns", "trace_id"])
    op.create_index("ix_summary_tokens", "summary", ["project_id", "tokens", "trace_id"])
    op.create_index("ix_summary_steps", "summary", ["project_id", "steps", "trace_id"])
    for name, column in (("cost", "cost_nanos"), ("duration", "duration_ns")):
        op.create_index(f"ix_summary_{name}", "summary", ["project_id", sa.text(f"coalesce({column}, -1)"), "trace_id"])
    some = sa.text("lost_after_ns IS NOT NULL")
    op.create_index("ix_summary_open", "summary", ["lost_after_ns"], sqlite_where=some, postgresql_where=some)


def _create_run() -> None:
    op.create_table(
        "run",
        *_trace_keys(),
        _key("run_id", sa.LargeBinary),
        *_columns(sa.LargeBinary, "parent_run_id"),
        *_columns(sa.BigInteger, "started_ns", nullable=False),
        *_columns(sa.BigInteger, "ended_ns"),
        *_columns(sa.Text, "agent", "status", "termination", "termination_source", nullable=False),
        *_columns(sa.Text, "termination_detail", "service", "version", "environment", "session_id", "user_id"),
        *_columns(sa.BigInteger, *_TOTALS),
        *_columns(sa.BigInteger, *_TALLIES, nullable=False),
        *_columns(sa.BigInteger, "budget_tokens", "budget_nanos", "budget_steps", "lost_after_ns"),
        *_columns(sa.Text, "input", "output"),
    )
    op.create_index("ix_run_agent", "run", ["project_id", "agent", "started_ns"])


def _create_decisions() -> None:
    op.create_table(
        "decision",
        *_trace_keys(),
        _key("place", sa.Integer),
        *_columns(sa.LargeBinary, "run_id", "span_id", nullable=False),
        *_columns(sa.Integer, "step", nullable=False),
        *_columns(sa.BigInteger, "decided_ns", nullable=False),
        *_columns(sa.Text, "agent", "chosen", "source", nullable=False),
        *_columns(sa.Text, "question", "because"),
        *_columns(sa.LargeBinary, "set_hash", nullable=False),
        *_columns(sa.Text, "branch", nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_decision_chosen", "decision", ["project_id", "chosen", "decided_ns"])
    op.create_table(
        "option_set",
        _key("project_id", sa.Integer),
        _key("set_hash", sa.LargeBinary),
        _key("place", sa.Integer),
        *_columns(sa.Text, "name", nullable=False),
        *_columns(sa.Text, "because"),
        *_columns(sa.Float, "score"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_option_set_name", "option_set", ["project_id", "name"])


def _create_ledger() -> None:
    op.create_table(
        "ledger",
        *_columns(sa.Integer, "project_id", nullable=False),
        *_columns(sa.LargeBinary, "trace_id", nullable=False),
        *_columns(sa.Integer, "place", nullable=False),
        *_columns(sa.LargeBinary, "run_id", nullable=False),
        *_columns(sa.BigInteger, "hour", nullable=False),
        *_columns(sa.Text, *_DIMENSIONS, "session_id", "user_id", nullable=False),
        *_columns(sa.BigInteger, *_SUMS, nullable=False),
        *_columns(sa.Text, "price_version", nullable=False),
        sa.PrimaryKeyConstraint("hour", "project_id", "trace_id", "place"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_ledger_trace", "ledger", ["project_id", "trace_id"])
    for bucket in ("hour", "day"):
        op.create_table(
            f"rollup_{bucket}",
            _key("project_id", sa.Integer),
            _key(bucket, sa.BigInteger),
            *map(_key, _DIMENSIONS),
            *_columns(sa.BigInteger, *_SUMS, nullable=False),
            sqlite_with_rowid=False,
        )


def _create_lookups() -> None:
    op.create_table(
        "reference",
        *_trace_keys(),
        *map(_key, ("kind", "name", "value")),
        *_columns(sa.Text, "folded", nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_reference_folded", "reference", ["project_id", "folded"])
    op.create_table(
        "price",
        *map(_key, ("provider", "model")),
        _key("day", sa.Integer),
        *_columns(sa.Text, "rates"),
        *_columns(sa.Text, "version", nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table("tombstone", *_trace_keys(), *_columns(sa.BigInteger, "deleted_ns", nullable=False), sqlite_with_rowid=False)


def _create_tallies() -> None:
    op.create_table("tally", *_trace_keys(), *_columns(sa.LargeBinary, "entries", nullable=False), sqlite_with_rowid=False)
    op.create_table(
        "tally_day",
        _key("project_id", sa.Integer),
        _key("topic"),
        _key("day", sa.BigInteger),
        *map(_key, ("agent", "a", "b", "c")),
        *_columns(sa.BigInteger, *_TALLY_SUMS, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "branch_point",
        _key("project_id", sa.Integer),
        _key("branch"),
        *_columns(sa.Text, "agent", "question", "source", "options", nullable=False),
        *_columns(sa.Integer, "varies", nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sign",
        _key("project_id", sa.Integer),
        *map(_key, ("agent", "name")),
        _key("failed", sa.Integer),
        _key("slot", sa.Integer),
        *_columns(sa.BigInteger, "started_ns", nullable=False),
        *_columns(sa.LargeBinary, "trace_id", "run_id", "span_id", nullable=False),
        *_columns(sa.Text, "words", nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "saved_view",
        _key("project_id", sa.Integer),
        _key("name"),
        *_columns(sa.Text, "query", nullable=False),
        *_columns(sa.BigInteger, "saved_ns", nullable=False),
        sqlite_with_rowid=False,
    )


def _create_search() -> None:
    # On SQLite only INTEGER makes the key the row's own number.
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "search_doc",
        sa.Column("id", number, primary_key=True, autoincrement=False),
        *_columns(sa.Integer, "project_id", nullable=False),
        *_columns(sa.LargeBinary, "trace_id", "span_ids", "texts", nullable=False),
    )
    op.create_index("ix_search_doc_trace", "search_doc", ["project_id", "trace_id"])
    if _is_sqlite():
        # No sizes of columns, because nothing is ranked; larger merges, because they cost a third of the indexing.
        op.execute("CREATE VIRTUAL TABLE search_fts USING fts5(body, content='', columnsize=0, tokenize='unicode61')")
        op.execute("INSERT INTO search_fts (search_fts, rank) VALUES ('automerge', 16)")
    else:
        op.execute("CREATE TABLE search_word (id bigint PRIMARY KEY, words tsvector NOT NULL)")
        op.execute("CREATE INDEX ix_search_word_words ON search_word USING gin (words)")
