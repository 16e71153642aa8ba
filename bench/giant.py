"""One trace of 10,000 spans in 20 requests: a run that loops, the case in which a store that re-reads traces breaks."""

import time
from collections.abc import Iterator
from typing import NamedTuple

from .figures import Figure
from .payloads import Workload, giant_requests
from .scale import Scale
from .senders import send
from .server import ClewServer, FloorServer, Server, wait_until

_SPANS_PER_REQUEST = 500
_INGEST_S, _ANSWER_S = 3.0, 1.0
_LINEAR = 1.3
"""Processor time a span may differ by this much between half of the size and all of it."""

_TIMEOUT_S = 120.0
_LAP_NS = 60 * 10**9


class _Giant(NamedTuple):
    readable_s: float
    cpu_s_per_1k: float
    answer_s: float
    answer_mb: float


def measure(scale: Scale) -> Iterator[Figure]:
    """Measure a giant of half the size, then one of the whole size, each a trace of its own."""
    workload = Workload(seed=time.time_ns(), first_ns=time.time_ns() - 20 * 86_400 * 10**9, step_ns=_LAP_NS)
    with FloorServer() as server:
        floor = _ingest(server, workload, 0, scale.giant_spans)
    with ClewServer() as server:
        _ingest(server, workload, 1_000, _SPANS_PER_REQUEST)
        half = _ingest(server, workload, 2_000, scale.giant_spans // 2)
        whole = _ingest(server, workload, 3_000, scale.giant_spans)
    name = f"one trace of {scale.giant_spans:,} spans"
    yield Figure(f"{name}: until readable and linked", whole.readable_s, "s", _INGEST_S, floor=floor.readable_s)
    growth = whole.cpu_s_per_1k / half.cpu_s_per_1k
    note = f"{whole.cpu_s_per_1k:.2f} s per 1,000 spans"
    yield Figure(f"{name}: CPU a span against one of half the size", growth, "x", _LINEAR, note=note)
    yield Figure(f"{name}: answer", whole.answer_s, "s", _ANSWER_S, floor=floor.answer_s, note=f"{whole.answer_mb:.1f} MB")


def _ingest(server: Server, workload: Workload, number: int, spans: int) -> _Giant:
    ready = giant_requests(workload, number, spans, _SPANS_PER_REQUEST)
    trace_id = workload.trace_id(number)
    cpu_s = server.cpu_s()
    sent = send(server.otlp_port, ready)
    # Linked first: asking for the whole trace again and again would be measured too.
    readable_at = wait_until(server.has_linked_all, _TIMEOUT_S)
    used_s = server.cpu_s() - cpu_s
    wait_until(lambda: server.span_count(trace_id) == spans, _TIMEOUT_S)
    answers = [server.get(server.trace_path(trace_id)) for _ in range(3)]
    fastest = min(answers, key=lambda answer: answer.took_ms)
    return _Giant(readable_at - sent.started, used_s / spans * 1000, sorted(a.took_ms for a in answers)[1] / 1000, len(fastest.body) / 1e6)
