"""Traces read before, kept while nothing of them changes: who walks through a long run asks for it at every step."""

import threading
from collections import OrderedDict

from ingest.model import Trace

_MOST_SPANS = 250_000
"""Bound of the spans in all kept traces together: some hundred megabytes at the worst."""

_Key = tuple[int, bytes]
"""Project and trace."""


class KeptTraces:
    """The traces read last, each with the version of what was stored then. Safe to use from many threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[_Key, tuple[int, Trace]] = OrderedDict()
        self._spans = 0
        self._lock = threading.Lock()

    def get(self, key: _Key, version: int) -> Trace | None:
        """Return a trace as it was read at this version, if it is kept; one of an older version is forgotten."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            if found[0] != version:
                self._drop(key)
                return None
            self._kept.move_to_end(key)
            return found[1]

    def put(self, key: _Key, version: int, trace: Trace) -> None:
        """Keep a trace that nothing but new spans can change; the ones used longest ago make room."""
        with self._lock:
            if key in self._kept:
                self._drop(key)
            self._kept[key] = (version, trace)
            self._spans += trace.span_count
            while self._spans > _MOST_SPANS:
                self._drop(next(iter(self._kept)))

    def _drop(self, key: _Key) -> None:
        self._spans -= self._kept.pop(key)[1].span_count
