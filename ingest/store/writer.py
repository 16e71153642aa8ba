"""The write path: prepared requests into one durable transaction for all that wait (group commit).

A span row depends on that span alone and a stored span is replaced only by a higher version of itself, so that any order,
split and repetition of deliveries leaves the same store. What changes nothing is not written and marks nothing.
"""

import logging
import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from .bulk import Row, Transaction, marks, transaction
from .engine import Store, StoreBusy
from .prepare import LogRow, Prepared, PreparedTrace, SpanRow
from .schema import chunk, log_chunk, log_record, span

log = logging.getLogger(__name__)

BATCH_SPANS = 4_000
"""A transaction takes what waits up to about so many spans: enough to share a sync, few enough to be done in 50 ms."""

_IDS_A_STATEMENT = 400

_CHUNK = span.c.keys().index("chunk_id")

SEGMENT_SPANS = 8_192
"""Spans of one segment of the index of span ids. With half as many a search among a million asks twice as many segments, with
twice as many a commit changes twice as many pages."""


class Segments:
    """Hands out the segments of the index of span ids, one after the other; the one begun last is filled first.

    Processes that write side by side may fill the same one, which makes it larger and nothing else.
    """

    def __init__(self) -> None:
        self._segment: int | None = None
        self._room = 0

    def take(self, tx: Transaction, spans: int) -> int:
        """Return the segment for so many new spans."""
        if self._segment is None:
            self._segment = self._last(tx)
            held = "SELECT COUNT(*) FROM (SELECT 1 FROM span WHERE segment = ? LIMIT ?) AS held"
            self._room = SEGMENT_SPANS - int(tx.rows(held, (self._segment, SEGMENT_SPANS))[0][0])
        if self._room <= 0:
            self._segment = self._last(tx) + 1
            self._room = SEGMENT_SPANS
        self._room -= spans
        return self._segment

    def _last(self, tx: Transaction) -> int:
        return int(tx.rows("SELECT COALESCE(MAX(segment), 0) FROM span")[0][0])


class Writer:
    """A thread that commits what is submitted, together where several requests wait."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._segments = Segments()
        self._queue: queue.SimpleQueue[tuple[Prepared, Future[None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def submit(self, batch: Prepared) -> "Future[None]":
        """Queue a request. The future ends when it is durable, or with ``StoreBusy`` where it is not and may be sent again."""
        future: Future[None] = Future()
        self._queue.put((batch, future))
        return future

    def close(self) -> None:
        """Write what was submitted before, then stop."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        ended = False
        while not ended:
            first = self._queue.get()
            if first is None:
                return
            taken = [first]
            spans = first[0].span_count
            while spans < BATCH_SPANS:
                try:
                    more = self._queue.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    ended = True
                    break
                taken.append(more)
                spans += more[0].span_count
            self._commit(taken)

    def _commit(self, taken: Sequence[tuple[Prepared, "Future[None]"]]) -> None:
        try:
            write_batches(self._store, [batch for batch, _ in taken], self._segments)
        except StoreBusy as error:
            _settle(taken, error)
        except Exception as error:
            if len(taken) > 1:
                # One request that cannot be written must not fail those that share its transaction.
                for one in taken:
                    self._commit([one])
                return
            log.exception("cannot store a request of %d spans", taken[0][0].span_count)
            _settle(taken, error)
        else:
            _settle(taken, None)


def _settle(taken: Sequence[tuple[Prepared, "Future[None]"]], error: Exception | None) -> None:
    for _, future in taken:
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


@dataclass(slots=True)
class _Pending:
    """What a transaction brings of one trace, over all requests in it."""

    arrived_ns: list[int]
    traces: list[PreparedTrace]
    spans: dict[bytes, SpanRow] = field(default_factory=dict)
    logs: dict[Row, LogRow] = field(default_factory=dict)


def write_batches(store: Store, batches: Sequence[Prepared], segments: Segments) -> None:
    """Store requests in one transaction, durable when this returns. Raises ``StoreBusy``; nothing is stored then."""
    with transaction(store) as tx:
        segment = segments.take(tx, sum(batch.span_count for batch in batches))
        for project_id in sorted({batch.project_id for batch in batches}):
            _write_project(tx, project_id, _gather(batch for batch in batches if batch.project_id == project_id), segment)


def _gather(batches: Iterable[Prepared]) -> dict[bytes, _Pending]:
    """Bring requests together by trace; of several versions of a span the highest is kept."""
    pending: dict[bytes, _Pending] = {}
    for batch in batches:
        for one in batch.traces:
            known = pending.get(one.trace_id)
            if known is None:
                known = pending[one.trace_id] = _Pending([], [])
                known.spans = {row[2]: row for row in one.spans}
            else:
                for row in one.spans:
                    other = known.spans.get(row[2])
                    if other is None or _beats(row, other):
                        known.spans[row[2]] = row
            for entry in one.logs:
                known.logs.setdefault(entry[:4], entry)
            known.arrived_ns.append(batch.arrived_ns)
            known.traces.append(one)
    return pending


