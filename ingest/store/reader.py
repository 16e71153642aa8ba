"""Traces and spans read back. A lookup reads rows that lie together, once; the version rule is that of the writer."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, func, select

from ingest.dialects.merge import merge_logs
from ingest.model import Facts, LogRecord, Span, StoredSpan

from .chunks import read_ranked_logs, read_ranked_spans, unpack_logs, unpack_span, unpack_spans
from .schema import chunk, log_chunk, span, trace


class StoredTrace(msgspec.Struct):
    """A trace as reconstruction reads it: every span once, in its highest version, with its log records merged in."""

    spans: list[StoredSpan]
    first_seen_ns: int
    last_seen_ns: int


def _of_trace(table: Any, *columns: Any) -> Any:
    return select(*columns).where(table.c.project_id == bindparam("project_id"), table.c.trace_id == bindparam("trace_id"))


_TRACE = _of_trace(trace, trace.c.first_seen_ns, trace.c.last_seen_ns)
_FACTS = _of_trace(chunk, chunk.c.facts)
_LOG_FACTS = _of_trace(log_chunk, log_chunk.c.facts)
_WHOLE = _of_trace(chunk, chunk.c.facts, chunk.c.payload)
_WHOLE_LOGS = _of_trace(log_chunk, log_chunk.c.facts, log_chunk.c.payload)
_PLACE = _of_trace(span, span.c.chunk_id, span.c.place).where(span.c.span_id == bindparam("span_id"))
_PAYLOAD = _of_trace(chunk, chunk.c.payload).where(chunk.c.chunk_id == bindparam("chunk_id"))


def read_trace(conn: Connection, project_id: int, trace_id: bytes) -> StoredTrace | None:
    """Return a trace, or None where nothing of it is stored. A trace of which only log records came has no spans."""
    key = {"project_id": project_id, "trace_id": trace_id}
    seen = conn.execute(_TRACE, key).first()
    if seen is None:
        return None
    best: dict[bytes, tuple[int, int, StoredSpan]] = {}
    for (facts,) in conn.execute(_FACTS, key):
        for item in read_ranked_spans(facts):
            one = item.span
            known = best.get(one.span_id)
            if known is None or (one.end_ns, item.rank) > known[:2]:
                best[one.span_id] = (one.end_ns, item.rank, one)
    spans = [item[2] for item in best.values()]
    said = _logs_by_span(conn.execute(_LOG_FACTS, key).all())
    if said:
        for one in spans:
            if one.span_id in said:
                one.facts = merge_logs(one.facts, said[one.span_id])
    return StoredTrace(spans, seen.first_seen_ns, seen.last_seen_ns)


def _logs_by_span(rows: Iterable[Row[Any]]) -> dict[bytes, list[Facts]]:
    found: dict[bytes, dict[tuple[int, bytes], Facts]] = {}
    for (facts,) in rows:
        for item in read_ranked_logs(facts):
            found.setdefault(item.span_id, {})[item.time_ns, item.record_id] = item.facts
    return {span_id: [records[key] for key in sorted(records)] for span_id, records in found.items()}


def read_spans(conn: Connection, project_id: int, trace_id: bytes) -> list[Span]:
    """Return every span of a trace, whole, in the order they started."""
    best: dict[bytes, tuple[int, int, Span]] = {}
    for facts, payload in conn.execute(_WHOLE, {"project_id": project_id, "trace_id": trace_id}):
        for item, whole in zip(read_ranked_spans(facts), unpack_spans(payload), strict=True):
            known = best.get(whole.span_id)
            if known is None or (whole.end_ns, item.rank) > known[:2]:
                best[whole.span_id] = (whole.end_ns, item.rank, whole)
    return sorted((item[2] for item in best.values()), key=lambda one: (one.start_ns, one.end_ns, one.span_id))


def read_span(conn: Connection, project_id: int, trace_id: bytes, span_id: bytes) -> Span | None:
    """Return one span, whole, or None where it is not stored."""
    key = {"project_id": project_id, "trace_id": trace_id}
    found = conn.execute(_PLACE, {**key, "span_id": span_id}).first()
    if found is None:
        return None
    payload = conn.execute(_PAYLOAD, {**key, "chunk_id": found.chunk_id}).scalar_one()
    return unpack_span(payload, found.place)


def read_logs(conn: Connection, project_id: int, trace_id: bytes) -> list[LogRecord]:
    """Return every log record of a trace, whole, in the order of their times."""
    found: dict[tuple[int, bytes], LogRecord] = {}
    for facts, payload in conn.execute(_WHOLE_LOGS, {"project_id": project_id, "trace_id": trace_id}):
        for item, record in zip(read_ranked_logs(facts), unpack_logs(payload), strict=True):
            found[record.time_ns, item.record_id] = record
    return [found[key] for key in sorted(found)]


def find_spans(conn: Connection, project_id: int, span_id: bytes, limit: int = 50) -> Sequence[bytes]:
    """Return the traces that hold a span of this id: ids of spans are unique within a trace only."""
    wanted = select(span.c.trace_id).where(span.c.span_id == span_id, span.c.project_id == project_id)
    return [bytes(found) for found in conn.execute(wanted.limit(limit)).scalars()]


def find_prefix(conn: Connection, project_id: int, digits: str, limit: int = 50) -> list[tuple[bytes, int]]:
    """Return the traces whose id begins with these hex digits and when they arrived, in order of their ids."""
    first = bytes.fromhex(digits.ljust(32, "0"))
    last = bytes.fromhex(digits.ljust(32, "f"))
    wanted = select(trace.c.trace_id, trace.c.first_seen_ns).where(
        trace.c.project_id == project_id, trace.c.trace_id >= first, trace.c.trace_id <= last
    )
    return [(bytes(row.trace_id), row.first_seen_ns) for row in conn.execute(wanted.order_by(trace.c.trace_id).limit(limit))]


def which_stored(conn: Connection, project_id: int, trace_ids: Sequence[bytes]) -> set[bytes]:
    """Return those of the traces of which anything is stored."""
    if not trace_ids:
        return set()
    wanted = select(trace.c.trace_id).where(trace.c.project_id == project_id, trace.c.trace_id.in_(trace_ids))
    return {bytes(found) for found in conn.execute(wanted).scalars()}


def count_pending(conn: Connection) -> int:
    """Return how many traces the linker has not seen in their present state."""
    return conn.execute(select(func.count()).select_from(trace).where(trace.c.dirty_ns.is_not(None))).scalar_one()
