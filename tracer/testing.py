"""Testing your own instrumentation: spans in a list, counted ids, a ticking clock, and no network.

``with capture() as captured: my_agent("hello")``, and then
``assert captured.names() == ["execute_tool search", "invoke_agent scheduler"]``.
"""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Span

from .recording import active
from .recording.active import Active, Price

_EPOCH_NS = 1_700_000_000_000_000_000
_TICK_NS = 1_000_000


class Captured:
    """What was recorded, in the order in which it ended."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []
        """The spans that ended."""
        self.announced: list[tuple[Span, dict[str, Any]]] = []
        """What open spans said of themselves: the span, and the attributes sent."""

    def names(self) -> list[str]:
        """Return the names of the spans."""
        return [span.name for span in self.spans]

    def named(self, name: str) -> ReadableSpan:
        """Return the one span of that name. Raises ``LookupError`` where there is none, or more than one."""
        found = [span for span in self.spans if span.name == name]
        if len(found) != 1:
            raise LookupError(f"{len(found)} spans are named {name!r} among {self.names()}")
        return found[0]

    def outline(self) -> str:
        """Return the spans as a tree, one a line in the order they started, each indented below its parent."""
        below: dict[int, list[ReadableSpan]] = {}
        known = {span.context.span_id for span in self.spans}
        for span in sorted(self.spans, key=lambda span: (span.start_time or 0, span.context.span_id)):
            parent = span.parent.span_id if span.parent is not None and span.parent.span_id in known else 0
            below.setdefault(parent, []).append(span)
        return "".join(f"{'  ' * depth}{span.name}\n" for depth, span in _walk(below, 0, 0))


def _walk(below: Mapping[int, list[ReadableSpan]], parent: int, depth: int) -> Iterator[tuple[int, ReadableSpan]]:
    for span in below.get(parent, ()):
        yield depth, span
        yield from _walk(below, span.context.span_id, depth + 1)


class _Counted(IdGenerator):
    """Ids in the order of their making, from 1."""

    def __init__(self) -> None:
        self._traces = itertools.count(1)
        self._spans = itertools.count(1)

    def generate_trace_id(self) -> int:
        return next(self._traces)

    def generate_span_id(self) -> int:
        return next(self._spans)


class _Keep(SpanProcessor):
    def __init__(self, captured: Captured) -> None:
        self._captured = captured

    def on_end(self, span: ReadableSpan) -> None:
        self._captured.spans.append(span)


@contextmanager
def capture(
    *, content: bool = True, max_value_chars: int = 65_536, price: Price | None = None, base_url: str | None = None
) -> Iterator[Captured]:
    """Record into a list while the block runs: ids count from 1, each look at the clock is a millisecond later, nothing is sent.

    What was configured before is back at the end. ``price`` takes model, provider and tokens and returns US dollars.
    """
    captured = Captured()
    provider = TracerProvider(sampler=ALWAYS_ON, id_generator=_Counted(), shutdown_on_exit=False)
    provider.add_span_processor(_Keep(captured))
    ticks = itertools.count()
    before = active.current()
    active.activate(
        Active(
            tracer=provider.get_tracer("clew"),
            announce=lambda span, said: captured.announced.append((span, dict(said))),
            run_started=lambda trace_id: None,
            content=content,
            max_value_chars=max_value_chars,
            price=price,
            base_url=base_url,
            heartbeat_s=0,
            clock_ns=lambda: _EPOCH_NS + next(ticks) * _TICK_NS,
        )
    )
    try:
        yield captured
    finally:
        active.activate(before)
        provider.shutdown()
