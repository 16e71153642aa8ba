"""Decoding of OTLP: both encodings give the same spans, and nothing a sender says breaks it."""

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as PbSpan

from ingest.model import Event, Link, LogRecord, Resource, Scope, Span
from ingest.otlp import json as otlp_json
from ingest.otlp import protobuf as otlp_protobuf
from ingest.otlp.decoded import MOST_ATTRIBUTES, NESTED_TOO_DEEPLY, TooLarge, Undecodable
from ingest.otlp.encode import encode_logs_json, encode_traces_json
from ingest.otlp.wire import MOST_VALUES

from .builders import T0, TRACE_ID, span_id
from .otlp_builders import (
    NOW,
    json_attributes,
    json_span,
    json_traces,
    key_values,
    logs,
    pb_log,
    pb_span,
    protobuf_of,
    traces,
)


def decode(body: bytes) -> list[Span]:
    """Decode a protobuf request that must be all right."""
    decoded = otlp_protobuf.decode_traces(body, NOW)
    assert decoded.rejected == 0
    return decoded.spans


def only(body: bytes) -> Span:
    (span,) = decode(body)
    return span


def only_json(body: bytes) -> Span:
    decoded = otlp_json.decode_traces(body, NOW)
    assert decoded.rejected == 0, decoded.problems
    (span,) = decoded.spans
    return span


# --- both encodings are one format --------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
COUNTS = st.integers(0, 2**32 - 1)
TIMES = st.integers(1, 2**63 - 1)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.just(math.nan)
    | TEXTS
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
ATTRIBUTES = st.dictionaries(TEXTS, VALUES, max_size=4)
SPAN_IDS = st.binary(min_size=8, max_size=8).filter(any)
TRACE_IDS = st.binary(min_size=16, max_size=16).filter(any)
SPANS = st.builds(
    Span,
    trace_id=TRACE_IDS,
    span_id=SPAN_IDS,
    parent_span_id=st.just(b"") | SPAN_IDS,
    name=TEXTS,
    kind=st.integers(0, 9),
    start_ns=TIMES,
    end_ns=TIMES,
    status_code=st.integers(0, 3),
    status_message=TEXTS,
    attributes=ATTRIBUTES,
    events=st.lists(st.builds(Event, TEXTS, TIMES, ATTRIBUTES, COUNTS), max_size=2).map(
        lambda events: sorted(events, key=lambda event: event.time_ns)
    ),
    links=st.lists(st.builds(Link, TRACE_IDS, SPAN_IDS, TEXTS, ATTRIBUTES, COUNTS, COUNTS), max_size=2),
    resource=st.builds(Resource, ATTRIBUTES, COUNTS, TEXTS),
    scope=st.builds(Scope, TEXTS, TEXTS, ATTRIBUTES, COUNTS, TEXTS),
    trace_state=TEXTS,
    flags=COUNTS,
    dropped_attributes=COUNTS,
    dropped_events=COUNTS,
    dropped_links=COUNTS,
    repaired=st.just([]),
)


def same(one: Any, other: Any) -> bool:
    """Compare by what the store keeps, in which NaN equals NaN, 1 is not 1.0 and -0.0 is not 0.0."""
    return msgspec.msgpack.encode(one) == msgspec.msgpack.encode(other)


@settings(max_examples=150, deadline=None)
@given(st.lists(SPANS, max_size=3))
def test_both_encodings_give_the_very_spans_that_were_encoded(spans: list[Span]) -> None:
    """A span survives protobuf and JSON alike: every type of value, every count, NaN, empty texts, lists and maps."""
    as_json = json.dumps(encode_traces_json(spans)).encode()

    assert same(decode(protobuf_of(spans)), spans)
    assert same(otlp_json.decode_traces(as_json, NOW).spans, spans)


RECORDS = st.builds(
    LogRecord,
    trace_id=TRACE_IDS,
    span_id=SPAN_IDS,
    time_ns=TIMES,
    event_name=TEXTS.filter(bool),
    severity_number=st.integers(0, 24),
    severity_text=TEXTS,
    body=VALUES,
    attributes=ATTRIBUTES,
    resource=st.builds(Resource, ATTRIBUTES, COUNTS, TEXTS),
    scope=st.builds(Scope, TEXTS, TEXTS, ATTRIBUTES, COUNTS, TEXTS),
    flags=COUNTS,
    dropped_attributes=COUNTS,
    repaired=st.just([]) | st.just(["time: missing"]),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(RECORDS, max_size=3))
