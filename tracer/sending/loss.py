"""What could not be delivered: counted by trace and by reason, and told to the backend as data once it is there again."""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, TraceFlags

from .. import semconv
from .identify import new_span_id

QUEUE_FULL = "queue_full"
"""More was recorded than could be prepared for sending."""
OUTBOX_FULL = "outbox_full"
"""The backend was away for longer than memory lasts."""
SPOOL_FULL = "spool_full"
SPOOL_AGE = "spool_age"
REFUSED = "refused"
"""The backend will never take it."""
SHUTDOWN = "shutdown"
"""The process ended while the backend was away."""
UNENCODABLE = "unencodable"
"""It could not be made ready for sending."""

_MOST_TRACES = 1_000
"""Of so many traces losses are told apart; beyond, they are only counted."""

_MOST_REPORTS = 64
"""So many are told at a time."""


@dataclass(frozen=True, slots=True)
class Share:
    """Spans of one trace in something that holds several."""

    trace_id: int
    run_id: str | None
    """A run of the trace, where known: its span id in hex."""
    spans: int


class Losses:
    """Counts of lost spans, ``by_reason`` all that ever were. Safe from any thread."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Begin anew: after a fork, what was lost is the parent's to tell."""
        # Reentrant: the garbage collector may close a generator, and so end a span, in a thread that is inside.
        self._lock = threading.RLock()
        self._untold: dict[tuple[int, str], Share] = {}
        self.by_reason: dict[str, int] = {}

    def note(self, shares: Iterable[Share], reason: str) -> None:
        """Count spans as lost."""
        with self._lock:
            for share in shares:
                self.by_reason[reason] = self.by_reason.get(reason, 0) + share.spans
                key = (share.trace_id, reason)
                before = self._untold.get(key)
                if before is not None:
                    self._untold[key] = Share(share.trace_id, before.run_id or share.run_id, before.spans + share.spans)
                elif len(self._untold) < _MOST_TRACES and share.trace_id:
                    self._untold[key] = share

    @property
    def total(self) -> int:
        """All spans ever lost."""
        return sum(list(self.by_reason.values()))

    @property
    def has_untold(self) -> bool:
        """Tell whether there is something to report."""
        return bool(self._untold)

    def take_reports(self, resource: Resource, scope: InstrumentationScope) -> list[ReadableSpan]:
        """Return the losses not yet told as zero-length spans of the traces concerned, and count them as told."""
        with self._lock:
            keys = list(self._untold)[:_MOST_REPORTS]
            taken = [(reason, self._untold.pop((trace_id, reason))) for trace_id, reason in keys]
        return [_report(share, reason, resource, scope) for reason, share in taken]


def _report(share: Share, reason: str, resource: Resource, scope: InstrumentationScope) -> ReadableSpan:
    attributes: dict[str, str | int] = {semconv.ANNOUNCE: "loss", semconv.LOSS_SPANS: share.spans, semconv.LOSS_REASON: reason}
    if share.run_id is not None:
        attributes[semconv.RUN_ID] = share.run_id
    return point_span("clew loss", share.trace_id, share.run_id, attributes, (resource, scope))


def point_span(
    name: str, trace_id: int, parent_id: str | None, attributes: dict[str, str | int], origin: tuple[Resource, InstrumentationScope]
) -> ReadableSpan:
    """Make a span without length that no tracer knows of: it goes to our backend and nowhere else."""
    now_ns = time.time_ns()
    sampled = TraceFlags(TraceFlags.SAMPLED)
    return ReadableSpan(
        name=name,
        context=SpanContext(trace_id, new_span_id(), False, sampled),
        parent=SpanContext(trace_id, int(parent_id, 16), False, sampled) if parent_id else None,
        resource=origin[0],
        instrumentation_scope=origin[1],
        attributes=attributes,
        start_time=now_ns,
        end_time=now_ns,
    )
