"""Attributes read by their bytes are those that protobuf's parser reads, whether they came before or not."""

import gzip
from pathlib import Path

import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from ingest.otlp import protobuf_values
from ingest.otlp.decoded import MOST_ATTRIBUTES
from ingest.otlp.protobuf import decode_traces
from ingest.otlp.protobuf_values import Remarkable, attributes_as_before, attributes_of
from ingest.store.prepare import prepare

FIXTURES = Path(__file__).parent / "fixtures"

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_leaves = st.one_of(
    _texts.map(lambda text: AnyValue(string_value=text)),
    # Around the sizes at which a length takes one byte more.
    st.sampled_from([119, 123, 124, 125, 126, 127, 128, 129, 130, 16_376, 16_380, 16_381, 16_383, 16_384, 16_390]).map(
        lambda size: AnyValue(string_value="x" * size)
    ),
    st.integers(-(2**63), 2**63 - 1).map(lambda number: AnyValue(int_value=number)),
    st.floats(allow_nan=False).map(lambda number: AnyValue(double_value=number)),
    st.booleans().map(lambda flag: AnyValue(bool_value=flag)),
    st.binary(max_size=20).map(lambda data: AnyValue(bytes_value=data)),
    st.just(AnyValue()),
)
_values = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: AnyValue(array_value=ArrayValue(values=items))),
        st.lists(st.tuples(_texts, inner), max_size=3).map(
            lambda items: AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key=key, value=value) for key, value in items]))
        ),
    ),
    max_leaves=6,
)
_keys = st.one_of(_texts, st.sampled_from(["a", "gen_ai.request.model", "k" * 127, "k" * 128, "k" * 300]))
_pairs = st.lists(st.builds(lambda key, value: KeyValue(key=key, value=value), _keys, _values), max_size=8)


@given(_pairs)
@example([KeyValue(key="a", value=AnyValue(string_value="x" * 126))])
@example([KeyValue(), KeyValue(key="a"), KeyValue(value=AnyValue(string_value="x"))])
@example([KeyValue(key="n", value=AnyValue(string_value="a\0b"))])
def test_attributes_are_the_parsers(pairs: list[KeyValue]) -> None:
    notes: list[str] = []
    expected, _ = attributes_of(pairs, "attributes", notes)
    parts = [pair.SerializeToString() for pair in pairs]
    for _ in range(2):
        try:
            found = attributes_as_before(parts)
        except Remarkable:
            assert notes or any("\0" in pair.key for pair in pairs)
        else:
            assert not notes
            assert list(found.items()) == list(expected.items())
            assert [type(value) for value in found.values()] == [type(value) for value in expected.values()]


@given(st.binary(max_size=300))
@example(b"\x0a\x01a\x12\x03\x0a\x01x\x0a\x01b")
@example(b"\x12\x03\x0a\x01x\x0a\x01a")
@example(b"\x0a\x01a\x12\x03\x0a\x01x\x12\x03\x0a\x01y")
@example(b"\x0a\x01a\x12\x04\x0a\x02\xff\xfe")
@example(b"\x0a\x81\x01" + b"a" * 129 + b"\x12\x03\x0a\x01x")
@example(b"\x0a\x01a\x12\x06\x0a\x01x\x0a\x01y")
def test_bytes_of_any_kind_are_read_as_the_parser_does_or_left_to_it(data: bytes) -> None:
    """Fields in another order, twice, unknown or cut off; texts that are no UTF-8."""
    try:
        found = attributes_as_before([data])
    except (Remarkable, DecodeError):
        return
    pair = KeyValue.FromString(data)
    assert found == attributes_of([pair], "attributes", [])[0]


def test_what_is_shared_among_spans_stays_as_it_came() -> None:
    """Through all readers and dialects, on all recordings."""
    files = sorted(FIXTURES.rglob("*.pb*"))
    protobuf_values._PAIRS.clear()
    for file in files:
        body = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        prepare(1, decode_traces(body, 1).spans, (), 1)
    kept = dict(protobuf_values._PAIRS)
    lists = [value for _, value in kept.values() if isinstance(value, list)]
    assert len(files) > 50 and len(kept) > 1_000 and len(lists) > 10
    for data, pair in kept.items():
        assert {pair[0]: pair[1]} == attributes_of([KeyValue.FromString(data)], "attributes", [])[0]
    assert not [value for value in lists if any(isinstance(member, list | dict) for member in value)]


def test_more_attributes_than_are_kept_are_left_to_the_other_reading() -> None:
    with pytest.raises(Remarkable):
        attributes_as_before([KeyValue(key=str(n)).SerializeToString() for n in range(MOST_ATTRIBUTES + 1)])


def test_what_is_remembered_is_bounded() -> None:
    for n in range(25_000):
        attributes_as_before([KeyValue(key="n", value=AnyValue(string_value=str(n))).SerializeToString()])
    assert len(protobuf_values._PAIRS) <= 10_000
