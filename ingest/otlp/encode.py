"""Spans into OTLP/JSON, losing nothing: decoding the result gives the very same spans."""

import base64
import math
from collections.abc import Sequence
from typing import Any

from ingest.model import Event, Link, Resource, Scope, Span

from .repair import REPAIRED_KEY


def encode_traces_json(spans: Sequence[Span]) -> dict[str, Any]:
    """Return an ExportTraceServiceRequest in OTLP/JSON, spans of one resource and scope together, in their order.

    What was repaired of a span travels in a key of our own, which receivers other than Clew ignore.
    """
    return {"resourceSpans": [_resource_spans(resource, scopes) for resource, scopes in _by_sender(spans)]}


def _by_sender(spans: Sequence[Span]) -> list[tuple[Resource, list[tuple[Scope, list[Span]]]]]:
    """Group neighbours alone, so that the order of spans stays."""
    resources: list[tuple[Resource, list[tuple[Scope, list[Span]]]]] = []
    for span in spans:
        if not resources or resources[-1][0] != span.resource:
            resources.append((span.resource, []))
        scopes = resources[-1][1]
        if not scopes or scopes[-1][0] != span.scope:
            scopes.append((span.scope, []))
        scopes[-1][1].append(span)
    return resources


def _resource_spans(resource: Resource, scopes: Sequence[tuple[Scope, Sequence[Span]]]) -> dict[str, Any]:
    return {
        "resource": {"attributes": _pairs(resource.attributes), "droppedAttributesCount": resource.dropped_attributes},
        "scopeSpans": [
            {"scope": _scope(scope), "spans": [_span(span) for span in spans], "schemaUrl": scope.schema_url} for scope, spans in scopes
        ],
        "schemaUrl": resource.schema_url,
    }


def _scope(scope: Scope) -> dict[str, Any]:
    return {
        "name": scope.name,
        "version": scope.version,
        "attributes": _pairs(scope.attributes),
        "droppedAttributesCount": scope.dropped_attributes,
    }


def _span(span: Span) -> dict[str, Any]:
    encoded = {
        "traceId": span.trace_id.hex(),
        "spanId": span.span_id.hex(),
        "parentSpanId": span.parent_span_id.hex(),
        "traceState": span.trace_state,
        "flags": span.flags,
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": _pairs(span.attributes),
        "droppedAttributesCount": span.dropped_attributes,
        "events": [_event(event) for event in span.events],
        "droppedEventsCount": span.dropped_events,
        "links": [_link(link) for link in span.links],
        "droppedLinksCount": span.dropped_links,
        "status": {"code": span.status_code, "message": span.status_message},
    }
    if span.repaired:
        encoded[REPAIRED_KEY] = span.repaired
    return encoded


def _event(event: Event) -> dict[str, Any]:
    return {
        "timeUnixNano": str(event.time_ns),
        "name": event.name,
        "attributes": _pairs(event.attributes),
        "droppedAttributesCount": event.dropped_attributes,
    }


def _link(link: Link) -> dict[str, Any]:
    return {
        "traceId": link.trace_id.hex(),
        "spanId": link.span_id.hex(),
        "traceState": link.trace_state,
        "attributes": _pairs(link.attributes),
        "droppedAttributesCount": link.dropped_attributes,
        "flags": link.flags,
    }


def _pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: Any) -> dict[str, Any]:
    """Return an AnyValue. A bool is asked for before an int, which it is too."""
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": _double(value)}
    if isinstance(value, bytes):
        return {"bytesValue": base64.b64encode(value).decode()}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(one) for one in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": _pairs(value)}}
    return {}


def _double(value: float) -> float | str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value