def test_log_records_survive_their_encoding(records: list[LogRecord]) -> None:
    assert same(otlp_json.decode_logs(json.dumps(encode_logs_json(records)).encode(), NOW).records, records)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_break_the_decoders(body: bytes) -> None:
    """Whatever comes is decoded, or refused with a sentence."""
    for decode_any in (
        otlp_protobuf.decode_traces,
        otlp_protobuf.decode_logs,
        otlp_json.decode_traces,
        otlp_json.decode_logs,
    ):
        try:
            decode_any(body, NOW)
        except Undecodable as error:
            assert str(error).endswith(".")


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_flipped_byte_breaks_the_protobuf_decoder(data: st.DataObject) -> None:
    """A request with bytes changed at random is decoded, refused in part or refused as a whole, and can always be stored."""
    event = PbSpan.Event(name="e", attributes=key_values({"x": {"y": [1, "two", 3.0, b"4"]}}))
    body = bytearray(traces(pb_span(attributes={"a": "text", "b": [1, {"c": None}]}, events=[event]), pb_span(2)).SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = otlp_protobuf.decode_traces(bytes(body), NOW)
    except Undecodable:
        return
    for span in decoded.spans:
        assert 0 < span.start_ns < 2**63
        assert b"\0" not in json.dumps(encode_traces_json([span]), ensure_ascii=False).encode()


JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["key", "value", "values", "stringValue"]), inner, max_size=2)
    ),
    max_leaves=4,
)
SPAN_KEYS = (
    "traceId", "spanId", "parentSpanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano", "attributes", "events",
    "links", "status", "flags", "traceState", "droppedAttributesCount", "clewRepaired",
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(SPAN_KEYS), JUNK, max_size=3), JUNK)
def test_no_wrong_type_breaks_the_json_decoder(junk: dict[str, Any], value: Any) -> None:
    """A part of a wrong type rejects its span with a sentence that says where; the span beside it is kept."""
    spans = [json_span(1) | junk, json_span(2, attributes=[{"key": "a", "value": value}]), json_span(3)]
    decoded = otlp_json.decode_traces(json_traces(*spans), NOW)

    assert len(decoded.spans) + decoded.rejected == 3
    assert decoded.rejected == len(decoded.problems)
    assert decoded.spans[-1].span_id == span_id(3)
    for span in decoded.spans:
        msgspec.msgpack.encode(span)


# --- protobuf -----------------------------------------------------------------------------------------------------


def test_nothing_is_a_request() -> None:
    """An empty body is an empty request; empty envelopes hold nothing."""
    assert decode(b"") == []
    assert decode(b"\x0a\x00") == []
    assert decode(traces().SerializeToString()) == []


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"trace_id": b""}, "the trace id must have 16 bytes, it has 0."),
        ({"trace_id": bytes(16)}, "the trace id is all zero."),
        ({"span_id": b"1234"}, "the span id must have 8 bytes, it has 4."),
        ({"span_id": bytes(8)}, "the span id is all zero."),
        ({"parent_span_id": b"1"}, "the parent span id must have 8 bytes, it has 1."),
    ],
)
def test_bad_ids_reject_one_span(fields: dict[str, bytes], problem: str) -> None:
    """A span that no id can find is rejected and named, the others of its request stay."""
    decoded = otlp_protobuf.decode_traces(traces(pb_span(1), pb_span(2, **fields), pb_span(3)).SerializeToString(), NOW)

    assert [span.span_id for span in decoded.spans] == [span_id(1), span_id(3)]
    assert decoded.rejected == 1
    assert decoded.problems == [f"resource_spans[0].scope_spans[0].spans[1]: {problem}"]


def test_a_parent_of_zeros_is_none() -> None:
    """Eight zero bytes mean a root."""
    assert only(traces(pb_span(parent_span_id=bytes(8))).SerializeToString()).parent_span_id == b""
    assert only_json(json_traces(json_span(parentSpanId="0" * 16))).parent_span_id == b""


