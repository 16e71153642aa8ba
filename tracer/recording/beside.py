"""Beside a host's own processors: names the run on every span inside it, and sees to it that a run's trace is whole at ours as well."""

from collections.abc import Callable
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context, get_current
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from .. import semconv
from ..quiet import report
from .propagation import stamp_of

Take = Callable[[ReadableSpan], None]
"""Takes an ended span; never raises and never blocks."""

_MOST_TRACES = 20_000
"""Of so many traces at a time spans are forwarded: the latest in which something of ours happened."""


class Traces:
    """The traces in which runs started, the latest of them. Every operation is one on a dict, hence safe from any thread."""

    def __init__(self) -> None:
        self._traces: dict[int, None] = {}

    def __contains__(self, trace_id: int) -> bool:
        return trace_id in self._traces

    def add(self, trace_id: int) -> None:
        """Remember a trace."""
        if trace_id in self._traces:
            return
        self._traces[trace_id] = None
        if len(self._traces) > _MOST_TRACES:
            try:
                self._traces.pop(next(iter(self._traces)), None)
            except (RuntimeError, StopIteration):  # another thread was here at the same moment; the next one cleans up
                return


class Beside(SpanProcessor):
    """One processor for good: a provider cannot be rid of it, so it follows whatever is configured. It neither raises nor blocks."""

    def __init__(self) -> None:
        self.take: Take | None = None
        """Takes what belongs to a run; None does nothing."""
        self.scope_name = ""
        """Of our own spans: with ``configure(provider=...)`` they come by here."""
        self.traces = Traces()
        self.passed_by: trace.TracerProvider | None = None
        """Our own provider, whose spans come another way."""
        self.host: trace.TracerProvider | None = None
        """The provider that it stands in."""

    def join(self, provider: trace.TracerProvider) -> None:
        """Add itself to a provider of the SDK, once."""
        if provider is self.host or provider is self.passed_by:
            return
        add = getattr(provider, "add_span_processor", None)
        if add is None:
            return
        self.host = provider
        try:
            if not getattr(provider, _MARK, False):
                setattr(provider, _MARK, True)
                add(self)
        except Exception as error:
            report(error)

    def run_started(self, trace_id: int) -> None:
        """Take note of a trace as ours, and of a global provider that was set since."""
        self.traces.add(trace_id)
        provider = trace.get_tracer_provider()
        if provider is not self.host:
            self.join(provider)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Name the run on a span that starts inside it. What the span says itself stays."""
        if self.take is None:
            return
        try:
            stamp(span, parent_context, self.traces)
        except Exception as error:
            report(error)

    def on_end(self, span: ReadableSpan) -> None:
        """Forward a span of a trace in which a run of ours started."""
        take = self.take
        if take is None or span.context is None:
            return
        if span.context.trace_id in self.traces or _scope_name(span) == self.scope_name:
            take(span)

    def shutdown(self) -> None:
        """Do nothing: the host's provider ends, our pipeline may go on."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Do nothing: the host waits for its own exporters alone."""
        return True


_MARK = "_clew_is_beside"

beside = Beside()


def stamp(span: Span, parent_context: Context | None, traces: Traces) -> None:
    """Put a run's name on a span, unless it bears one."""
    said = stamp_of(get_current() if parent_context is None else parent_context)
    if not said:
        return
    traces.add(span.get_span_context().trace_id)
    attributes: Any = span.attributes or {}
    missing = {name: value for name, value in said.items() if name not in attributes}
    if missing and semconv.RUN_ID in missing:
        span.set_attributes(missing)


def _scope_name(span: ReadableSpan) -> str | None:
    scope = span.instrumentation_scope
    return scope.name if scope is not None else None
