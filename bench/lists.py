"""The list of runs: its first page, plain and filtered."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from .figures import Figure, percentile
from .fill import FilledStore, Stored
from .scale import Scale
from .timing import time_reads, with_query

_LIST_MS = 6.0
_FILTERED_MS = 12.0

_FILTERS: tuple[tuple[str, Callable[[Stored], str]], ...] = (
    ("status", lambda stored: 'status = "error"'),
    ("agents", lambda stored: 'agent in ("billing", "refunds")'),
    ("user", lambda stored: f'user = "{stored.workload.user(stored.number)}"'),
    ("reference", lambda stored: f'reference.order = "{stored.workload.reference(stored.number)}"'),
    ("time and cost", lambda stored: f"started > -{24 + stored.number % 600}h and cost_usd > 0.001"),
    ("status, time and model", lambda stored: f'status = "error" and started > -{300 + stored.number % 400}h and model = "gpt-4.1"'),
    ("termination and environment", lambda stored: 'termination != "completed" and environment = "production"'),
    ("any step", lambda stored: 'any step (tool.name = "check_slots" and tool.error contains "timeout")'),
)


def measure(store: FilledStore, scale: Scale) -> Iterator[Figure]:
    """Measure the first page of 50, newest first: without a filter, by order and with each filter."""
    server, size = store.server, f"{store.spans:,} spans"
    took_ms = time_reads(server, [("/api/v1/traces?limit=50", _is_full_page)] * scale.requests)
    yield Figure(f"runs list p50, {size}", percentile(took_ms, 50), "ms", _LIST_MS, note=_tail(took_ms))
    for order in ("cost", "duration"):
        took_ms = time_reads(server, [(f"/api/v1/traces?order={order}", _is_full_page)] * scale.requests)
        yield Figure(f"runs list by {order} p50, {size}", percentile(took_ms, 50), "ms", _FILTERED_MS, note=_tail(took_ms))
    rng = Random(store.traces)
    for name, filter_of in _FILTERS:
        asked = [(with_query("/api/v1/traces", filter=filter_of(store.pick(rng))), _is_page) for _ in range(scale.requests)]
        took_ms = time_reads(server, asked)
        yield Figure(f"list filtered by {name} p50, {size}", percentile(took_ms, 50), "ms", _FILTERED_MS, note=_tail(took_ms))


def _tail(took_ms: list[float]) -> str:
    return f"p95 {percentile(took_ms, 95):.1f} ms"


def _is_page(answer: Any) -> bool:
    return len(answer["items"]) > 0


def _is_full_page(answer: Any) -> bool:
    return len(answer["items"]) == 50
