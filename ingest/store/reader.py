"""Traces and spans read back. A lookup reads rows that lie together, once; the version rule is that of the writer."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, func, literal_column, null, select, text, union_all

from ingest.dialects.merge import merge_logs
from ingest.model import Facts, LogRecord, Span, StoredSpan

from .chunks import RankedLog, RankedSpan, read_ranked_logs, read_ranked_spans, unpack_logs, unpack_span, unpack_spans
from .schema import chunk, log_chunk, span, trace

log = logging.getLogger(__name__)


class StoredTrace(msgspec.Struct):
    """A trace as reconstruction reads it: every span once, in its highest version, with its log records merged in."""

    spans: list[StoredSpan]
    first_seen_ns: int
    last_seen_ns: int
    version: int


def _of_trace(table: Any, *columns: Any) -> Any:
    return select(*columns).where(table.c.project_id == bindparam("project_id"), table.c.trace_id == bindparam("trace_id"))


_TRACE, _SPANS, _LOGS = range(3)


def _of_traces(what: int, table: Any, *columns: Any) -> Any:
    in_any = table.c.trace_id.in_(bindparam("trace_ids", expanding=True))
    return select(literal_column(str(what)), table.c.trace_id, *columns).where(table.c.project_id == bindparam("project_id"), in_any)


_NOTHING: Any = literal_column("0")
# One statement: it takes half the time of three, and sees the store as it is at one moment.
_STORED = union_all(
    _of_traces(_TRACE, trace, trace.c.first_seen_ns, trace.c.last_seen_ns, trace.c.version, null()),
    _of_traces(_SPANS, chunk, _NOTHING, _NOTHING, _NOTHING, chunk.c.facts),
    _of_traces(_LOGS, log_chunk, _NOTHING, _NOTHING, _NOTHING, log_chunk.c.facts),
)
_WHOLE = _of_trace(chunk, chunk.c.facts, chunk.c.payload)
_WHOLE_LOGS = _of_trace(log_chunk, log_chunk.c.facts, log_chunk.c.payload)
_PLACE = _of_trace(span, span.c.chunk_id, span.c.place).where(span.c.span_id == bindparam("span_id"))
# Hops from segment to segment. CROSS JOIN: SQLite takes the tables in this order, one short search in the index for each segment.
_HOLDERS = text(
    "WITH RECURSIVE held(segment) AS (SELECT MIN(segment) FROM span UNION ALL "
    "SELECT (SELECT MIN(span.segment) FROM span WHERE span.segment > held.segment) FROM held WHERE held.segment IS NOT NULL) "
    "SELECT trace_id FROM held CROSS JOIN span "
    "WHERE span.segment = held.segment AND span_id = :span_id AND project_id = :project_id LIMIT :most"
)
_PAYLOAD = _of_trace(chunk, chunk.c.payload).where(chunk.c.chunk_id == bindparam("chunk_id"))


def read_trace(conn: Connection, project_id: int, trace_id: bytes) -> StoredTrace | None:
    """Return a trace, or None where nothing of it is stored. A trace of which only log records came has no spans."""
    found = _read(conn, project_id, [trace_id])
    return _unpacked(*found[trace_id]) if found else None


def read_traces(
    conn: Connection, project_id: int, trace_ids: Sequence[bytes], unreadable: list[bytes]
) -> Iterator[tuple[bytes, StoredTrace]]:
    """Return those of some traces that are stored. Many at once cost a third less than one by one.

    All are read now, and each is unpacked when it is asked for: packed, even many large ones take little. One that cannot be
    unpacked, because the disk or a hand broke it, is logged and goes to ``unreadable``, so that it keeps none of the others out.
    """
    return _each(_read(conn, project_id, trace_ids), unreadable)


_Packed = tuple[StoredTrace, list[tuple[int, bytes]]]
"""A trace without its spans, and what they are unpacked from."""


def _read(conn: Connection, project_id: int, trace_ids: Sequence[bytes]) -> dict[bytes, _Packed]:
    rows = conn.execute(_STORED, {"project_id": project_id, "trace_ids": trace_ids}).all()
    found: dict[bytes, _Packed] = {row[1]: (StoredTrace([], *row[2:5]), []) for row in rows if row[0] == _TRACE}
    for what, trace_id, *_, facts in rows:
        if what != _TRACE and trace_id in found:
            found[trace_id][1].append((what, facts))
    return found


def _each(found: dict[bytes, _Packed], unreadable: list[bytes]) -> Iterator[tuple[bytes, StoredTrace]]:
    for trace_id in list(found):
        try:
            stored = _unpacked(*found.pop(trace_id))
        except Exception:
            log.exception("cannot read what is stored of trace %s", trace_id.hex())
            unreadable.append(trace_id)
            continue
        yield trace_id, stored


def _unpacked(found: StoredTrace, packed: Iterable[tuple[int, bytes]]) -> StoredTrace:
    best: dict[bytes, RankedSpan] = {}
    logs: list[tuple[int, RankedLog]] = []
    for what, facts in packed:
        if what == _SPANS:
            _keep_best(best, read_ranked_spans(facts))
        else:
            logs.extend(enumerate(read_ranked_logs(facts)))
    found.spans = [item.span for item in best.values()]
    if logs:
        _merge(found.spans, logs)
    return found


def _keep_best(best: dict[bytes, RankedSpan], ranked: Iterable[RankedSpan]) -> None:
    for item in ranked:
        known = best.setdefault(item.span.span_id, item)
        if known is not item and (item.span.end_ns, item.rank) > (known.span.end_ns, known.rank):
            best[item.span.span_id] = item


def _merge(spans: Iterable[StoredSpan], records: Iterable[tuple[int, RankedLog]]) -> None:
    """Fill the facts of spans from their log records, each once, in the order of their times and of their places in what was sent."""
    said: dict[bytes, dict[bytes, tuple[int, int, Facts]]] = {}
    for place, record in records:
        of_span = said.setdefault(record.span_id, {})
        known = of_span.get(record.record_id)
        # Clocks of milliseconds give all messages of one call the same time: only their places tell which came first.
        if known is None or place < known[1]:
            of_span[record.record_id] = (record.time_ns, place, record.facts)
    for one in spans:
        facts = said.get(one.span_id)
        if facts is not None:
            ordered = sorted(facts.items(), key=lambda item: (*item[1][:2], item[0]))
            one.facts = merge_logs(one.facts, [found[2] for _, found in ordered])


def read_spans(conn: Connection, project_id: int, trace_id: bytes) -> list[Span]:
    """Return every span of a trace, whole, in the order they started."""
    best: dict[bytes, tuple[int, int, Span]] = {}
    for facts, payload in conn.execute(_WHOLE, {"project_id": project_id, "trace_id": trace_id}):
        for item, whole in zip(read_ranked_spans(facts), unpack_spans(payload), strict=True):
            known = best.get(whole.span_id)
            if known is None or (whole.end_ns, item.rank) > known[:2]:
                best[whole.span_id] = (whole.end_ns, item.rank, whole)
    return sorted((item[2] for item in best.values()), key=lambda one: (one.start_ns, one.end_ns, one.span_id))


def read_trace_records(conn: Connection, project_id: int, trace_id: bytes) -> list[LogRecord]:
    """Return every log record of a trace, whole, each once, in the order of their times."""
    found: dict[tuple[int, bytes, bytes], tuple[int, LogRecord]] = {}
    for facts, payload in conn.execute(_WHOLE_LOGS, {"project_id": project_id, "trace_id": trace_id}):
        for place, (item, whole) in enumerate(zip(read_ranked_logs(facts), unpack_logs(payload), strict=True)):
            known = found.get((item.time_ns, item.span_id, item.record_id))
            if known is None or place < known[0]:
                found[item.time_ns, item.span_id, item.record_id] = (place, whole)
    return [found[key][1] for key in sorted(found, key=lambda key: (*key[:2], found[key][0], key[2]))]


def read_span(conn: Connection, project_id: int, trace_id: bytes, span_id: bytes) -> Span | None:
    """Return one span, whole, or None where it is not stored."""
    key = {"project_id": project_id, "trace_id": trace_id}
    found = conn.execute(_PLACE, {**key, "span_id": span_id}).first()
    if found is None:
        return None
    payload = conn.execute(_PAYLOAD, {**key, "chunk_id": found.chunk_id}).scalar_one()
    return unpack_span(payload, found.place)


def find_spans(conn: Connection, project_id: int, span_id: bytes, limit: int = 50) -> Sequence[bytes]:
    """Return the traces that hold a span of this id: ids of spans are unique within a trace only."""
    found = conn.execute(_HOLDERS, {"span_id": span_id, "project_id": project_id, "most": limit})
    return [bytes(trace_id) for trace_id in found.scalars()]


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


def oldest_pending_ns(conn: Connection) -> int | None:
    """Return when the trace changed that waits longest for the linker; None where none does."""
    found: int | None = conn.execute(select(func.min(trace.c.dirty_ns)).where(trace.c.dirty_ns.is_not(None))).scalar()
    return found