def test_a_nul_is_replaced_wherever_it_is_and_named() -> None:
    """No NUL reaches a store: in names, keys, values, nested values, events and the resource."""
    event = PbSpan.Event(name="e\0", attributes=key_values({"x": "\0"}))
    span = pb_span(name="n\0", attributes={"input": "a\0b", "k\0": 1, "deep": {"x\0": ["y\0"]}}, events=[event])
    found = only(traces(span, resource={"r": "\0"}).SerializeToString())

    assert found.name == "n\ufffd"
    assert found.attributes == {"input": "a\ufffdb", "k\ufffd": 1, "deep": {"x\ufffd": ["y\ufffd"]}}
    assert found.resource.attributes == {"r": "\ufffd"}
    assert found.events == [Event("e\ufffd", 0, {"x": "\ufffd"})]
    assert sorted(found.repaired) == [
        "attributes.deep: NUL",
        "attributes.input: NUL",
        "attributes.k\ufffd: NUL",
        "events[0].attributes.x: NUL",
        "events[0].name: NUL",
        "name: NUL",
        "resource.attributes.r: NUL",
    ]


def test_invalid_utf8_is_mended_and_named() -> None:
    """A text cut in the middle of a character, as some senders' limits do, costs neither the span nor its other attributes."""
    body = traces(pb_span(attributes={"input": "XXXX", "other": 7}, name="fine"), pb_span(2)).SerializeToString()
    first, second = decode(body.replace(b"XXXX", b"ab\xf0\x9f"))

    assert first.attributes == {"input": "ab\ufffd", "other": 7}
    assert first.repaired == ["attributes.input: UTF-8"]
    assert second.repaired == []


def test_both_encodings_name_what_was_changed_in_one_order() -> None:
    """Else one span sent twice, once in each, would be two versions of it."""
    spoiled = pb_span(attributes={"input": "a\0b"}, end_time_unix_nano=0, name="n\0")
    plain = json_span(attributes=json_attributes(input={"stringValue": "a\0b"}), endTimeUnixNano=0, name="n\0")
    found = only(traces(spoiled).SerializeToString())
    assert found.repaired == ["end_time: missing", "attributes.input: NUL", "name: NUL"]
    assert only_json(json_traces(plain)).repaired == found.repaired


def test_times_are_never_lost() -> None:
    """Of two times a missing one takes the other's place; wrong orders and magnitudes stay; what no column holds is clamped."""

    def times(start: int, end: int) -> tuple[int, int, list[str]]:
        span = only(traces(pb_span(start_time_unix_nano=start, end_time_unix_nano=end)).SerializeToString())
        assert span == only_json(json_traces(json_span(startTimeUnixNano=str(start), endTimeUnixNano=end), resource=SHOP))
        return span.start_ns, span.end_ns, span.repaired

    assert times(T0, T0 - 5) == (T0, T0 - 5, [])
    assert times(1_760_000_000_000, 1_760_000_000_001) == (1_760_000_000_000, 1_760_000_000_001, [])
    assert times(0, T0) == (T0, T0, ["start_time: missing"])
    assert times(T0, 0) == (T0, T0, ["end_time: missing"])
    assert times(0, 0) == (NOW, NOW, ["start_time: missing", "end_time: missing"])
    assert times(T0, 2**64 - 1) == (T0, 2**63 - 1, ["end_time: beyond 64 bit"])


SHOP = {"attributes": json_attributes(**{"service.name": {"stringValue": "shop"}})}


def test_the_last_of_equal_keys_wins() -> None:
    """Duplicate keys are no error."""
    span = pb_span()
    span.attributes.extend([*key_values({"a": 1}), *key_values({"a": 2})])

    assert only(traces(span).SerializeToString()).attributes == {"a": 2}


def test_events_are_ordered_by_time_then_place() -> None:
    """Events come in any order."""
    events = [PbSpan.Event(name=name, time_unix_nano=T0 + at) for name, at in (("c", 2), ("a", 1), ("b", 1))]

    assert [event.name for event in only(traces(pb_span(events=events)).SerializeToString()).events] == ["a", "b", "c"]


