"""OTLP as protobuf into spans and log records. The parser is protobuf's own."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from ingest.model import Event, Link, LogRecord, Resource, Scope, Span

from .decoded import MOST_ATTRIBUTES, MOST_SPANS, DecodedLogs, DecodedSpans, TooLarge, Undecodable, bad_id
from .protobuf_values import Remarkable, attributes_as_before, attributes_of, read_parts, text_of, value_of
from .repair import cut_off, in_order, in_range, note, span_times
from .wire import Field, Malformed, TooManyFields, cut, mend

_MENDED_BYTES = 1 << 18
"""A message of so many bytes is looked through before it is parsed: smaller ones cannot hold enough values to matter."""

_TOO_MANY = f"The request has more than {MOST_SPANS} spans or log records."

_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)
_DATA, _RESOURCE, _SCOPE, _ITEMS, _SCHEMA_URL = 1, 1, 1, 2, 3
"""Field numbers, the same for spans and log records: ``resource_spans``; ``resource``, ``scope_spans``, ``schema_url``;
``scope``, ``spans``, ``schema_url``."""

_Message = TypeVar("_Message", trace_pb2.Span, logs_pb2.LogRecord, resource_pb2.Resource, common_pb2.InstrumentationScope)
Sender = tuple[Resource, Scope]
Item = tuple[str, bytes, Resource, Scope, list[str]]
"""A span or log record: where it lies in the request, its bytes, its sender, and what was changed of that."""


def decode_traces(body: bytes, now_ns: int) -> DecodedSpans:
    """Return the spans of an ExportTraceServiceRequest. Raises ``Undecodable``, ``TooLarge``."""
    decoded = DecodedSpans()
    for where, data, resource, scope, changed in _items(body, "spans"):
        try:
            decoded.spans.append(_read_span(data, (resource, scope), changed, now_ns))
        except Malformed as error:
            decoded.rejected += 1
            decoded.problems.tell(f"{where}: {error}.")
    return decoded


def decode_logs(body: bytes, now_ns: int) -> DecodedLogs:
    """Return the log records of an ExportLogsServiceRequest that name a span. Raises ``Undecodable``, ``TooLarge``."""
    decoded = DecodedLogs()
    for where, data, resource, scope, changed in _items(body, "logs"):
        try:
            message, notes = _parse(logs_pb2.LogRecord, data)
        except Malformed as error:
            decoded.rejected += 1
            decoded.problems.tell(f"{where}: {error}.")
            continue
        if _is_id(message.trace_id, 16) and _is_id(message.span_id, 8):
            decoded.records.append(_record(message, resource, scope, changed + notes, now_ns))
        else:
            decoded.not_kept += 1
    return decoded


# --- the envelope -------------------------------------------------------------------------------------------------


def _items(body: bytes, name: str) -> Iterator[Item]:
    """Yield every span or log record of a request with its resource and scope, one object of each per envelope."""
    left = MOST_SPANS
    envelopes = [field for field in _cut(body, 0, len(body), "the request") if field[0] == _DATA]
    left -= len(envelopes)
    for place, (_, _, start, end) in enumerate(envelopes):
        where = f"resource_{name}[{place}]"
        parts = _cut(body, start, end, where)
        changed: list[str] = []
        resource = _resource(body, parts, where, changed)
        scopes = [field for field in parts if field[0] == _ITEMS]
        for scope_place, (_, _, scope_start, scope_end) in enumerate(scopes):
            inside = f"{where}.scope_{name}[{scope_place}]"
            fields = _cut(body, scope_start, scope_end, inside)
            also_changed = changed.copy()
            scope = _scope(body, fields, inside, also_changed)
            left -= len(fields) + 1
            if left < 0:
                raise TooLarge(_TOO_MANY)
            span_place = 0
            for number, _, at, stop in fields:
                if number == _ITEMS:
                    yield f"{inside}.{name}[{span_place}]", body[at:stop], resource, scope, also_changed
                    span_place += 1


def _cut(body: bytes, start: int, end: int, where: str) -> list[Field]:
    try:
        return cut(body, start, end, MOST_SPANS)
    except TooManyFields as error:
        raise TooLarge(_TOO_MANY) from error
    except Malformed as error:
        raise Undecodable(f"The body is no OTLP protobuf: in {where}, {error}.") from error


def _joined(body: bytes, fields: Sequence[Field], number: int) -> bytes:
    # A message that comes in parts is their concatenation.
    return b"".join([body[start:end] for found, _, start, end in fields if found == number])


def _schema_url(body: bytes, fields: Sequence[Field], where: str, notes: list[str]) -> str:
    found = [body[start:end] for number, _, start, end in fields if number == _SCHEMA_URL]
    return text_of(found[-1].decode("utf-8", "replace"), where, notes) if found else ""


def _resource(body: bytes, fields: Sequence[Field], where: str, notes: list[str]) -> Resource:
    message = _parse_sender(resource_pb2.Resource, _joined(body, fields, _RESOURCE), where, "resource", notes)
    attributes, dropped = attributes_of(message.attributes, "resource.attributes", notes)
    url = _schema_url(body, fields, "resource.schema_url", notes)
    return Resource(attributes, message.dropped_attributes_count + dropped, url)


def _scope(body: bytes, fields: Sequence[Field], where: str, notes: list[str]) -> Scope:
    message = _parse_sender(common_pb2.InstrumentationScope, _joined(body, fields, _SCOPE), where, "scope", notes)
    attributes, dropped = attributes_of(message.attributes, "scope.attributes", notes)
    url = _schema_url(body, fields, "scope.schema_url", notes)
    name = text_of(message.name, "scope.name", notes)
    version = text_of(message.version, "scope.version", notes)
    return Scope(name, version, attributes, message.dropped_attributes_count + dropped, url)


def _parse_sender(kind: type[_Message], data: bytes, where: str, name: str, notes: list[str]) -> _Message:
    try:
        message, changed = _parse(kind, data)
    except Malformed as error:
        raise Undecodable(f"The body is no OTLP protobuf: in {where}.{name}, {error}.") from error
    notes += [f"{name}.{one}" for one in changed]
    return message


def _parse(kind: type[_Message], data: bytes) -> tuple[_Message, list[str]]:
    """Parse a message, mended where that is needed; also return what was changed. Raises ``Malformed``."""
    if len(data) < _MENDED_BYTES:
        try:
            return kind.FromString(data), []
        except DecodeError:
            pass
    mended, notes = mend(data, kind.DESCRIPTOR)
    try:
        return kind.FromString(mended), notes
    except DecodeError as error:
        raise Malformed("it cannot be parsed") from error


# --- spans and log records ----------------------------------------------------------------------------------------


def _is_id(value: bytes, size: int) -> bool:
    return len(value) == size and any(value)


def _ids(message: trace_pb2.Span) -> tuple[bytes, bytes, bytes]:
    """Return the ids of trace, span and parent, the last empty for none; raise ``Malformed`` where one cannot be an id."""
    trace_id, span_id, parent = message.trace_id, message.span_id, message.parent_span_id
    if len(trace_id) != 16 or trace_id == _NO_TRACE:
        raise Malformed(bad_id("trace id", len(trace_id)))
    if len(span_id) != 8 or span_id == _NO_SPAN:
        raise Malformed(bad_id("span id", len(span_id)))
    if not parent or parent == _NO_SPAN:
        return trace_id, span_id, b""
    if len(parent) != 8:
        raise Malformed(bad_id("parent span id", len(parent)))
    return trace_id, span_id, parent


def _read_span(data: bytes, sender: Sender, changed: list[str], now_ns: int) -> Span:
    """Return a span. Raises ``Malformed``."""
    if len(data) < _MENDED_BYTES:
        try:
            parts = read_parts(data)
            return _span(parts, attributes_as_before(parts.attributes), sender, changed.copy(), now_ns)
        except (DecodeError, Remarkable):
            pass
    message, notes = _parse(trace_pb2.Span, data)
    return _span(message, None, sender, changed + notes, now_ns)


def _span(message: trace_pb2.Span, read: dict[str, Any] | None, sender: Sender, notes: list[str], now_ns: int) -> Span:
    """Return a span; ``read`` are its attributes where they are read already."""
    trace_id, span_id, parent = _ids(message)
    start_ns, end_ns = span_times(message.start_time_unix_nano, message.end_time_unix_nano, now_ns, notes)
    # What is changed is noted in the same order as in JSON, so that both give the very same span.
    attributes, cut_attributes = (read, 0) if read is not None else attributes_of(message.attributes, "attributes", notes)
    resource, scope = sender
    dropped_events, dropped_links = message.dropped_events_count, message.dropped_links_count
    events: list[Event] = []
    links: list[Link] = []
    if message.events:
        events, cut_events = _events(message.events, notes)
        dropped_events += cut_events
    if message.links:
        links, cut_links = _links(message.links, notes)
        dropped_links += cut_links
    status = message.status
    name, words, state = message.name, status.message, message.trace_state
    if "\0" in name + words + state:
        name, words, state = text_of(name, "name", notes), text_of(words, "status.message", notes), text_of(state, "trace_state", notes)
    return Span(
        trace_id,
        span_id,
        parent,
        name,
        message.kind,
        start_ns,
        end_ns,
        status.code,
        words,
        attributes,
        events,
        links,
        resource,
        scope,
        state,
        message.flags,
        message.dropped_attributes_count + cut_attributes,
        dropped_events,
        dropped_links,
        notes,
    )


def _events(messages: Sequence[trace_pb2.Span.Event], notes: list[str]) -> tuple[list[Event], int]:
    events = []
    for place, message in enumerate(messages[:MOST_ATTRIBUTES]):
        where = f"events[{place}]"
        attributes, dropped = attributes_of(message.attributes, f"{where}.attributes", notes)
        time_ns = in_range(message.time_unix_nano, f"{where}.time", notes)
        name = text_of(message.name, f"{where}.name", notes)
        events.append(Event(name, time_ns, attributes, message.dropped_attributes_count + dropped))
    return in_order(events), cut_off(messages, "events", notes)


def _links(messages: Sequence[trace_pb2.Span.Link], notes: list[str]) -> tuple[list[Link], int]:
    links = []
    invalid = 0
    for place, message in enumerate(messages[:MOST_ATTRIBUTES]):
        where = f"links[{place}]"
        if not (_is_id(message.trace_id, 16) and _is_id(message.span_id, 8)):
            note(notes, where, "invalid id")
            invalid += 1
            continue
        attributes, dropped = attributes_of(message.attributes, f"{where}.attributes", notes)
        state = text_of(message.trace_state, f"{where}.trace_state", notes)
        dropped += message.dropped_attributes_count
        links.append(Link(message.trace_id, message.span_id, state, attributes, dropped, message.flags))
    return links, invalid + cut_off(messages, "links", notes)


def _record(message: logs_pb2.LogRecord, resource: Resource, scope: Scope, notes: list[str], now_ns: int) -> LogRecord:
    attributes, dropped = attributes_of(message.attributes, "attributes", notes)
    name = text_of(message.event_name, "event_name", notes) or attributes.get("event.name")
    time_ns = in_range(message.time_unix_nano or message.observed_time_unix_nano, "time", notes)
    if not time_ns:
        note(notes, "time", "missing")
    return LogRecord(
        message.trace_id,
        message.span_id,
        time_ns or now_ns,
        name if isinstance(name, str) else "",
        message.severity_number,
        text_of(message.severity_text, "severity_text", notes),
        value_of(message.body, "body", notes, 0),
        attributes,
        resource,
        scope,
        message.flags,
        message.dropped_attributes_count + dropped,
        notes,
    )
