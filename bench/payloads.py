"""Requests for the benchmarks: any number of distinct traces, deterministic, made by filling templates.

Trace number ``n`` is a function of the seed and ``n`` alone, so a reader knows every id that a writer sent. Requests are
filled before a clock starts: joining a template costs some microseconds a span, a store costs a hundred.
"""

import base64
import json
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from itertools import islice
from random import Random
from typing import Any, Literal, NamedTuple

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from .content import AGENTS, SPANS_PER_TRACE, Agent, PlannedSpan, plan_trace, resource_attributes

Encoding = Literal["protobuf", "json"]

SPANS_PER_REQUEST = 512
"""What exporters send at most unless told otherwise. Three such requests hold 64 traces, of which two are cut."""

TRACES_PER_SERVICE = 64
"""Consecutive traces that come from one service, so that they share requests."""

TEMPLATES_PER_AGENT = 16
USERS = 2_000
TRACES_PER_SESSION = 3
RARE_EVERY = 8
"""Every eighth trace has a word in a thought that no other trace has."""

COMMON_WORD = b"reschedule"
CONTENT_TYPES: dict[Encoding, str] = {"protobuf": "application/x-protobuf", "json": "application/json"}

_TOKEN = re.compile(rb"(~(?:trace-id-16byt~|span\d\d~|start\d\d|stop\d\d~|session~|user~|number~~|rareword~|rootspan-hex~~~))")
_TRACE_TOKEN = b"~trace-id-16byt~"
_SCOPE_NAME, _SCOPE_VERSION = "agents.instrumentation", "1.4.0"


class Request(NamedTuple):
    """One request, ready to send."""

    body: bytes
    content_type: str
    spans: int


@dataclass(frozen=True, slots=True)
class Workload:
    """A sequence of traces; trace ``n`` starts at ``first_ns + n * step_ns``."""

    seed: int
    first_ns: int
    step_ns: int = 1_000_000

    def trace_id(self, number: int) -> bytes:
        """Return the id of a trace."""
        return blake2b(number.to_bytes(8, "big"), digest_size=16, key=self.seed.to_bytes(8, "big")).digest()

    def span_id(self, number: int, place: int) -> bytes:
        """Return the id of the span at a place of a trace; place 0 is the agent's span. As random as SDKs make them."""
        return blake2b(self.trace_id(number) + bytes([place]), digest_size=8).digest()

    def started_ns(self, number: int) -> int:
        """Return when a trace starts."""
        return self.first_ns + number * self.step_ns

    def user(self, number: int) -> str:
        """Return the user of a trace."""
        return f"u{number * 7919 % USERS:05d}"

    def session(self, number: int) -> str:
        """Return the session of a trace."""
        return f"s{number // TRACES_PER_SESSION:08d}"

    def reference(self, number: int) -> str:
        """Return the order that a trace is about."""
        return f"{number:09d}"

    def word(self, number: int) -> str:
        """Return the word in a thought of a trace: its own where the number divides by ``RARE_EVERY``."""
        if number % RARE_EVERY:
            return COMMON_WORD.decode()
        return "q" + "".join(chr(97 + int(digit)) for digit in f"{number:09d}")


def requests(workload: Workload, numbers: range, encoding: Encoding = "protobuf", spans: int = SPANS_PER_REQUEST) -> Iterator[Request]:
    """Yield the requests that carry these traces in order, each of one service and of at most so many spans."""
    for agent, group in _by_agent(numbers):
        rendered = (span for number in group for span in _rendered(workload, number, agent, encoding))
        while batch := list(islice(rendered, spans)):
            yield Request(_WRAP[encoding](agent, batch), CONTENT_TYPES[encoding], len(batch))


