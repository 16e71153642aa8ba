"""Ended spans as the library makes them, for tests of what becomes of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Link, SpanContext, StatusCode, TraceFlags


class _Last(SpanProcessor):
    def __init__(self) -> None:
        self.span: ReadableSpan | None = None

    def on_end(self, span: ReadableSpan) -> None:
        self.span = span


LINKED = SpanContext(7, 8, is_remote=True, trace_flags=TraceFlags(1))


def ended_span(name: str, **parts: Any) -> ReadableSpan:
    """Make a span of ``attributes``, ``events`` (pairs), ``links`` (attributes), ``status``, ``resource``, ``scope``, ``trace_id``."""
    limits = SpanLimits(max_span_attributes=parts.get("most_attributes", 1_024))
    provider = TracerProvider(ALWAYS_ON, Resource(parts.get("resource", {})), shutdown_on_exit=False, span_limits=limits)
    last = _Last()
    provider.add_span_processor(last)
    tracer = provider.get_tracer("tests", attributes=parts.get("scope"))
    span = tracer.start_span(name, parts.get("context"), links=_links(parts.get("links", ())))
    # Past the checks of the library, as others' spans may be.
    span._attributes._dict.update(_kept(parts.get("attributes", {}), parts.get("most_attributes", 1_024), span))  # type: ignore[attr-defined]
    for event, attributes in parts.get("events", ()):
        span.add_event(event, attributes)
    if "status" in parts:
        span.set_status(StatusCode.ERROR, parts["status"])
    span.end()
    assert last.span is not None
    if "trace_id" in parts:
        context = last.span.context
        last.span._context = SpanContext(parts["trace_id"], context.span_id, False, context.trace_flags)
    return last.span


def _kept(attributes: Mapping[str, Any], most: int, span: Any) -> dict[str, Any]:
    kept = dict(list(attributes.items())[:most])
    span._attributes.dropped += len(attributes) - len(kept)
    return kept


def _links(attributes: Sequence[Mapping[str, Any]]) -> list[Link]:
    return [Link(LINKED, one) for one in attributes]


def encoded(spans: Sequence[ReadableSpan]) -> bytes:
    """Encode spans as they go over the wire."""
    return encode_spans(spans).SerializeToString()