@pytest.mark.parametrize("kind", ["map", "list"])
@pytest.mark.parametrize("levels", [32, 33, 40, 5000])
def test_values_nested_too_deeply_end_in_a_mark(kind: str, levels: int) -> None:
    """A value of 32 levels is kept; deeper ones are cut there and named, in both encodings alike."""
    pb, js = KeyValue(key="deep", value=AnyValue(string_value="end")).SerializeToString(), '{"stringValue":"end"}'
    value = AnyValue(string_value="end").SerializeToString()
    for _ in range(levels):
        value, js = _nest(kind, value, js)
    pb = _field(1, b"deep") + _field(2, value)
    span = pb_span().SerializeToString() + _field(9, pb)
    body = _field(1, _field(2, _field(2, span)))
    found = only(body)

    depth, inner = 0, found.attributes["deep"]
    while not isinstance(inner, str):
        inner = inner["k"] if kind == "map" else inner[0]
        depth += 1
    assert (depth, inner) == ((levels, "end") if levels <= 32 else (32, NESTED_TOO_DEEPLY))
    assert found.repaired == ([] if levels <= 32 else ["attributes.deep: nested too deeply"])
    if levels < 300:
        text = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [json_span(attributes="HERE")]}]}]})
        assert only_json(text.replace('"HERE"', f'[{{"key":"deep","value":{js}}}]').encode()) == found


def _field(number: int, content: bytes) -> bytes:
    size, out = len(content), bytearray([number << 3 | 2])
    while size > 127:
        out.append(size & 127 | 128)
        size >>= 7
    return bytes(out) + bytes([size]) + content


def _nest(kind: str, value: bytes, js: str) -> tuple[bytes, str]:
    if kind == "list":
        return _field(5, _field(1, value)), f'{{"arrayValue":{{"values":[{js}]}}}}'
    return _field(6, _field(1, _field(1, b"k") + _field(2, value))), f'{{"kvlistValue":{{"values":[{{"key":"k","value":{js}}}]}}}}'


def test_a_span_whose_mended_attribute_is_still_broken_fails_alone() -> None:
    """Its text can be mended, what stands around it cannot: a field of number 0."""
    pair = _field(9, b"\n\x01\xff\x12\x02\x00\x0f")
    body = _field(1, _field(2, _field(2, pb_span(1).SerializeToString() + pair) + _field(2, pb_span(2).SerializeToString())))
    decoded = otlp_protobuf.decode_traces(body, NOW)

    assert [span.span_id for span in decoded.spans] == [span_id(2)]
    assert decoded.rejected == 1
    assert decoded.problems == ["resource_spans[0].scope_spans[0].spans[0]: it cannot be parsed."]


def test_a_million_attributes_are_cut_to_a_bound() -> None:
    """Attributes, events and links beyond the bound are dropped, counted and named."""
    pair = _field(9, _field(1, b"k") + _field(2, b""))
    body = _field(1, _field(2, _field(2, pb_span(dropped_attributes_count=3).SerializeToString() + pair * 900_000)))
    found = only(body)

    assert found.dropped_attributes == 3 + 900_000 - MOST_ATTRIBUTES
    assert found.repaired == [f"attributes: {900_000 - MOST_ATTRIBUTES} beyond the first {MOST_ATTRIBUTES} dropped"]


def test_a_span_of_too_many_values_is_rejected() -> None:
    """Two-byte messages of which the parser would make a hundred times their size are not parsed."""
    bomb = _field(9, _field(2, _field(5, _field(1, b"") * (MOST_VALUES + 1))))
    body = _field(1, _field(2, _field(2, pb_span(1).SerializeToString() + bomb) + _field(2, pb_span(2).SerializeToString())))
    decoded = otlp_protobuf.decode_traces(body, NOW)

    assert [span.span_id for span in decoded.spans] == [span_id(2)]
    assert decoded.problems == [f"resource_spans[0].scope_spans[0].spans[0]: it holds more than {MOST_VALUES} values."]


@pytest.mark.parametrize("make", [lambda bomb: bomb, lambda bomb: _field(1, bomb), lambda bomb: _field(1, _field(2, bomb))])
def test_a_request_of_too_many_spans_is_too_large(make: Any) -> None:
    """Empty spans, scopes and resources are bounded in number."""
    with pytest.raises(TooLarge, match="more than 200000 spans"):
        otlp_protobuf.decode_traces(make(_field(2, b"") * 200_001), NOW)


