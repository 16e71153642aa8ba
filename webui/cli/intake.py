"""What ``clew import`` and the demo share: decoded requests into the store in durable groups, and then linked."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from ingest.model import LogRecord, Span
from ingest.otlp import json as otlp_json
from ingest.otlp import protobuf as otlp_protobuf
from ingest.store.engine import Store
from ingest.store.linker import TraceKey, link_traces
from ingest.store.prepare import Prepared, prepare
from ingest.store.writer import Segments, write_batches

from .otlp_files import Request
from .progress import Told
from .rulebook import make_rulebook

_GROUP_SPANS = 4_000
_GROUP_REQUESTS = 256
"""A transaction takes so much: a sync for each of many small requests would take most of the time."""

_LINKED_AT_ONCE = 256


@dataclass(slots=True)
class Decoded:
    """What a request holds that can be stored, and what was wrong with the rest."""

    spans: Sequence[Span] = ()
    records: Sequence[LogRecord] = ()
    rejected: int = 0
    not_kept: int = 0
    problems: Sequence[str] = ()


def decode(request: Request) -> Decoded:
    """Return what a request holds. Raises ``Undecodable``, ``TooLarge``."""
    room = otlp_json if request.is_json else otlp_protobuf
    if request.signal == "traces":
        spans = room.decode_traces(request.body, time.time_ns())
        return Decoded(spans.spans, (), spans.rejected, 0, spans.problems)
    logs = room.decode_logs(request.body, time.time_ns())
    return Decoded((), logs.records, logs.rejected, logs.not_kept, logs.problems)


@dataclass(slots=True)
class Intake:
    """Stores what is added, a group at a time. ``flush`` stores the rest, ``link`` then derives what it means."""

    store: Store
    project_id: int
    span_count: int = 0
    record_count: int = 0
    touched: set[bytes] = field(default_factory=set)
    _waiting: list[Prepared] = field(default_factory=list)
    _waiting_spans: int = 0
    _segments: Segments = field(default_factory=Segments)

    def add(self, spans: Sequence[Span], records: Sequence[LogRecord]) -> None:
        """Take the content of one request. Raises ``StoreBusy``; what was flushed before is stored."""
        if not spans and not records:
            return
        prepared = prepare(self.project_id, spans, records, time.time_ns())
        self.touched.update(one.trace_id for one in prepared.traces)
        self.span_count += len(spans)
        self.record_count += len(records)
        self._waiting.append(prepared)
        self._waiting_spans += len(spans) + len(records)
        if self._waiting_spans >= _GROUP_SPANS or len(self._waiting) >= _GROUP_REQUESTS:
            self.flush()

    def flush(self) -> None:
        """Store what waits, durably. Raises ``StoreBusy``."""
        if self._waiting:
            write_batches(self.store, self._waiting, self._segments)
            self._waiting, self._waiting_spans = [], 0

    def link(self, told: Told) -> int:
        """Link every trace that was touched; returns how many could not be. Raises ``StoreBusy``."""
        keys: list[TraceKey] = [(self.project_id, trace_id) for trace_id in sorted(self.touched)]
        rules, failed = make_rulebook(self.store), 0
        for start in range(0, len(keys), _LINKED_AT_ONCE):
            part = keys[start : start + _LINKED_AT_ONCE]
            failed += len(link_traces(self.store, part, time.time_ns(), rules).failed)
            told(start + len(part), len(keys))
        return failed