def giant_requests(workload: Workload, number: int, spans: int, per_request: int) -> list[Request]:
    """Return the requests of one trace of very many spans: an agent that goes on and on, all its steps below one root.

    It takes the ids and times of as many traces as it is long, so the workload's steps should be longer than a run.
    """
    agent = AGENTS[0]
    laps = -(-(spans - 1) // (SPANS_PER_TRACE - 1))
    root = _values(workload, number, agent, "protobuf")
    root[_stop_token(0)] = _values(workload, number + laps - 1, agent, "protobuf")[_stop_token(0)]
    rendered = _render(_template(agent, number, "protobuf"), root)
    for lap in range(number + 1, number + laps):
        values = _values(workload, lap, agent, "protobuf") | {token: root[token] for token in _OF_THE_TRACE}
        rendered += _render(_template(agent, lap, "protobuf"), values)[1:]
    return [
        Request(_wrap_protobuf(agent, rendered[at : min(at + per_request, spans)]), CONTENT_TYPES["protobuf"], min(per_request, spans - at))
        for at in range(0, spans, per_request)
    ]


def agent_of(number: int) -> Agent:
    """Return the agent of a trace."""
    return AGENTS[number // TRACES_PER_SERVICE % len(AGENTS)]


def _by_agent(numbers: range) -> Iterator[tuple[Agent, range]]:
    at = numbers.start
    while at < numbers.stop:
        end = min(numbers.stop, (at // TRACES_PER_SERVICE + 1) * TRACES_PER_SERVICE)
        yield agent_of(at), range(at, end)
        at = end


# --- templates ----------------------------------------------------------------------------------------------------

Template = list[list[bytes]]
"""A trace: per span its bytes, cut so that every odd part is a token to fill."""


def _span_token(place: int) -> bytes:
    return b"~span%02d~" % place


def _start_token(place: int) -> bytes:
    return b"~start%02d" % place


def _stop_token(place: int) -> bytes:
    return b"~stop%02d~" % place


_OF_THE_TRACE = (_TRACE_TOKEN, _span_token(0), b"~session~", b"~user~", b"~rootspan-hex~~~")
"""What is the same on every lap of a giant trace."""


def _plan(agent: Agent, variant: int) -> list[PlannedSpan]:
    return _planned(AGENTS.index(agent), variant % TEMPLATES_PER_AGENT)


@cache
def _planned(agent_place: int, variant: int) -> list[PlannedSpan]:
    return plan_trace(AGENTS[agent_place], Random(f"{agent_place} {variant}"))


def _template(agent: Agent, number: int, encoding: Encoding) -> Template:
    return _cut(AGENTS.index(agent), number % TEMPLATES_PER_AGENT, encoding)


@cache
def _cut(agent_place: int, variant: int, encoding: Encoding) -> Template:
    encode = _SPAN_BYTES[encoding]
    return [_TOKEN.split(encode(place, span)) for place, span in enumerate(_planned(agent_place, variant))]


def _rendered(workload: Workload, number: int, agent: Agent, encoding: Encoding) -> list[bytes]:
    return _render(_template(agent, number, encoding), _values(workload, number, agent, encoding))


def _render(template: Template, values: dict[bytes, bytes]) -> list[bytes]:
    fill = values.get
    return [b"".join([fill(part, part) for part in span]) for span in template]


def _values(workload: Workload, number: int, agent: Agent, encoding: Encoding) -> dict[bytes, bytes]:
    identify, tell_time = _SCALARS[encoding]
    started_ns = workload.started_ns(number)
    values = {
        _TRACE_TOKEN: identify(workload.trace_id(number)),
        b"~session~": workload.session(number).encode(),
        b"~user~": workload.user(number).encode(),
        b"~number~~": workload.reference(number).encode(),
        b"~rareword~": workload.word(number).encode(),
        b"~rootspan-hex~~~": workload.span_id(number, 0).hex().encode(),
    }
    for place, span in enumerate(_plan(agent, number)):
        values[_span_token(place)] = identify(workload.span_id(number, place))
        values[_start_token(place)] = tell_time(started_ns + span.start_us * 1000)
        values[_stop_token(place)] = tell_time(started_ns + span.end_us * 1000)
    return values


def _hex(value: bytes) -> bytes:
    return value.hex().encode()


def _decimal(value: int) -> bytes:
    return str(value).encode()


_SCALARS: dict[Encoding, tuple[Callable[[bytes], bytes], Callable[[int], bytes]]] = {
    "protobuf": (bytes, struct.Struct("<Q").pack),
    "json": (_hex, _decimal),
}

# --- protobuf -----------------------------------------------------------------------------------------------------


def _any_value(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[_any_value(one) for one in value]))
    return AnyValue(string_value=value)


def _key_values(attributes: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_any_value(value)) for key, value in attributes.items()]


def _protobuf_span(place: int, planned: PlannedSpan) -> bytes:
    """Encode a span as a field of ScopeSpans, so that spans of one scope can simply be joined."""
    status = Status(code=Status.STATUS_CODE_ERROR, message=planned.error) if planned.error else Status()
    span = Span(
        trace_id=_TRACE_TOKEN,
        span_id=_span_token(place),
        parent_span_id=b"" if planned.parent is None else _span_token(planned.parent),
        name=planned.name,
        kind=planned.kind,  # type: ignore[arg-type]  # the enum's number
        # Times are fixed64, little-endian: read from a token's bytes, they are written as just these bytes.
        start_time_unix_nano=int.from_bytes(_start_token(place), "little"),
        end_time_unix_nano=int.from_bytes(_stop_token(place), "little"),
        attributes=_key_values(planned.attributes),
        status=status,
        flags=0x101,
    )
    return ScopeSpans(spans=[span]).SerializeToString()


def _length(size: int) -> bytes:
    out = bytearray()
    while size > 0x7F:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    out.append(size)
    return bytes(out)


@cache
def _protobuf_heads(agent_name: str) -> tuple[bytes, bytes]:
    agent = next(one for one in AGENTS if one.name == agent_name)
    scope = ScopeSpans(scope=InstrumentationScope(name=_SCOPE_NAME, version=_SCOPE_VERSION))
    resource = ResourceSpans(resource=Resource(attributes=_key_values(resource_attributes(agent))))
    return resource.SerializeToString(), scope.SerializeToString()


def _wrap_protobuf(agent: Agent, spans: Sequence[bytes]) -> bytes:
    resource, scope = _protobuf_heads(agent.name)
    size = len(scope) + sum(map(len, spans))
    # Field 2 of ResourceSpans and field 1 of the request, both of wire type 2.
    scope_head = b"\x12" + _length(size)
    return b"".join((b"\x0a", _length(len(resource) + len(scope_head) + size), resource, scope_head, scope, *spans))


# --- OTLP/JSON ----------------------------------------------------------------------------------------------------


def _json_value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, bytes):
        return {"bytesValue": base64.b64encode(value).decode()}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_json_value(one) for one in value]}}
    return {"stringValue": value}


