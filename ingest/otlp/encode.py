"""Spans and log records into OTLP/JSON, losing nothing: decoding the result gives the very same."""

import base64
import math
from collections.abc import Callable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, TypeVar

from ingest.model import Event, Link, LogRecord, Scope, Span

from .json_values import Json
from .repair import REPAIRED_KEY


def encode_traces_json(spans: Sequence[Span]) -> Json:
    """Return an ExportTraceServiceRequest in OTLP/JSON, spans of one resource and scope together, in their order.

    What was repaired of a span travels in a key of our own, which receivers other than Clew ignore.
    """
    return _envelopes("Spans", "spans", spans, _span)


def encode_logs_json(records: Sequence[LogRecord]) -> Json:
    """Return an ExportLogsServiceRequest in OTLP/JSON, in the same way."""
    return _envelopes("Logs", "logRecords", records, _record)


_Sent = TypeVar("_Sent", Span, LogRecord)


def _envelopes(signal: str, items: str, sent: Sequence[_Sent], encode: Callable[[_Sent], Json]) -> Json:
    """Group neighbours of one resource and scope alone, so that the order stays."""
    resources = []
    for resource, of_resource in groupby(sent, attrgetter("resource")):
        scopes = [
            {"scope": _scope(scope), items: [encode(one) for one in of_scope], "schemaUrl": scope.schema_url}
            for scope, of_scope in groupby(of_resource, attrgetter("scope"))
        ]
        about = {"attributes": _pairs(resource.attributes), "droppedAttributesCount": resource.dropped_attributes}
        resources.append({"resource": about, f"scope{signal}": scopes, "schemaUrl": resource.schema_url})
    return {f"resource{signal}": resources}


def _scope(scope: Scope) -> Json:
    return {
        "name": scope.name,
        "version": scope.version,
        "attributes": _pairs(scope.attributes),
        "droppedAttributesCount": scope.dropped_attributes,
    }


def _span(span: Span) -> Json:
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


def _record(record: LogRecord) -> Json:
    encoded = {
        "timeUnixNano": str(record.time_ns),
        "severityNumber": record.severity_number,
        "severityText": record.severity_text,
        "eventName": record.event_name,
        "body": _value(record.body),
        "attributes": _pairs(record.attributes),
        "droppedAttributesCount": record.dropped_attributes,
        "flags": record.flags,
        "traceId": record.trace_id.hex(),
        "spanId": record.span_id.hex(),
    }
    if record.repaired:
        encoded[REPAIRED_KEY] = record.repaired
    return encoded


def _event(event: Event) -> Json:
    return {
        "timeUnixNano": str(event.time_ns),
        "name": event.name,
        "attributes": _pairs(event.attributes),
        "droppedAttributesCount": event.dropped_attributes,
    }


def _link(link: Link) -> Json:
    return {
        "traceId": link.trace_id.hex(),
        "spanId": link.span_id.hex(),
        "traceState": link.trace_state,
        "attributes": _pairs(link.attributes),
        "droppedAttributesCount": link.dropped_attributes,
        "flags": link.flags,
    }


def _pairs(attributes: dict[str, Any]) -> list[Json]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: Any) -> Json:
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
