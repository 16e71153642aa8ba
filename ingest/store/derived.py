"""Tables that the linker derives from spans and alone writes. They can be thrown away and rebuilt.

Every key begins with the project, then the trace. Money is integer nano-dollars, times are integer nanoseconds.
"""

from typing import Any

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, PrimaryKeyConstraint, Table, Text, func, text

from .schema import metadata
from .tally import TALLY_SUMS


def _keys() -> list[Column[Any]]:
    return [Column("project_id", Integer, primary_key=True), Column("trace_id", LargeBinary, primary_key=True)]


def _counts(*names: str) -> list[Column[Any]]:
    return [Column(name, BigInteger, nullable=False) for name in names]


def _texts(*names: str, nullable: bool = True) -> list[Column[Any]]:
    return [Column(name, Text, nullable=nullable) for name in names]


_TOTALS = (
    "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "cost_nanos",
)  # fmt: skip
_TALLIES = ("unpriced_calls", "llm_calls", "tool_calls", "errors", "decisions", "steps")


def _totals() -> list[Column[Any]]:
    return [*(Column(name, BigInteger) for name in _TOTALS), *_counts(*_TALLIES)]


summary = Table(
    "summary",
    metadata,
    *_keys(),
    Column("run_id", LargeBinary, nullable=False),
    Column("started_ns", BigInteger, nullable=False),
    Column("ended_ns", BigInteger),
    Column("duration_ns", BigInteger),
    *_texts("agent", "status", "termination", "termination_source", "state", nullable=False),
    *_texts("service", "version", "environment", "session_id", "user_id"),
    *_counts("span_count", "run_count", "tokens"),
    *_totals(),
    Column("lost_after_ns", BigInteger),
    *_texts("input", "output"),
)
"""One row per trace, for lists. ``lost_after_ns`` is set on open traces only: when the sweep looks at them again."""

_COST_ORDER = func.coalesce(summary.c.cost_nanos, -1)
_DURATION_ORDER = func.coalesce(summary.c.duration_ns, -1)

Index("ix_summary_started", summary.c.project_id, summary.c.started_ns, summary.c.trace_id)
Index("ix_summary_cost", summary.c.project_id, _COST_ORDER, summary.c.trace_id)
Index("ix_summary_duration", summary.c.project_id, _DURATION_ORDER, summary.c.trace_id)
Index("ix_summary_tokens", summary.c.project_id, summary.c.tokens, summary.c.trace_id)
Index("ix_summary_steps", summary.c.project_id, summary.c.steps, summary.c.trace_id)
_NEWEST = (summary.c.started_ns, summary.c.trace_id)
Index("ix_summary_agent", summary.c.project_id, summary.c.agent, *_NEWEST)
Index("ix_summary_status", summary.c.project_id, summary.c.status, *_NEWEST)
Index("ix_summary_termination", summary.c.project_id, summary.c.termination, *_NEWEST)
Index("ix_summary_session", summary.c.project_id, summary.c.session_id, *_NEWEST)
Index("ix_summary_user", summary.c.project_id, summary.c.user_id, *_NEWEST)
_OPEN = text("lost_after_ns IS NOT NULL")
Index("ix_summary_open", summary.c.lost_after_ns, sqlite_where=_OPEN, postgresql_where=_OPEN)

run = Table(
    "run",
    metadata,
    *_keys(),
    Column("run_id", LargeBinary, primary_key=True),
    Column("parent_run_id", LargeBinary),
    Column("started_ns", BigInteger, nullable=False),
    Column("ended_ns", BigInteger),
    *_texts("agent", "status", "termination", "termination_source", nullable=False),
    *_texts("termination_detail", "service", "version", "environment", "session_id", "user_id"),
    *_totals(),
    *(Column(name, BigInteger) for name in ("budget_tokens", "budget_nanos", "budget_steps", "lost_after_ns")),
    *_texts("input", "output"),
)
"""One row per agent invocation, nested ones included; totals cover the runs inside it."""

Index("ix_run_agent", run.c.project_id, run.c.agent, run.c.started_ns)

