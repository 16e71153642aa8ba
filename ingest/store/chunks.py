"""How the spans and log records of one trace are packed into a chunk, and read back: lossless, zstd of msgpack.

A payload holds each resource and scope once, then the spans, each encoded by itself, so that a span's bytes, and with them
its rank among versions of the same span, depend on the span alone.
"""

import threading
import zlib
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec
import zstandard

from ingest.dialects.normalise import Sender, normalise_all, normalise_log, sender_of
from ingest.model import Event, Facts, Link, LogRecord, Resource, Scope, Span, StoredSpan

_encode = msgspec.msgpack.Encoder().encode

_LEVEL = 1
"""Level 3 takes twice the time for a tenth less."""
_CHECKED_AT_ONCE = 5 * 1024
"""For more bytes than these ``crc32`` gives up the interpreter's lock, which takes far longer to get back than the sum takes."""
_MOST_BYTES = 1 << 31
"""No chunk is larger: a request is bounded at less than that."""

_local = threading.local()


def compress(data: bytes) -> bytes:
    """Compress a chunk."""
    try:
        compressor = _local.compressor
    except AttributeError:
        compressor = _local.compressor = zstandard.ZstdCompressor(level=_LEVEL)
    return bytes(compressor.compress(data))


def decompress(data: bytes) -> bytes:
    """Return what was compressed."""
    try:
        decompressor = _local.decompressor
    except AttributeError:
        decompressor = _local.decompressor = zstandard.ZstdDecompressor()
    return bytes(decompressor.decompress(data, max_output_size=_MOST_BYTES))


class PackedSpan(msgspec.Struct, array_like=True, gc=False):
    """A span without its resource and scope. Fields are added at the end only, with defaults."""

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    name: str
    kind: int
    start_ns: int
    end_ns: int
    status_code: int
    status_message: str
    attributes: dict[str, Any]
    events: list[tuple[str, int, dict[str, Any], int]]
    links: list[tuple[bytes, bytes, str, dict[str, Any], int, int]]
    trace_state: str
    flags: int
    dropped_attributes: int
    dropped_events: int
    dropped_links: int
    repaired: list[str]


class PackedLog(msgspec.Struct, array_like=True, gc=False):
    """A log record without its resource and scope. Fields are added at the end only, with defaults."""

    trace_id: bytes
    span_id: bytes
    time_ns: int
    event_name: str
    severity_number: int
    severity_text: str
    body: Any
    attributes: dict[str, Any]
    flags: int
    dropped_attributes: int
    repaired: list[str]


class _Entry(msgspec.Struct, array_like=True, gc=False):
    """A packed span or log record with the places of its resource and scope in the chunk."""

    resource: int
    scope: int
    packed: msgspec.Raw


class _Payload(msgspec.Struct, array_like=True, gc=False):
    resources: list[Resource]
    scopes: list[Scope]
    entries: list[_Entry]


class RankedSpan(msgspec.Struct, array_like=True, gc=False):
    """A span as understood, with its rank among versions of itself."""

    rank: int
    span: StoredSpan


class RankedLog(msgspec.Struct, array_like=True, gc=False):
    """What a log record says of its span. Records of a span are read in order of (time, place in what was sent, id)."""

    span_id: bytes
    time_ns: int
    record_id: bytes
    facts: Facts


_payloads = msgspec.msgpack.Decoder(_Payload)
_spans = msgspec.msgpack.Decoder(PackedSpan)
_logs = msgspec.msgpack.Decoder(PackedLog)
_ranked_spans = msgspec.msgpack.Decoder(list[RankedSpan])
_ranked_logs = msgspec.msgpack.Decoder(list[RankedLog])


class Chunk(msgspec.Struct):
    """A chunk ready to be stored."""

    chunk_id: bytes
    payload: bytes
    facts: bytes


class _Place(NamedTuple):
    """Where a span's or log record's resource and scope stand in the chunk."""

    resource: int
    scope: int
    checksum: int
    """Of both, for the ranks."""
    sender: Sender
    """What the resource says."""


