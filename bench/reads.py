"""One filled store, measured while it grows: lookups, lists, dashboards, search and disk.

The floor is filled to the first size only and asked what it can answer.
"""

from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from . import dashboard, disk, lists, lookup, mangled, pages, search
from .figures import Figure
from .fill import FilledStore
from .postgres import Cluster, binaries
from .processes import PeakMemory
from .scale import Scale
from .server import ClewServer, FloorServer, Server, ServerFailed
from .timing import time_reads

NAMES = ("lookup", "mangled", "lists", "dashboard", "search", "pages", "disk")
"""What can be measured on a filled store."""

_PEAK_MB = 500.0


@dataclass(slots=True)
class _FloorReads:
    """What the floor took for the same reads; empty where it was not asked."""

    lookup_ms: list[float] = field(default_factory=list)
    costs_ms: list[float] = field(default_factory=list)
    disk_bytes_per_span: float | None = None


def benchmarks(names: Collection[str], scale: Scale) -> Iterator[tuple[str, Iterator[Figure]]]:
    """Yield the named benchmarks at each size of the store; each is to be measured before the next is asked for."""
    floor = _measure_floor(scale)
    smaller_ms: list[float] = []
    with ExitStack() as stack:
        store = FilledStore(_start(stack, scale))
        for size in scale.stored_spans:
            yield "fill", _fill(store, size)
            if "lookup" in names:
                yield "lookup", lookup.measure(store, scale, smaller_ms, floor.lookup_ms)
            if "mangled" in names:
                yield "mangled", mangled.measure(store, scale)
            if "lists" in names:
                yield "lists", lists.measure(store, scale)
            if "dashboard" in names:
                yield "dashboard", dashboard.measure(store, scale, floor.costs_ms)
            if "search" in names:
                yield "search", search.measure(store, scale)
            if "pages" in names:
                yield "pages", pages.measure(store, scale)
            if "disk" in names:
                yield "disk", disk.measure(store, floor.disk_bytes_per_span)
            floor = _FloorReads()


def _start(stack: ExitStack, scale: Scale) -> Server:
    if not scale.on_postgresql:
        return stack.enter_context(ClewServer())
    bin_directory = binaries()
    if bin_directory is None:
        raise ServerFailed("PostgreSQL is not installed here")
    cluster = stack.enter_context(Cluster(bin_directory))
    return stack.enter_context(ClewServer(cluster.url, cluster.pid))


def _fill(store: FilledStore, spans: int) -> Iterator[Figure]:
    with PeakMemory(store.server.trees) as watched:
        store.grow(spans)
    yield Figure(f"filling up to {store.spans:,} spans", store.fill_rate, "spans/s", note="until all are linked")
    yield Figure(f"memory of all processes, peak up to {store.spans:,} spans", watched.peak.pss_mb, "MB PSS", _PEAK_MB)


def _measure_floor(scale: Scale) -> _FloorReads:
    with FloorServer() as server:
        store = FilledStore(server)
        store.grow(scale.stored_spans[0])
        costs = time_reads(server, [("/costs", bool)] * scale.requests)
        return _FloorReads(lookup.time_traces(store, scale), costs, server.disk_bytes() / store.spans)
