"""Disk: what a stored span takes, with all indexes, summaries, roll-ups and the text search."""

import contextlib
from collections.abc import Iterator

from .figures import Figure
from .fill import FilledStore
from .server import wait_until

_KB_PER_SPAN = 1.5

_REST_S = 20.0
"""The worker empties the write-ahead log when nothing came for some seconds."""


def measure(store: FilledStore, floor_bytes_per_span: float | None) -> Iterator[Figure]:
    """Measure the store's size at rest, what is left of its write-ahead log included."""
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: store.server.log_bytes() == 0, _REST_S)
    disk, log = store.server.disk_bytes(), store.server.log_bytes()
    floor = floor_bytes_per_span / 1024 if floor_bytes_per_span else None
    note = f"of it write-ahead log {log / 1e6:.0f} MB"
    yield Figure(f"disk a span, {store.spans:,} spans", disk / store.spans / 1024, "KB", _KB_PER_SPAN, floor=floor, note=note)