class _Senders:
    """The resources and scopes of a chunk, each once."""

    def __init__(self) -> None:
        self.resources: list[Resource] = []
        self.scopes: list[Scope] = []
        self._places: dict[tuple[int, int], _Place] = {}

    def place(self, item: Span | LogRecord) -> _Place:
        """Return the place of an item's resource and scope."""
        resource, scope = item.resource, item.scope
        # Decoders share one object among the spans of a resource, so that its identity serves as its key.
        key = (id(resource), id(scope))
        known = self._places.get(key)
        if known is None:
            checksum = zlib.crc32(_encode((resource, scope)))
            places = _index(self.resources, resource), _index(self.scopes, scope)
            known = self._places[key] = _Place(*places, checksum, sender_of(resource))
        return known


def _index(items: list[Any], item: object) -> int:
    for place, known in enumerate(items):
        if known == item:
            return place
    items.append(item)
    return len(items) - 1


def pack_spans(traces: Sequence[Sequence[Span]]) -> list[tuple[Chunk, list[RankedSpan]]]:
    """Pack the spans of each trace; also returns them as understood, in the same order. Stage by stage, see ``together``."""
    chunks = [_Senders() for _ in traces]
    spans = [span for members in traces for span in members]
    places = [senders.place(span) for senders, members in zip(chunks, traces, strict=True) for span in members]
    packed = [_encode(_pack_span(span)) for span in spans]
    ranks = [_rank(data, place.checksum) for data, place in zip(packed, places, strict=True)]
    facts = normalise_all(spans, [place.sender for place in places])
    ranked = [RankedSpan(rank, _understood(span, said)) for rank, span, said in zip(ranks, spans, facts, strict=True)]
    entries = [_Entry(place.resource, place.scope, msgspec.Raw(data)) for place, data in zip(places, packed, strict=True)]
    found: list[tuple[Chunk, list[RankedSpan]]] = []
    end = 0
    for senders, members in zip(chunks, traces, strict=True):
        start, end = end, end + len(members)
        theirs = ranked[start:end]
        identity = b"".join([one.span.span_id + one.rank.to_bytes(8, "big") for one in theirs])
        payload = _encode(_Payload(senders.resources, senders.scopes, entries[start:end]))
        found.append((Chunk(_hash(identity), compress(payload), compress(_encode(theirs))), theirs))
    return found


def pack_logs(records: Sequence[LogRecord]) -> tuple[Chunk, list[RankedLog]]:
    """Pack log records of one trace; also returns them as understood, in the same order."""
    senders = _Senders()
    entries: list[_Entry] = []
    ranked: list[RankedLog] = []
    for record in records:
        place = senders.place(record)
        packed = _encode(_pack_log(record))
        entries.append(_Entry(place.resource, place.scope, msgspec.Raw(packed)))
        record_id = _hash(packed + place.checksum.to_bytes(4, "big"))
        ranked.append(RankedLog(record.span_id, record.time_ns, record_id, normalise_log(record)))
    payload = _encode(_Payload(senders.resources, senders.scopes, entries))
    chunk_id = _hash(b"".join(item.record_id for item in ranked))
    return Chunk(chunk_id, compress(payload), compress(_encode(ranked))), ranked


def _hash(data: bytes) -> bytes:
    return blake2b(data, digest_size=12).digest()


def _rank(packed: bytes, checksum: int) -> int:
    """Order versions of a span that end alike: the one that says more wins, equal sizes by checksum."""
    size = len(packed)
    if size <= _CHECKED_AT_ONCE:
        return size << 32 | zlib.crc32(packed, checksum)
    for start in range(0, size, _CHECKED_AT_ONCE):
        checksum = zlib.crc32(packed[start : start + _CHECKED_AT_ONCE], checksum)
    return min(size, 0x7FFF_FFFF) << 32 | checksum