decision = Table(
    "decision",
    metadata,
    *_keys(),
    Column("place", Integer, primary_key=True),
    Column("run_id", LargeBinary, nullable=False),
    Column("span_id", LargeBinary, nullable=False),
    Column("step", Integer, nullable=False),
    Column("decided_ns", BigInteger, nullable=False),
    *_texts("agent", "chosen", "source", nullable=False),
    *_texts("question", "because"),
    Column("set_hash", LargeBinary, nullable=False),
    Column("branch", Text, nullable=False),
)
"""One row per decision, numbered through the trace; what was offered is the option set of that hash.

``branch`` names the branch point: decisions of one agent with the same question and options are at the same.
"""

Index("ix_decision_chosen", decision.c.project_id, decision.c.chosen, decision.c.decided_ns)

option_set = Table(
    "option_set",
    metadata,
    Column("project_id", Integer, primary_key=True),
    Column("set_hash", LargeBinary, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("because", Text),
    Column("score", Float),
    sqlite_with_rowid=False,
)
"""Options by the hash of their content: an agent is offered the same tools at each of its calls."""

Index("ix_option_set_name", option_set.c.project_id, option_set.c.name)

LEDGER_DIMENSIONS = ("agent", "model", "provider", "tool", "operation", "service", "environment", "termination")
LEDGER_SUMS = (
    "runs", "llm_calls", "tool_calls", "errors", "uncached_input_tokens", "cache_read_tokens", "cache_write_tokens",
    "plain_output_tokens", "reasoning_tokens", "cost_nanos", "unpriced_calls", "duration_ns",
)  # fmt: skip

ledger = Table(
    "ledger",
    metadata,
    Column("project_id", Integer, nullable=False),
    Column("trace_id", LargeBinary, nullable=False),
    Column("place", Integer, nullable=False),
    Column("run_id", LargeBinary, nullable=False),
    *_counts("hour"),
    *_texts(*LEDGER_DIMENSIONS, "session_id", "user_id", nullable=False),
    *_counts(*LEDGER_SUMS),
    Column("price_version", Text, nullable=False),
    # The hour first: SQLite would take a key that begins with the project for a trace's rows too, and read all of them.
    PrimaryKeyConstraint("hour", "project_id", "trace_id", "place"),
    sqlite_with_rowid=False,
)
"""What was spent: one row per run, hour, model, tool and operation. Rows of an hour lie together, for those who ask by user."""

Index("ix_ledger_trace", ledger.c.project_id, ledger.c.trace_id)


def _rollup(name: str, bucket: str) -> Table:
    return Table(
        name,
        metadata,
        Column("project_id", Integer, primary_key=True),
        Column(bucket, BigInteger, primary_key=True, autoincrement=False),
        *(Column(dimension, Text, primary_key=True) for dimension in LEDGER_DIMENSIONS),
        *_counts(*LEDGER_SUMS),
        sqlite_with_rowid=False,
    )


rollup_hour = _rollup("rollup_hour", "hour")
"""The ledger without runs, sessions and users: dashboards read it alone."""

rollup_day = _rollup("rollup_day", "day")
"""``rollup_hour`` by day: a month of a busy project is some thousand rows, whatever its number of spans."""

PEOPLE_SUMS = (*LEDGER_SUMS, "completed")

rollup_people = Table(
    "rollup_people",
    metadata,
    Column("project_id", Integer, primary_key=True),
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    *(Column(name, Text, primary_key=True) for name in ("user_id", "session_id", "agent")),
    *_counts(*PEOPLE_SUMS),
    sqlite_with_rowid=False,
)
"""The ledger by whom runs were for: about one row a trace, a tenth of its rows. ``runs`` and ``duration_ns`` are those of the runs
themselves, ``completed`` is how many of them came to their end."""

reference = Table(
    "reference",
    metadata,
    *_keys(),
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("folded", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""Names from the host's world by which a trace is found: sessions, users, ``clew.reference.<name>``."""

Index("ix_reference_folded", reference.c.project_id, reference.c.folded)

finding = Table(
    "finding",
    metadata,
    *_keys(),
    Column("place", Integer, primary_key=True),
    Column("run_id", LargeBinary, nullable=False),
    *_texts("rule", "severity", "agent", "subject", nullable=False),
    Column("observed", Float, nullable=False),
    Column("threshold", Float, nullable=False),
    *_counts("since_ns", "last_ns"),
    Column("spans", LargeBinary, nullable=False),
    *_texts("sentence", "detail", nullable=False),
    Column("wasted_nanos", BigInteger),
    *_counts("wasted_ns", "seen_ns"),
    sqlite_with_rowid=False,
)
"""What detectors found in single runs. ``seen_ns`` is when the last span of the trace arrived: alerts ask what is new by it."""

Index("ix_finding_seen", finding.c.seen_ns)

tally = Table("tally", metadata, *_keys(), Column("entries", LargeBinary, nullable=False))
"""What each trace adds to ``tally_day``, packed: see ``tally``."""

TALLY_KEYS = ("agent", "a", "b", "c")

tally_day = Table(
    "tally_day",
    metadata,
    Column("project_id", Integer, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("day", BigInteger, primary_key=True, autoincrement=False),
    *(Column(name, Text, primary_key=True) for name in TALLY_KEYS),
    *_counts(*TALLY_SUMS),
    sqlite_with_rowid=False,
)
"""Tool calls, choices and signs by the day their trace began: pages about many runs read this alone."""

branch_point = Table(
    "branch_point",
    metadata,
    Column("project_id", Integer, primary_key=True),
    Column("branch", Text, primary_key=True),
    *_texts("agent", "question", "source", "options", nullable=False),
    Column("varies", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""What is decided at each branch point; ``options`` is a JSON list, empty where they differ each time (``varies``)."""

sign = Table(
    "sign",
    metadata,
    Column("project_id", Integer, primary_key=True),
    *(Column(name, Text, primary_key=True) for name in ("agent", "name")),
    *(Column(name, Integer, primary_key=True, autoincrement=False) for name in ("failed", "slot")),
    Column("started_ns", BigInteger, nullable=False),
    *(Column(name, LargeBinary, nullable=False) for name in ("trace_id", "run_id", "span_id")),
    *_texts("words", nullable=False),
    sqlite_with_rowid=False,
)
"""The newest examples of each sign of how an agent is built, up to three: proof to look at, not a count."""

long_chain = Table(
    "long_chain",
    metadata,
    *_keys(),
    Column("body", LargeBinary, nullable=False),
)
"""The chain of a long trace, whole, zstd of msgpack: see ``long_chain``."""

search_doc = Table(
    "search_doc",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("project_id", Integer, nullable=False),
    Column("trace_id", LargeBinary, nullable=False),
    Column("span_ids", LargeBinary, nullable=False),
    Column("texts", LargeBinary, nullable=False),
)
"""A block of indexed spans of one trace: their ids one after the other, and zstd of their texts.

The text index itself is no table of this schema: ``search_fts`` (FTS5) on SQLite, ``search_word`` (tsvector, GIN) on
PostgreSQL, see ``search``. Its row ids name the block, the span's place in it and the field.
"""

Index("ix_search_doc_trace", search_doc.c.project_id, search_doc.c.trace_id)

price = Table(
    "price",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("rates", Text),
    Column("version", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""Price list entries as they were when first used, so that linking again changes no bill. ``rates`` null: no price known."""

tombstone = Table(
    "tombstone",
    metadata,
    *_keys(),
    Column("deleted_ns", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Traces that retention deleted, so that a lookup can say so."""

DERIVED = (
    summary, run, decision, option_set, ledger, rollup_hour, rollup_day, reference, finding, tally, tally_day, branch_point, sign,
    long_chain, search_doc,
)  # fmt: skip
"""Every table that linking rebuilds."""

saved_view = Table(
    "saved_view",
    metadata,
    Column("project_id", Integer, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("query", Text, nullable=False),
    Column("saved_ns", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Lists of runs that readers named: the query part of their address. Not derived from anything."""
