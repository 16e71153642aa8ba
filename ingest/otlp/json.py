"""OTLP/JSON into spans and log records, by a mapping of its own.

OTLP/JSON is not protobuf's JSON: its ids are hexadecimal, and a stock parser reads those as base64 without an error.
Old senders' ``instrumentationLibrarySpans`` and enum names are understood too.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from ingest.model import Event, Link, LogRecord, Resource, Scope, Span

from .decoded import MOST_ATTRIBUTES, MOST_SPANS, DecodedLogs, DecodedSpans, Problems, TooLarge, Undecodable, bad_id
from .json_values import (
    UINT32,
    Json,
    WrongType,
    attributes_of,
    integer,
    load,
    objects,
    one_of_enum,
    small,
    text,
    value_of,
)
from .repair import REPAIRED_KEY, cut_off, in_order, in_range, note, span_times, well_formed

_KINDS = trace_pb2.Span.SpanKind.DESCRIPTOR
_CODES = trace_pb2.Status.StatusCode.DESCRIPTOR
_SEVERITIES = logs_pb2.SeverityNumber.DESCRIPTOR

_REPAIR_CHARS = 100

Item = tuple[str, Any, Resource, Scope, list[str]]
"""A span or log record: where it lies in the request, what is there, its sender, and what was changed of that."""


def decode_traces(body: bytes, now_ns: int) -> DecodedSpans:
    """Return the spans of an ExportTraceServiceRequest. Raises ``Undecodable``, ``TooLarge``."""
    document = load(body)
    decoded = DecodedSpans()
    _tell_if_missing(document, "resourceSpans", decoded.problems)
    for where, item, resource, scope, changed in _items(document, "Spans", "spans"):
        try:
            decoded.spans.append(_span(item, resource, scope, changed.copy(), now_ns))
        except WrongType as error:
            decoded.rejected += 1
            decoded.problems.tell(f"{where}: {error}.")
    return decoded


def decode_logs(body: bytes, now_ns: int) -> DecodedLogs:
    """Return the log records of an ExportLogsServiceRequest that name a span. Raises ``Undecodable``, ``TooLarge``."""
    document = load(body)
    decoded = DecodedLogs()
    _tell_if_missing(document, "resourceLogs", decoded.problems)
    for where, item, resource, scope, changed in _items(document, "Logs", "logRecords"):
        try:
            record = _record(item, resource, scope, changed.copy(), now_ns)
        except WrongType as error:
            decoded.rejected += 1
            decoded.problems.tell(f"{where}: {error}.")
            continue
        if record is None:
            decoded.not_kept += 1
        else:
            decoded.records.append(record)
    return decoded


# --- the envelope -------------------------------------------------------------------------------------------------


def _tell_if_missing(document: Any, key: str, problems: Problems) -> None:
    """Tell a sender whose request is a success that stores nothing, such as one that writes ``resource_spans``."""
    if document and isinstance(document, dict) and key not in document:
        problems.tell(f"The body has no {key}, so that nothing of it is stored.")


def _items(document: Any, signal: str, items_name: str) -> Iterator[Item]:
    """Yield every span or log record of a request with its resource and scope, one object of each per envelope."""
    if not isinstance(document, dict):
        raise Undecodable("The body must be a JSON object.")
    left = MOST_SPANS
    try:
        for place, envelope in enumerate(_envelopes(document, f"resource{signal}")):
            where = f"resource{signal}[{place}]"
            changed: list[str] = []
            resource = _resource(envelope, changed)
            for inside, part, name in _scope_parts(envelope, signal, where):
                also_changed = changed.copy()
                scope = _scope(part, name, also_changed)
                items = objects(part, items_name)
                left -= len(items)
                if left < 0:
                    raise TooLarge(f"The request has more than {MOST_SPANS} spans or log records.")
                for item_place, item in enumerate(items):
                    yield f"{inside}.{items_name}[{item_place}]", item, resource, scope, also_changed
    except WrongType as error:
        raise Undecodable(f"The body is no OTLP/JSON: {error}.") from error


def _scope_parts(envelope: Json, signal: str, where: str) -> Iterator[tuple[str, Json, str]]:
    for key, scope_name in ((f"scope{signal}", "scope"), (f"instrumentationLibrary{signal}", "instrumentationLibrary")):
        for place, part in enumerate(_envelopes(envelope, key)):
            yield f"{where}.{key}[{place}]", part, scope_name


def _envelopes(parent: Json, key: str) -> Sequence[Json]:
    found = objects(parent, key)
    if not all(isinstance(one, dict) for one in found):
        raise WrongType(f"{key} must be a list of objects")
    return found


def _resource(envelope: Json, notes: list[str]) -> Resource:
    found = _object(envelope, "resource")
    attributes, dropped = attributes_of(found, "resource.attributes", notes)
    dropped += _dropped(found, "droppedAttributesCount", notes)
    return Resource(attributes, dropped, text(envelope, "schemaUrl", "resource.schema_url", notes))


def _scope(part: Json, name: str, notes: list[str]) -> Scope:
    found = _object(part, name)
    attributes, dropped = attributes_of(found, "scope.attributes", notes)
    return Scope(
        text(found, "name", "scope.name", notes),
        text(found, "version", "scope.version", notes),
        attributes,
        dropped + _dropped(found, "droppedAttributesCount", notes),
        text(part, "schemaUrl", "scope.schema_url", notes),
    )


# --- spans and log records ----------------------------------------------------------------------------------------


def _object(parent: Json, key: str) -> Json:
    found = parent.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise WrongType(f"{key} must be an object")
    return found


def _dropped(item: Json, key: str, notes: list[str]) -> int:
    return small(item.get(key), key, notes, 0, UINT32)


def _id(item: Json, key: str, size: int) -> bytes:
    """Return an id, empty for none, for all zero and for what is no id of this size."""
    found = item.get(key)
    if not isinstance(found, str) or len(found) != 2 * size:
        return b""
    try:
        value = bytes.fromhex(found)
    except ValueError:
        return b""
    # Spaces between digits would be passed over.
    return value if len(value) == size and any(value) else b""


_ID_NAMES = {"traceId": "trace id", "spanId": "span id", "parentSpanId": "parent span id"}


def _needed_id(item: Json, key: str, size: int) -> bytes:
    value = _id(item, key, size)
    if not value:
        raise WrongType(_id_problem(item.get(key), key, size))
    return value


def _id_problem(found: Any, key: str, size: int) -> str:
    name = _ID_NAMES[key]
    if found is None or found == "":
        return bad_id(name, 0)
    if isinstance(found, str) and len(found) == 2 * size and not found.strip("0"):
        return bad_id(name, size)
    return f"the {name} must be {2 * size} hexadecimal digits"


def _parent_id(item: Json) -> bytes:
    found = item.get("parentSpanId")
    if found is None or found == "" or found == "0000000000000000":
        return b""
    return _needed_id(item, "parentSpanId", 8)


def _span(item: Any, resource: Resource, scope: Scope, notes: list[str], now_ns: int) -> Span:
    if not isinstance(item, dict):
        raise WrongType("a span must be an object")
    trace_id, span_id, parent = _needed_id(item, "traceId", 16), _needed_id(item, "spanId", 8), _parent_id(item)
    _take_repairs(item, notes)
    start_ns, end_ns = span_times(integer(item.get("startTimeUnixNano")), integer(item.get("endTimeUnixNano")), now_ns, notes)
    attributes, cut_attributes = attributes_of(item, "attributes", notes)
    events, cut_events = _events(objects(item, "events"), notes)
    links, cut_links = _links(objects(item, "links"), notes)
    status = _object(item, "status")
    return Span(
        trace_id,
        span_id,
        parent,
        text(item, "name", "name", notes),
        one_of_enum(item.get("kind"), _KINDS, "kind", notes),
        start_ns,
        end_ns,
        one_of_enum(status.get("code"), _CODES, "status.code", notes),
        text(status, "message", "status.message", notes),
        attributes,
        events,
        links,
        resource,
        scope,
        text(item, "traceState", "trace_state", notes),
        small(item.get("flags"), "flags", notes, 0, UINT32),
        cut_attributes + _dropped(item, "droppedAttributesCount", notes),
        cut_events + _dropped(item, "droppedEventsCount", notes),
        cut_links + _dropped(item, "droppedLinksCount", notes),
        notes,
    )


def _take_repairs(item: Json, notes: list[str]) -> None:
    """Take over what an export says was changed before, so that an import gives the very same span."""
    repairs = item.get(REPAIRED_KEY)
    for repair in repairs if isinstance(repairs, list) else ():
        if isinstance(repair, str):
            where, _, what = repair.rpartition(": ")
            note(notes, where, well_formed(what[:_REPAIR_CHARS]))


def _events(items: Sequence[Any], notes: list[str]) -> tuple[list[Event], int]:
    events = []
    for place, item in enumerate(items[:MOST_ATTRIBUTES]):
        where = f"events[{place}]"
        if not isinstance(item, dict):
            raise WrongType(f"{where} must be an object")
        attributes, dropped = attributes_of(item, f"{where}.attributes", notes)
        time_ns = in_range(integer(item.get("timeUnixNano")), f"{where}.time", notes)
        name = text(item, "name", f"{where}.name", notes)
        events.append(Event(name, time_ns, attributes, dropped + _dropped(item, "droppedAttributesCount", notes)))
    return in_order(events), cut_off(items, "events", notes)


def _links(items: Sequence[Any], notes: list[str]) -> tuple[list[Link], int]:
    links = []
    invalid = 0
    for place, item in enumerate(items[:MOST_ATTRIBUTES]):
        where = f"links[{place}]"
        if not isinstance(item, dict):
            raise WrongType(f"{where} must be an object")
        trace_id, span_id = _id(item, "traceId", 16), _id(item, "spanId", 8)
        if not trace_id or not span_id:
            note(notes, where, "invalid id")
            invalid += 1
            continue
        attributes, dropped = attributes_of(item, f"{where}.attributes", notes)
        state = text(item, "traceState", f"{where}.trace_state", notes)
        dropped += _dropped(item, "droppedAttributesCount", notes)
        links.append(Link(trace_id, span_id, state, attributes, dropped, small(item.get("flags"), "flags", notes, 0, UINT32)))
    return links, invalid + cut_off(items, "links", notes)


def _record(item: Any, resource: Resource, scope: Scope, notes: list[str], now_ns: int) -> LogRecord | None:
    """Return a log record, None where it names no span."""
    if not isinstance(item, dict):
        raise WrongType("a log record must be an object")
    trace_id, span_id = _id(item, "traceId", 16), _id(item, "spanId", 8)
    if not trace_id or not span_id:
        return None
    attributes, dropped = attributes_of(item, "attributes", notes)
    name = text(item, "eventName", "event_name", notes) or attributes.get("event.name")
    time_ns = in_range(integer(item.get("timeUnixNano")) or integer(item.get("observedTimeUnixNano")), "time", notes)
    if not time_ns:
        note(notes, "time", "missing")
    _take_repairs(item, notes)
    return LogRecord(
        trace_id,
        span_id,
        time_ns or now_ns,
        name if isinstance(name, str) else "",
        one_of_enum(item.get("severityNumber"), _SEVERITIES, "severity_number", notes),
        text(item, "severityText", "severity_text", notes),
        value_of(item.get("body"), "body", notes),
        attributes,
        resource,
        scope,
        small(item.get("flags"), "flags", notes, 0, UINT32),
        dropped + _dropped(item, "droppedAttributesCount", notes),
        notes,
    )
