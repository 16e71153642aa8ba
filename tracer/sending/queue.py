"""Ended spans on their way from the host's threads to ours: bounded by number and by bytes, and cheap to put in."""

import threading
from collections import deque
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

from .. import semconv
from ..settings import Bounds
from .loss import QUEUE_FULL, Losses, Share

_BASE_BYTES = 1_200
"""What a span weighs in memory before anything is said on it."""
_ATTRIBUTE_BYTES = 110
_SMALL = frozenset({int, float, bool, type(None)})
_RESERVE = 0.9
"""Beyond this much, only runs themselves are let in: losing a run's last span costs more than losing a step of it."""


class SpanQueue:
    """Spans in the order in which they ended, announcements before all others.

    What comes while it is full is lost and counted: newest first, runs last.
    """

    def __init__(self, bounds: Bounds, losses: Losses) -> None:
        self._bounds = bounds
        self._roomy = (int(bounds.queue_spans * _RESERVE), int(bounds.queue_bytes * _RESERVE))
        self._losses = losses
        self.renew()

    def renew(self) -> None:
        """Begin anew, empty: after a fork, what waits is the parent's."""
        # Reentrant: the garbage collector may close a generator, and so end a span, in a thread that is inside.
        self._lock = threading.RLock()
        self._spans: deque[ReadableSpan] = deque()
        self._urgent: deque[ReadableSpan] = deque(maxlen=1_024)
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._spans) + len(self._urgent)

    @property
    def bytes(self) -> int:
        """What the spans weigh, roughly."""
        return self._bytes

    def put(self, span: ReadableSpan) -> int:
        """Add a span, or count it as lost; return how many wait."""
        size = weigh(span)
        roomy_spans, roomy_bytes = self._roomy
        with self._lock:
            spans, total = self._spans, self._bytes + size
            number = len(spans)
            if (number < roomy_spans and total < roomy_bytes) or (self._has_room(number, total) and _is_run(span)):
                spans.append(span)
                self._bytes = total
                return number + 1
        self._losses.note([share_of(span)], QUEUE_FULL)
        return number

    def _has_room(self, number: int, total: int) -> bool:
        return number < self._bounds.queue_spans and total <= self._bounds.queue_bytes

    def put_first(self, span: ReadableSpan) -> None:
        """Add an announcement: it goes before all others. Of very many, the oldest are forgotten."""
        self._urgent.append(span)

    def take(self) -> tuple[list[ReadableSpan], list[ReadableSpan]]:
        """Take all announcements and all other spans out."""
        with self._lock:
            spans, self._spans = self._spans, deque()
            self._bytes = 0
        urgent = []
        while self._urgent:
            urgent.append(self._urgent.popleft())
        return urgent, list(spans)


def _is_run(span: ReadableSpan) -> bool:
    return bool(span.context) and attributes_of(span).get(semconv.RUN_ID) == f"{span.context.span_id:016x}"


def share_of(span: ReadableSpan) -> Share:
    """Return a span as a share of its trace."""
    run_id = attributes_of(span).get(semconv.RUN_ID)
    is_id = isinstance(run_id, str) and len(run_id) == 16 and all(digit in "0123456789abcdef" for digit in run_id)
    return Share(span.context.trace_id if span.context else 0, run_id if is_id else None, 1)


def attributes_of(span: Any) -> Any:
    """Return a span's attributes as the plain dict behind them where there is one: the library's own views cost more than the look."""
    attributes = span._attributes
    return getattr(attributes, "_dict", attributes) or {}


def weigh(span: ReadableSpan) -> int:
    """Return what a span weighs in memory, roughly and quickly."""
    attributes = attributes_of(span)
    size = _BASE_BYTES + _ATTRIBUTE_BYTES * len(attributes)
    for value in attributes.values():
        if type(value) is str:
            size += len(value)
        elif type(value) not in _SMALL:
            size += weigh_value(value, 0)
    events = span._events
    if events:
        for event in events:
            size += 300 + weigh_value(event.attributes, 0)
    return size


def weigh_value(value: Any, depth: int) -> int:
    """Return what a value weighs."""
    if isinstance(value, str | bytes):
        return len(value)
    if depth > 8:
        return 1_024
    if isinstance(value, tuple | list):
        return 64 + sum([weigh_value(item, depth + 1) + 16 for item in value])
    if hasattr(value, "values"):
        return 64 + sum([weigh_value(item, depth + 1) + _ATTRIBUTE_BYTES for item in value.values()])
    return 32