def _beats(row: SpanRow, other: SpanRow) -> bool:
    return _worth(row) > _worth(other)


def _worth(row: SpanRow) -> tuple[int, int]:
    return row[4], row[13]


def _write_project(tx: Transaction, project_id: int, pending: dict[bytes, _Pending], segment: int) -> None:
    known = _known_traces(tx, project_id, list(pending))
    for trace_id in known:
        _drop_known(tx, project_id, trace_id, pending[trace_id])
    news = {trace_id: one for trace_id, one in sorted(pending.items()) if one.spans or one.logs}
    rows = [(*row, segment) for one in news.values() for _, row in sorted(one.spans.items())]
    logs = [entry for one in news.values() for _, entry in sorted(one.logs.items())]
    tx.insert("chunk", chunk.c.keys(), list(_chunk_rows(project_id, news)), _KEEP_CHUNK)
    tx.insert("span", span.c.keys(), rows, _REPLACE_SPAN)
    tx.insert("log_chunk", log_chunk.c.keys(), list(_log_chunk_rows(project_id, news)), _KEEP_CHUNK)
    tx.insert("log_record", log_record.c.keys(), logs, "(project_id, trace_id, span_id, record_id) DO NOTHING")
    seen = [(project_id, trace_id, 1, min(one.arrived_ns), min(one.arrived_ns), max(one.arrived_ns)) for trace_id, one in news.items()]
    tx.insert("trace", ("project_id", "trace_id", "version", "dirty_ns", "first_seen_ns", "last_seen_ns"), seen, _TOUCH_TRACE)


_KEEP_CHUNK = "(project_id, trace_id, chunk_id) DO NOTHING"
_STAYS = ("project_id", "trace_id", "span_id", "segment")
_SET_SPAN = ", ".join(f"{name} = excluded.{name}" for name in span.c.keys() if name not in _STAYS)
_REPLACE_SPAN = (
    f"(project_id, trace_id, span_id) DO UPDATE SET {_SET_SPAN} "
    "WHERE excluded.end_ns > span.end_ns OR (excluded.end_ns = span.end_ns AND excluded.rank > span.rank)"
)


_TOUCH_TRACE = (
    "(project_id, trace_id) DO UPDATE SET version = trace.version + 1, dirty_ns = COALESCE(trace.dirty_ns, excluded.dirty_ns), "
    "first_seen_ns = CASE WHEN excluded.first_seen_ns < trace.first_seen_ns THEN excluded.first_seen_ns ELSE trace.first_seen_ns END, "
    "last_seen_ns = CASE WHEN excluded.last_seen_ns > trace.last_seen_ns THEN excluded.last_seen_ns ELSE trace.last_seen_ns END"
)


def _chunk_rows(project_id: int, news: dict[bytes, _Pending]) -> Iterator[Row]:
    for trace_id, one in news.items():
        used = {row[_CHUNK] for row in one.spans.values()}
        chunks = {part.chunk.chunk_id: part.chunk for part in one.traces if part.chunk is not None and part.chunk.chunk_id in used}
        for chunk_id, packed in sorted(chunks.items()):
            yield (project_id, trace_id, chunk_id, packed.payload, packed.facts)


def _log_chunk_rows(project_id: int, news: dict[bytes, _Pending]) -> Iterator[Row]:
    for trace_id, one in news.items():
        used = {entry[4] for entry in one.logs.values()}
        chunks = {part.log_chunk.chunk_id: part.log_chunk for part in one.traces if part.log_chunk is not None}
        for chunk_id, packed in sorted(chunks.items()):
            if chunk_id in used:
                yield (project_id, trace_id, chunk_id, packed.payload, packed.facts)


def _known_traces(tx: Transaction, project_id: int, trace_ids: Sequence[bytes]) -> list[bytes]:
    known: list[bytes] = []
    for part in _parts(trace_ids):
        statement = f"SELECT trace_id FROM trace WHERE project_id = ? AND trace_id IN ({marks(part)})"
        known.extend(bytes(row[0]) for row in tx.rows(statement, (project_id, *part)))
    return known


def _drop_known(tx: Transaction, project_id: int, trace_id: bytes, one: _Pending) -> None:
    """Drop spans of which the store has this or a higher version, and log records that it has."""
    for part in _parts(list(one.spans)):
        statement = f"SELECT span_id, end_ns, rank FROM span WHERE project_id = ? AND trace_id = ? AND span_id IN ({marks(part)})"
        for span_id, end_ns, rank in tx.rows(statement, (project_id, trace_id, *part)):
            if _worth(one.spans[bytes(span_id)]) <= (end_ns, rank):
                del one.spans[bytes(span_id)]
    if one.logs:
        statement = "SELECT span_id, record_id FROM log_record WHERE project_id = ? AND trace_id = ?"
        for span_id, record_id in tx.rows(statement, (project_id, trace_id)):
            one.logs.pop((project_id, trace_id, bytes(span_id), bytes(record_id)), None)


def _parts(ids: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(ids), _IDS_A_STATEMENT):
        yield ids[start : start + _IDS_A_STATEMENT]