@pytest.mark.parametrize("items", [b"{}," * 4_000_001, b"1," * 6_000_001])
def test_json_of_too_many_parts_is_too_large(items: bytes) -> None:
    """Parts that are short to write and long to hold are counted before they are read."""
    with pytest.raises(TooLarge, match=r"^The body has more than .*\.$"):
        otlp_json.decode_traces(b'{"x":[' + items + b"1]}", NOW)


def test_problems_are_bounded() -> None:
    """Every rejected span counts, few are described."""
    decoded = otlp_protobuf.decode_traces(traces(*[PbSpan()] * 1000).SerializeToString(), NOW)

    assert decoded.rejected == 1000
    assert len(decoded.problems) == 20


@pytest.mark.parametrize("body", [b"{}", b"\x0a\xff", b"\x0b", b"\x0a\x05abc", b"hello", b"\xff" * 30])
def test_what_is_no_protobuf_is_undecodable(body: bytes) -> None:
    """A body that is no message is refused, with a sentence that says where."""
    with pytest.raises(Undecodable, match=r"^The body is no OTLP protobuf: in "):
        otlp_protobuf.decode_traces(body, NOW)


def test_unknown_fields_kinds_and_codes_are_kept_or_passed_over() -> None:
    """A newer sender's fields disturb nothing, its enum numbers stay."""
    span = pb_span(kind=77, flags=0x301)
    span.status.code = 9  # type: ignore[assignment]  # a code of the future
    body = traces(span).SerializeToString() + b"\xfa\x3f\x03abc\x98\x7d\x05"
    found = only(body)

    assert (found.kind, found.status_code, found.flags) == (77, 9, 0x301)


def test_a_resource_in_parts_is_one_and_shared() -> None:
    """Fields come in any order and messages in parts; spans of one envelope share one resource and one scope."""
    one = traces(pb_span(1), pb_span(2)).resource_spans[0]
    parts = _field(2, one.scope_spans[0].SerializeToString()) + _field(1, b"") + _field(1, one.resource.SerializeToString())
    first, second = decode(_field(1, parts))

    assert first.resource.attributes == {"service.name": "shop"}
    assert first.resource is second.resource
    assert first.scope is second.scope


def test_links_without_ids_are_dropped_and_counted() -> None:
    """A link that points nowhere is not kept."""
    links = [PbSpan.Link(trace_id=b"1"), PbSpan.Link(trace_id=TRACE_ID, span_id=span_id(9), flags=256)]
    found = only(traces(pb_span(links=links, dropped_links_count=1)).SerializeToString())

    assert found.links == [Link(TRACE_ID, span_id(9), flags=256)]
    assert found.dropped_links == 2
    assert found.repaired == ["links[0]: invalid id"]


# --- JSON ---------------------------------------------------------------------------------------------------------


