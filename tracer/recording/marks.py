"""Steps without length."""

import time
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

from .. import semconv
from ..quiet import quietly
from . import active
from .propagation import get_current, stamp_of


@quietly
def mark(kind: str, title: str, attributes: dict[str, Any], within: Context | None = None) -> None:
    """Record a step without length, as a child of the current span or of the one of the context given."""
    pipeline = active.current()
    if pipeline is None:
        return
    outside = get_current() if within is None else within
    at_ns = pipeline.clock_ns() if pipeline.clock_ns is not None else time.time_ns()
    known = {semconv.STEP_KIND: kind, **stamp_of(outside), **attributes}
    pipeline.tracer.start_span(title, outside, SpanKind.INTERNAL, known, None, at_ns).end(at_ns)
