"""Looking a trace up: by its id, whole, and by whatever else a person has in hand."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from .content import SPANS_PER_TRACE
from .figures import Figure, percentile
from .fill import FilledStore, Stored
from .scale import Scale
from .timing import Check, time_reads, with_query

_SLOWER_IS_NOISE = 1.25
"""Two medians of the same read differ by this much when others use the machine."""

_HANDLES: tuple[tuple[str, Callable[[Stored], str]], ...] = (
    ("trace id", lambda stored: stored.trace_id.hex()),
    ("prefix of 12 digits", lambda stored: stored.trace_id.hex()[:12]),
    ("span id", lambda stored: stored.workload.span_id(stored.number, 5).hex()),
    ("session", lambda stored: stored.workload.session(stored.number)),
    ("user", lambda stored: stored.workload.user(stored.number)),
    ("reference", lambda stored: stored.workload.reference(stored.number)),
)
_MOST_MATCHES = 50
"""A user may have more traces than a lookup shows; then any fifty of them are a right answer."""


def time_traces(store: FilledStore, scale: Scale) -> list[float]:
    """Return the milliseconds of reading whole traces by id, any stored one each time."""
    rng = Random(store.traces)
    paths = [store.server.trace_path(store.pick(rng).trace_id) for _ in range(scale.lookups)]
    return time_reads(store.server, [(path, lambda answer: answer["span_count"] == SPANS_PER_TRACE) for path in paths])


def measure(store: FilledStore, scale: Scale, smaller: list[float], floor: list[float]) -> Iterator[Figure]:
    """Measure lookups. ``smaller`` is what traces took in a smaller store, and is told what they take in this one.

    ``floor`` is what they took in the floor; both may be empty.
    """
    took_ms = time_traces(store, scale)
    size = f"{store.spans:,} spans"
    for percent, limit in ((50, 8.0), (99, 20.0)):
        same_of_floor = percentile(floor, percent) if floor else None
        yield Figure(f"trace lookup p{percent}, {size}", percentile(took_ms, percent), "ms", limit, floor=same_of_floor)
    if smaller:
        growth = percentile(took_ms, 50) / percentile(smaller, 50)
        yield Figure("trace lookup p50 against the smaller store", growth, "x", _SLOWER_IS_NOISE, note="no slower but for noise")
    smaller[:] = took_ms
    for name, handle in _HANDLES:
        took_ms = time_reads(store.server, _lookups(store, scale, handle))
        note = f"p50 {percentile(took_ms, 50):.1f} ms"
        yield Figure(f"lookup by {name} p99, {size}", percentile(took_ms, 99), "ms", note=note)


def _lookups(store: FilledStore, scale: Scale, handle: Callable[[Stored], str]) -> Iterator[tuple[str, Check]]:
    rng = Random(store.traces + 1)
    for _ in range(scale.lookups // 3):
        stored = store.pick(rng)
        yield with_query("/api/v1/lookup", q=handle(stored)), _finds(stored)


def _finds(stored: Stored) -> Check:
    def is_right(answer: Any) -> bool:
        found = [match["trace_id"] for match in answer["matches"]]
        return stored.trace_id.hex() in found or len(found) >= _MOST_MATCHES

    return is_right