def test_the_example_of_the_specification() -> None:
    """Ids are hexadecimal, 64-bit numbers strings, enums numbers."""
    body = b"""{"resourceSpans": [{
      "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
      "scopeSpans": [{
        "scope": {"name": "my.tracer", "version": "1.0"},
        "spans": [{
          "traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "eee19b7ec3c1b174", "parentSpanId": "eee19b7ec3c1b173",
          "name": "chat gpt-4.1", "kind": 3, "flags": 256, "unknown": {"a": [1]},
          "startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": 1544712661000000000,
          "attributes": [{"key": "gen_ai.usage.input_tokens", "value": {"intValue": "1310"}}],
          "events": [{"timeUnixNano": "1544712660500000000", "name": "exception", "attributes": []}],
          "links": [{"traceId": "5b8efff798038103d269b633813fc60d", "spanId": "eee19b7ec3c1b175"}],
          "status": {"code": 2, "message": "boom"}, "traceState": null}]}]}]}"""

    assert only_json(body) == Span(
        bytes.fromhex("5b8efff798038103d269b633813fc60c"),
        bytes.fromhex("eee19b7ec3c1b174"),
        bytes.fromhex("eee19b7ec3c1b173"),
        "chat gpt-4.1",
        3,
        1544712660000000000,
        1544712661000000000,
        2,
        "boom",
        {"gen_ai.usage.input_tokens": 1310},
        [Event("exception", 1544712660500000000, {})],
        [Link(bytes.fromhex("5b8efff798038103d269b633813fc60d"), bytes.fromhex("eee19b7ec3c1b175"))],
        Resource({"service.name": "shop"}),
        Scope("my.tracer", "1.0"),
        flags=256,
    )


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ({"stringValue": ""}, ""),
        ({"boolValue": False}, False),
        ({"intValue": "-9223372036854775808"}, -(2**63)),
        ({"intValue": 7}, 7),
        ({"intValue": 7.0}, 7),
        ({"doubleValue": "-Infinity"}, -math.inf),
        ({"doubleValue": 3}, 3.0),
        ({"bytesValue": "-_8"}, b"\xfb\xff"),
        ({"bytesValue": "+/8="}, b"\xfb\xff"),
        ({"arrayValue": {}}, []),
        ({"arrayValue": {"values": [None, {}, {"intValue": "1"}]}}, [None, None, 1]),
        ({"kvlistValue": {"values": [{"key": "a", "value": {"boolValue": True}}]}}, {"a": True}),
        ({}, None),
        (None, None),
        ({"stringValue": None}, None),
        ({"futureValue": 1}, None),
    ],
)
def test_json_values(value: Any, wanted: Any) -> None:
    """Every kind of value, as written by the book and as written by others."""
    found = only_json(json_traces(json_span(attributes=json_attributes(a=value)))).attributes["a"]

    assert found == wanted
    assert type(found) is type(wanted)


@pytest.mark.parametrize("number", ["18446744073709551616", "9" * 5000])
def test_json_integers_beyond_64_bit_keep_their_digits(number: str) -> None:
    """What no integer column holds stays as text and is named."""
    span = only_json(json_traces(json_span(attributes=json_attributes(a={"intValue": number}))))

    assert span.attributes == {"a": number}
    assert span.repaired == ["attributes.a: beyond 64 bit"]


def test_json_lone_surrogates_and_invalid_utf8_are_replaced_and_named() -> None:
    """Half a character costs nothing but itself."""
    body = json_traces(json_span(name="WW", attributes=json_attributes(input={"stringValue": "XX"}, ZZ={"stringValue": "é"})))
    span = only_json(body.replace(b"XX", rb"a\ud83d").replace(b"WW", b"\xffb").replace(b"ZZ", rb"\udc00"))

    assert span.name == "\ufffdb"
    assert span.attributes == {"input": "a\ufffd", "\ufffd": "é"}
    assert sorted(span.repaired) == ["attributes.input: surrogate", "attributes.\ufffd: surrogate", "name: surrogate"]


def test_json_numbers_that_strict_json_has_not() -> None:
    """NaN and Infinity as Python writes them are read."""
    body = json_traces(json_span(attributes=json_attributes(a={"doubleValue": math.nan}, b={"doubleValue": -math.inf})))
    found = only_json(body).attributes

    assert math.isnan(found["a"])
    assert found["b"] == -math.inf


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"resourceSpans": 7}', b'{"resourceSpans": [7]}', b"{" * 2000, b"{}x"])
def test_what_is_no_otlp_json_is_undecodable(body: bytes) -> None:
    """An empty body is no JSON; an object is one."""
    with pytest.raises(Undecodable):
        otlp_json.decode_traces(body, NOW)
    assert otlp_json.decode_traces(b"{}", NOW).spans == []


def test_json_in_another_spelling_is_told() -> None:
    """Unknown keys are ignored, but a request that has no other is not passed over in silence."""
    decoded = otlp_json.decode_traces(b'{"resource_spans": [{}]}', NOW)

    assert (decoded.spans, decoded.rejected) == ([], 0)
    assert decoded.problems == ["The body has no resourceSpans, so that nothing of it is stored."]
    assert otlp_json.decode_traces(b"{}", NOW).problems == []


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"traceId": "W4/v95gDgQPSabYzgT/GDA=="}, "the trace id must be 32 hexadecimal digits."),
        ({"traceId": "0" * 32}, "the trace id is all zero."),
        ({"spanId": "12 34 56 78 90 a"}, "the span id must be 16 hexadecimal digits."),
        ({"spanId": None}, "the span id must have 8 bytes, it has 0."),
        ({"attributes": {"a": 1}}, "attributes must be a list."),
        ({"attributes": [{"key": "a", "value": "b"}]}, "attributes.a must be an object such as {stringValue: ...}."),
        ({"name": 5}, "name must be a string."),
        ({"startTimeUnixNano": "soon"}, "a number must be digits."),
    ],
)
def test_json_mistakes_reject_one_span(fields: dict[str, Any], problem: str) -> None:
    """A span that is no span is rejected with what is wrong with it; its neighbours stay."""
    decoded = otlp_json.decode_traces(json_traces(json_span(1) | fields, json_span(2)), NOW)

    assert [span.span_id for span in decoded.spans] == [span_id(2)]
    assert decoded.problems == [f"resourceSpans[0].scopeSpans[0].spans[0]: {problem}"]


