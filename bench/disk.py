"""Disk: what a stored span takes, with all indexes, summaries, roll-ups and the text search."""

from collections.abc import Iterator

from .figures import Figure
from .fill import FilledStore

_KB_PER_SPAN = 1.5


def measure(store: FilledStore, floor_bytes_per_span: float | None) -> Iterator[Figure]:
    """Measure the store's size now, its write-ahead log included."""
    disk, log = store.server.disk_bytes(), store.server.log_bytes()
    floor = floor_bytes_per_span / 1024 if floor_bytes_per_span else None
    note = f"of it write-ahead log {log / 1e6:.0f} MB, which does not grow on"
    yield Figure(f"disk a span, {store.spans:,} spans", disk / store.spans / 1024, "KB", _KB_PER_SPAN, floor=floor, note=note)
