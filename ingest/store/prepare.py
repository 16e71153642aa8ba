"""Decoded spans and log records into rows: all the work of storing that needs no store. Pure, and its result can be pickled."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from ingest.model import LogRecord, Span

from .chunks import Chunk, RankedSpan, pack_logs, pack_spans
from .clip import clip_name, clip_optional
from .together import together

SpanRow = tuple[int, bytes, bytes, int, int, str, str, str | None, str | None, str | None, int, bytes, int, int]
"""A row of ``span`` without its segment, in the order of its columns."""

LogRow = tuple[int, bytes, bytes, bytes, bytes, int]
"""A row of ``log_record``, in the order of its columns."""

_ERROR = 2

_STAGE_SPANS = 192
"""So many spans at least go through a stage before the next; a trace that has more is taken alone."""

_Item = TypeVar("_Item", Span, LogRecord)


class PreparedTrace(msgspec.Struct):
    """What one request brings of one trace."""

    trace_id: bytes
    spans: list[SpanRow] = []
    chunk: Chunk | None = None
    logs: list[LogRow] = []
    log_chunk: Chunk | None = None


class Prepared(msgspec.Struct):
    """What one request brings, by trace."""

    project_id: int
    arrived_ns: int
    traces: list[PreparedTrace]
    size_bytes: int
    """What it holds in memory until it is written."""
    span_count: int


def prepare(project_id: int, spans: Sequence[Span], logs: Sequence[LogRecord], now_ns: int) -> Prepared:
    """Understand, pack and compress what came in one request. Of several versions of a span in it the highest is kept."""
    traces: dict[bytes, PreparedTrace] = {}
    size = 0
    for some in together(_by_trace(spans).items(), len, _STAGE_SPANS):
        for trace_id, (chunk, ranked) in zip(some, pack_spans(list(some.values())), strict=True):
            traces[trace_id] = PreparedTrace(trace_id, _span_rows(project_id, trace_id, chunk.chunk_id, ranked), chunk)
            size += _size(chunk, len(ranked))
    for trace_id, records in _by_trace(logs).items():
        one = traces.setdefault(trace_id, PreparedTrace(trace_id))
        one.log_chunk, said = pack_logs(records)
        chunk_id = one.log_chunk.chunk_id
        rows = {(project_id, trace_id, item.span_id, item.record_id, chunk_id, place) for place, item in enumerate(said)}
        one.logs = sorted({row[:4]: row for row in sorted(rows)}.values())
        size += _size(one.log_chunk, len(records))
    return Prepared(project_id, now_ns, [traces[key] for key in sorted(traces)], size, len(spans))


_ROW_BYTES = 400


def _size(chunk: Chunk, rows: int) -> int:
    return len(chunk.payload) + len(chunk.facts) + _ROW_BYTES * rows


def _by_trace(items: Iterable[_Item]) -> dict[bytes, list[_Item]]:
    groups: dict[bytes, list[_Item]] = {}
    for item in items:
        groups.setdefault(item.trace_id, []).append(item)
    return groups


def _span_rows(project_id: int, trace_id: bytes, chunk_id: bytes, ranked: Sequence[RankedSpan]) -> list[SpanRow]:
    best: dict[bytes, SpanRow] = {}
    for place, item in enumerate(ranked):
        span = item.span
        facts = span.facts
        known = best.get(span.span_id)
        if known is not None and (known[4], known[13]) >= (span.end_ns, item.rank):
            continue
        best[span.span_id] = (
            project_id,
            trace_id,
            span.span_id,
            span.start_ns,
            span.end_ns,
            facts.kind,
            clip_name(span.name),
            clip_optional(facts.service),
            clip_optional(facts.response_model or facts.request_model),
            clip_optional(facts.tool_name),
            _ERROR if facts.failed else span.status_code,
            chunk_id,
            place,
            item.rank,
        )
    return [best[key] for key in sorted(best)]
