"""Builders of OTLP requests as protobuf, and of the hostile values in them."""

import json
from collections.abc import Sequence
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from ingest.model import Event, Link
from ingest.model import Span as ModelSpan

from .builders import SECOND, T0, TRACE_ID, span_id

NOW = T0 + 3600 * SECOND


def any_value(value: Any) -> AnyValue:
    """Build a value of the type that Python says it has; None is an empty value."""
    if value is None:
        return AnyValue()
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[any_value(one) for one in value]))
    if isinstance(value, dict):
        return AnyValue(kvlist_value=KeyValueList(values=key_values(value)))
    return AnyValue(string_value=value)


def key_values(attributes: dict[str, Any]) -> list[KeyValue]:
    """Build attributes."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in attributes.items()]


def pb_span(number: int = 1, **fields: Any) -> Span:
    """Build a span of one second; ``attributes`` as a dict, all else as protobuf has it."""
    values: dict[str, Any] = {
        "trace_id": TRACE_ID,
        "span_id": span_id(number),
        "name": f"span {number}",
        "kind": Span.SPAN_KIND_INTERNAL,
        "start_time_unix_nano": T0,
        "end_time_unix_nano": T0 + SECOND,
    } | fields
    values["attributes"] = key_values(values.pop("attributes", {}))
    return Span(**values)


def traces(*spans: Span, resource: dict[str, Any] | None = None) -> ExportTraceServiceRequest:
    """Build a request of one resource and one scope."""
    scope_spans = ScopeSpans(scope=InstrumentationScope(name="my.tracer", version="1.0"), spans=spans)
    sender = Resource(attributes=key_values({"service.name": "shop"} if resource is None else resource))
    return ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=sender, scope_spans=[scope_spans])])


def logs(*records: LogRecord) -> ExportLogsServiceRequest:
    """Build a request of log records of one resource and one scope."""
    scope_logs = ScopeLogs(scope=InstrumentationScope(name="my.logger"), log_records=records)
    sender = Resource(attributes=key_values({"service.name": "shop"}))
    return ExportLogsServiceRequest(resource_logs=[ResourceLogs(resource=sender, scope_logs=[scope_logs])])


def pb_log(**fields: Any) -> LogRecord:
    """Build a log record of the first span; ``attributes`` as a dict, ``body`` as a value."""
    values: dict[str, Any] = {"trace_id": TRACE_ID, "span_id": span_id(1), "time_unix_nano": T0} | fields
    values["attributes"] = key_values(values.pop("attributes", {}))
    values["body"] = any_value(values.pop("body", None))
    return LogRecord(**values)


def json_span(number: int = 1, **fields: Any) -> dict[str, Any]:
    """Build a span as OTLP/JSON has it."""
    values = {
        "traceId": TRACE_ID.hex(),
        "spanId": span_id(number).hex(),
        "name": f"span {number}",
        "kind": 1,
        "startTimeUnixNano": str(T0),
        "endTimeUnixNano": str(T0 + SECOND),
    }
    return values | fields


def json_traces(*spans: Any, **envelope: Any) -> bytes:
    """Build a JSON request of one resource and one scope."""
    scope_spans = {"scope": {"name": "my.tracer", "version": "1.0"}, "spans": spans}
    return json.dumps({"resourceSpans": [{"scopeSpans": [scope_spans]} | envelope]}).encode()


def json_attributes(**values: Any) -> list[dict[str, Any]]:
    """Build attributes from AnyValues in JSON."""
    return [{"key": key, "value": value} for key, value in values.items()]


def protobuf_of(spans: Sequence[ModelSpan]) -> bytes:
    """Encode spans as protobuf: what an exporter would have sent."""
    request = ExportTraceServiceRequest()
    for span in spans:
        sender = Resource(attributes=key_values(span.resource.attributes), dropped_attributes_count=span.resource.dropped_attributes)
        scope = InstrumentationScope(
            name=span.scope.name,
            version=span.scope.version,
            attributes=key_values(span.scope.attributes),
            dropped_attributes_count=span.scope.dropped_attributes,
        )
        scope_spans = ScopeSpans(scope=scope, spans=[_protobuf_span(span)], schema_url=span.scope.schema_url)
        request.resource_spans.append(ResourceSpans(resource=sender, scope_spans=[scope_spans], schema_url=span.resource.schema_url))
    return request.SerializeToString()


def _protobuf_span(span: ModelSpan) -> Span:
    return Span(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        name=span.name,
        kind=span.kind,  # type: ignore[arg-type]  # the enum's number
        start_time_unix_nano=span.start_ns,
        end_time_unix_nano=span.end_ns,
        status=Status(code=span.status_code, message=span.status_message),  # type: ignore[arg-type]  # likewise
        attributes=key_values(span.attributes),
        events=[_protobuf_event(event) for event in span.events],
        links=[_protobuf_link(link) for link in span.links],
        trace_state=span.trace_state,
        flags=span.flags,
        dropped_attributes_count=span.dropped_attributes,
        dropped_events_count=span.dropped_events,
        dropped_links_count=span.dropped_links,
    )


def _protobuf_event(event: Event) -> Span.Event:
    return Span.Event(
        name=event.name,
        time_unix_nano=event.time_ns,
        attributes=key_values(event.attributes),
        dropped_attributes_count=event.dropped_attributes,
    )


def _protobuf_link(link: Link) -> Span.Link:
    return Span.Link(
        trace_id=link.trace_id,
        span_id=link.span_id,
        trace_state=link.trace_state,
        attributes=key_values(link.attributes),
        dropped_attributes_count=link.dropped_attributes,
        flags=link.flags,
    )