def _json_attributes(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _json_value(value)} for key, value in attributes.items()]


def _json_span(place: int, planned: PlannedSpan) -> bytes:
    span = {
        "traceId": _TRACE_TOKEN.decode(),
        "spanId": _span_token(place).decode(),
        "parentSpanId": "" if planned.parent is None else _span_token(planned.parent).decode(),
        "name": planned.name,
        "kind": planned.kind,
        "startTimeUnixNano": _start_token(place).decode(),
        "endTimeUnixNano": _stop_token(place).decode(),
        "attributes": _json_attributes(planned.attributes),
        "status": {"code": 2, "message": planned.error} if planned.error else {},
        "flags": 0x101,
    }
    return json.dumps(span, separators=(",", ":")).encode()


def _wrap_json(agent: Agent, spans: Sequence[bytes]) -> bytes:
    resource = json.dumps({"attributes": _json_attributes(resource_attributes(agent))}).encode()
    scope = json.dumps({"name": _SCOPE_NAME, "version": _SCOPE_VERSION}).encode()
    return b'{"resourceSpans":[{"resource":%b,"scopeSpans":[{"scope":%b,"spans":[%b]}]}]}' % (resource, scope, b",".join(spans))


_SPAN_BYTES: dict[Encoding, Callable[[int, PlannedSpan], bytes]] = {"protobuf": _protobuf_span, "json": _json_span}
_WRAP: dict[Encoding, Callable[[Agent, Sequence[bytes]], bytes]] = {"protobuf": _wrap_protobuf, "json": _wrap_json}