def test_old_and_lenient_spellings() -> None:
    """Names of enums and the envelopes from before 1.0 are read."""
    span = json_span(kind="SPAN_KIND_CLIENT", status={"code": "STATUS_CODE_ERROR"})
    old = {"resourceSpans": [{"instrumentationLibrarySpans": [{"instrumentationLibrary": {"name": "old"}, "spans": [span]}]}]}
    found = only_json(b"\xef\xbb\xbf" + json.dumps(old).encode())

    assert (found.kind, found.status_code, found.scope.name) == (3, 2, "old")


def test_an_export_carries_what_was_repaired() -> None:
    """Decoding an export gives the very span, its repairs included."""
    span = only(traces(pb_span(attributes={"in: put\n": "\0", "x" * 300: "\0"}, end_time_unix_nano=0)).SerializeToString())

    assert len(span.repaired) == 3
    assert only_json(json.dumps(encode_traces_json([span])).encode()) == span


# --- logs ---------------------------------------------------------------------------------------------------------


def test_log_records_with_a_span_are_kept() -> None:
    """A record needs a trace and a span; others are counted and no fault."""
    records = [
        pb_log(event_name="gen_ai.choice", body={"index": 0, "message": {"content": "hi\0"}}, severity_number=9, severity_text="INFO"),
        pb_log(attributes={"event.name": "gen_ai.user.message"}, time_unix_nano=0, observed_time_unix_nano=T0 + 1),
        pb_log(time_unix_nano=0),
        pb_log(span_id=b""),
        pb_log(trace_id=b"", span_id=b""),
    ]
    decoded = otlp_protobuf.decode_logs(logs(*records).SerializeToString(), NOW)

    assert (decoded.rejected, decoded.not_kept) == (0, 2)
    first, second, third = decoded.records
    assert (first.event_name, first.time_ns, first.severity_number) == ("gen_ai.choice", T0, 9)
    assert first.body == {"index": 0, "message": {"content": "hi\ufffd"}}
    assert first.repaired == ["body: NUL"]
    assert (second.event_name, second.time_ns) == ("gen_ai.user.message", T0 + 1)
    assert (third.time_ns, third.repaired) == (NOW, ["time: missing"])


def test_json_log_records_read_as_their_protobuf() -> None:
    """Both encodings of a log request give the same records."""
    record = {
        "traceId": TRACE_ID.hex(),
        "spanId": span_id(1).hex(),
        "observedTimeUnixNano": str(T0),
        "severityNumber": "SEVERITY_NUMBER_WARN",
        "severityText": "WARN",
        "eventName": "gen_ai.choice",
        "body": {"kvlistValue": {"values": [{"key": "a", "value": {"intValue": "1"}}]}},
        "attributes": json_attributes(x={"stringValue": "y"}),
    }
    envelope = {"resource": SHOP, "scopeLogs": [{"scope": {"name": "my.logger"}, "logRecords": [record, {"body": {}}]}]}
    decoded = otlp_json.decode_logs(json.dumps({"resourceLogs": [envelope]}).encode(), NOW)
    same_record = pb_log(
        time_unix_nano=0,
        observed_time_unix_nano=T0,
        severity_number=13,
        severity_text="WARN",
        event_name="gen_ai.choice",
        body={"a": 1},
        attributes={"x": "y"},
    )

    assert decoded.records == otlp_protobuf.decode_logs(logs(same_record).SerializeToString(), NOW).records
    assert decoded.not_kept == 1
