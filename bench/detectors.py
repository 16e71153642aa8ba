"""What the detectors cost: time for each span that arrives, and memory for ten thousand runs that are still going on."""

import gc
import sys
import time
import tracemalloc
from collections.abc import Iterator

from ingest.chain.reconstruct import TraceContext, reconstruct
from ingest.model import Facts, Run, StoredSpan, Usage
from webui.alerts.tally import CallTally
from webui.analysis.detectors.model import Rules
from webui.analysis.detectors.registry import inspect, see

from .figures import Figure, median
from .scale import Scale

_SPAN_US = 20.0
_LIVE_MB = 50.0
_LIVE_RUNS = 10_000
_T0 = 1_760_000_000_000_000_000
_SECOND = 1_000_000_000
_SHAPES = ((5, "a booking of five calls"), (23, "99 % of an airline's runs are shorter"), (200, "a loop that went on for a while"))


def measure(scale: Scale) -> Iterator[Figure]:
    """Measure looking at runs of several lengths, once each, and the memory that counting over live runs takes."""
    for calls, what in _SHAPES:
        run = _run(1, calls)
        spans = 2 * calls + 1
        times = [_look_us(run) / spans for _ in range(max(scale.requests, 10))]
        yield Figure(f"detectors, a run of {spans} spans", median(times), "us/span", _SPAN_US, note=what)
    held, kept = _memory_mb(_LIVE_RUNS)
    yield Figure("detectors' memory, 10,000 live runs", held, "MB", _LIVE_MB, note=f"{kept:,} runs counted; all else is in the store")


def _look_us(run: Run) -> float:
    began_ns = time.perf_counter_ns()
    inspect(run, Rules())
    return (time.perf_counter_ns() - began_ns) / 1_000


def _memory_mb(runs: int) -> tuple[float, int]:
    """Return what the state over live runs takes, and of how many runs it knows."""
    tally = CallTally(lambda: _T0 + 60 * _SECOND)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(runs):
        tally.note(1, see(_run(number, 12), Rules()))
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return held / 1e6, min(runs, sys.maxsize)


def _run(number: int, calls: int) -> Run:
    """Build a run of model calls and tool calls in turn, no two alike."""
    root = number.to_bytes(8, "big")
    spans = [_span(root, b"", 0, calls + 1, Facts(kind="agent", agent_name=f"agent-{number % 50}", operation="invoke_agent"))]
    for place in range(calls):
        asked = Facts(
            kind="llm",
            usage=Usage(900, 60),
            request_model="gpt-4.1",
            provider="openai",
            thought=f"Step {place} of {number}: the customer wants another day, so I look for slots in week {place * 7} and compare",
            output=f"I will look at week {place * 7} for customer {number} now and come back with the three cheapest slots of it",
        )
        found = Facts(
            kind="tool",
            tool_name="search_slots",
            tool_call_id=f"call_{place}",
            tool_arguments={"customer": f"c_{number}", "week": place * 7, "limit": 20},
            tool_result=f'{{"slots": [{place}, {place + 1}, {place + 2}], "next": null}}',
        )
        spans.append(_span(_id(number, 2 * place), root, place, 0.8, asked))
        spans.append(_span(_id(number, 2 * place + 1), root, place + 0.8, 0.2, found))
    context = TraceContext(number.to_bytes(16, "big"), _T0, _T0 + calls * _SECOND, _T0 + 3_600 * _SECOND, lambda *_: 2_000_000)
    return reconstruct(spans, context).runs[0]


def _id(number: int, place: int) -> bytes:
    return ((number + 1) * 100_000 + place).to_bytes(8, "big")


def _span(span_id: bytes, parent: bytes, at_s: float, lasts_s: float, facts: Facts) -> StoredSpan:
    start_ns = _T0 + round(at_s * _SECOND)
    return StoredSpan(span_id, parent, facts.kind, start_ns, start_ns + round(lasts_s * _SECOND), 0, facts)