def _pack_span(span: Span) -> PackedSpan:
    return PackedSpan(
        span.trace_id,
        span.span_id,
        span.parent_span_id,
        span.name,
        span.kind,
        span.start_ns,
        span.end_ns,
        span.status_code,
        span.status_message,
        span.attributes,
        [(e.name, e.time_ns, e.attributes, e.dropped_attributes) for e in span.events] if span.events else [],
        [(k.trace_id, k.span_id, k.trace_state, k.attributes, k.dropped_attributes, k.flags) for k in span.links] if span.links else [],
        span.trace_state,
        span.flags,
        span.dropped_attributes,
        span.dropped_events,
        span.dropped_links,
        span.repaired,
    )


def _pack_log(record: LogRecord) -> PackedLog:
    return PackedLog(
        record.trace_id,
        record.span_id,
        record.time_ns,
        record.event_name,
        record.severity_number,
        record.severity_text,
        record.body,
        record.attributes,
        record.flags,
        record.dropped_attributes,
        record.repaired,
    )


def _understood(span: Span, facts: Facts) -> StoredSpan:
    """Return a span as reconstruction reads it."""
    return StoredSpan(
        span.span_id,
        span.parent_span_id,
        span.name,
        span.start_ns,
        span.end_ns,
        span.status_code,
        facts,
        span.scope.name,
        span.dropped_attributes,
        span.dropped_events,
        span.dropped_links,
    )


def unpack_spans(payload: bytes) -> list[Span]:
    """Return the spans of a chunk, whole, in their order."""
    chunk = _payloads.decode(decompress(payload))
    return [_unpack_span(entry, chunk) for entry in chunk.entries]


def unpack_span(payload: bytes, place: int) -> Span:
    """Return one span of a chunk, whole."""
    chunk = _payloads.decode(decompress(payload))
    return _unpack_span(chunk.entries[place], chunk)


def _unpack_span(entry: _Entry, chunk: _Payload) -> Span:
    packed = _spans.decode(entry.packed)
    return Span(
        packed.trace_id,
        packed.span_id,
        packed.parent_span_id,
        packed.name,
        packed.kind,
        packed.start_ns,
        packed.end_ns,
        packed.status_code,
        packed.status_message,
        packed.attributes,
        [Event(*event) for event in packed.events],
        [Link(*link) for link in packed.links],
        chunk.resources[entry.resource],
        chunk.scopes[entry.scope],
        packed.trace_state,
        packed.flags,
        packed.dropped_attributes,
        packed.dropped_events,
        packed.dropped_links,
        packed.repaired,
    )


def unpack_logs(payload: bytes) -> list[LogRecord]:
    """Return the log records of a chunk, whole, in their order."""
    chunk = _payloads.decode(decompress(payload))
    return [_unpack_log(entry, chunk) for entry in chunk.entries]


def _unpack_log(entry: _Entry, chunk: _Payload) -> LogRecord:
    packed = _logs.decode(entry.packed)
    return LogRecord(
        packed.trace_id,
        packed.span_id,
        packed.time_ns,
        packed.event_name,
        packed.severity_number,
        packed.severity_text,
        packed.body,
        packed.attributes,
        chunk.resources[entry.resource],
        chunk.scopes[entry.scope],
        packed.flags,
        packed.dropped_attributes,
        packed.repaired,
    )


def read_ranked_spans(facts: bytes) -> list[RankedSpan]:
    """Return the spans of a chunk as understood, in their order."""
    return _ranked_spans.decode(decompress(facts))


def read_ranked_logs(facts: bytes) -> list[RankedLog]:
    """Return the log records of a chunk as understood, in their order."""
    return _ranked_logs.decode(decompress(facts))


def renormalise_spans(payload: bytes) -> bytes:
    """Read the facts of a chunk of spans anew."""
    [(chunk, _)] = pack_spans([unpack_spans(payload)])
    return chunk.facts


def renormalise_logs(payload: bytes) -> bytes:
    """Read the facts of a chunk of log records anew."""
    return pack_logs(unpack_logs(payload))[0].facts
