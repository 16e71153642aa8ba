"""Tables that the ingest path writes: projects, keys, traces, spans, log records and their whole content in chunks.

Every key begins with the project, then the trace: a trace's rows lie together, and a store can be split by either.
What a span says that nobody lists by stays in its chunk, compressed together with the other spans of its trace and request.
"""

from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text, text

metadata = MetaData()

REVISION = "0010"
"""The migration that makes this schema."""

DEFAULT_PROJECT = 1


def _keys(*more: Column[Any]) -> list[Column[Any]]:
    return [Column("project_id", Integer, primary_key=True), Column("trace_id", LargeBinary, primary_key=True), *more]


def _id(name: str) -> Column[Any]:
    return Column(name, LargeBinary, primary_key=True)


project = Table(
    "project",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created_ns", BigInteger, nullable=False),
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("shown", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("created_ns", BigInteger, nullable=False),
    Column("revoked_ns", BigInteger),
)
"""Keys by the SHA-256 of their secret; ``shown`` is the part that lists may show."""

trace = Table(
    "trace",
    metadata,
    *_keys(),
    Column("version", BigInteger, nullable=False),
    Column("linked_version", BigInteger),
    Column("dirty_ns", BigInteger),
    Column("first_seen_ns", BigInteger, nullable=False),
    Column("last_seen_ns", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""One row per trace. ``version`` grows with every change, ``dirty_ns`` is set from then until the linker has seen it."""

_DIRTY = text("dirty_ns IS NOT NULL")
Index("ix_trace_dirty", trace.c.dirty_ns, sqlite_where=_DIRTY, postgresql_where=_DIRTY)
Index("ix_trace_last_seen", trace.c.last_seen_ns)

span = Table(
    "span",
    metadata,
    *_keys(_id("span_id")),
    Column("start_ns", BigInteger, nullable=False),
    Column("end_ns", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("service", Text),
    Column("model", Text),
    Column("tool_name", Text),
    Column("status_code", Integer, nullable=False),
    Column("chunk_id", LargeBinary, nullable=False),
    Column("place", Integer, nullable=False),
    Column("rank", BigInteger, nullable=False),
    Column("segment", Integer, nullable=False, server_default=text("0")),
    sqlite_with_rowid=False,
)
"""What is asked of spans without their content. Of two versions of a span the higher (end_ns, rank) is kept."""

Index("ix_span_segment", span.c.segment, span.c.span_id)
"""Spans by id, in the order they came in by segments of some thousands: ids are random, so that in an index of all of them
each new one changes a page of its own. Who looks for an id asks each segment."""

chunk = Table(
    "chunk",
    metadata,
    *_keys(_id("chunk_id")),
    Column("payload", LargeBinary, nullable=False),
    Column("facts", LargeBinary, nullable=False),
)
"""The spans of one trace that came in one request: whole (``payload``) and as understood (``facts``), both zstd of msgpack."""

log_record = Table(
    "log_record",
    metadata,
    *_keys(_id("span_id"), _id("record_id")),
    Column("chunk_id", LargeBinary, nullable=False),
    Column("place", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""Log records by the hash of their content, since they have no id of their own."""

log_chunk = Table(
    "log_chunk",
    metadata,
    *_keys(_id("chunk_id")),
    Column("payload", LargeBinary, nullable=False),
    Column("facts", LargeBinary, nullable=False),
)
"""The log records of one trace that came in one request, as in ``chunk``."""
