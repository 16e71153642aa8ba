"""Protobuf's wire format, read without building messages.

Requests are cut into spans here, so that one bad span fails alone and a request of two-byte messages cannot make the parser
allocate a hundred times its size. A span that the parser refuses, or that is large, is mended: rewritten with its texts
valid UTF-8 and its values nested within bounds.
"""

from collections import Counter
from functools import cache

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from .decoded import MOST_ATTRIBUTES, MOST_LEVELS, NESTED_TOO_DEEPLY
from .repair import note

MOST_FIELDS = 1_000_000
"""Fields of one message that are looked at."""

MOST_VALUES = 250_000
"""Texts and messages inside one span, resource or log record: the parser takes about a hundred bytes for each."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MOST_VARINT_BYTES = 10

_NESTING = (AnyValue.ARRAY_VALUE_FIELD_NUMBER, AnyValue.KVLIST_VALUE_FIELD_NUMBER)
_MARKER = AnyValue(string_value=NESTED_TOO_DEEPLY).SerializeToString()

Field = tuple[int, int, int, int]
"""A length-delimited field: its number, where it begins, where its content begins and ends."""


class Malformed(ValueError):
    """Bytes that are no protobuf message; the text says why."""


class TooManyFields(Malformed):
    """A message of more fields than anyone could mean."""


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    for place in range(at, min(end, at + _MOST_VARINT_BYTES)):
        byte = data[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place + 1
        shift += 7
    raise Malformed("a number is cut off or too long")


def cut(data: bytes, start: int, end: int, most: int = MOST_FIELDS) -> list[Field]:
    """Return the length-delimited fields of the message in this range, in order, without looking into them.

    Fields of other kinds are passed over. Raises ``Malformed``, and ``TooManyFields`` beyond ``most``.
    """
    fields: list[Field] = []
    at = start
    while at < end:
        begin = at
        tag = data[at]
        if tag < 0x80:
            at += 1
        else:
            tag, at = _varint(data, at, end)
        if tag & 7 == _BYTES:
            if at + 1 < end and data[at] >= 0x80 > data[at + 1]:
                # The size of nearly every span.
                size, at = data[at] & 0x7F | data[at + 1] << 7, at + 2
            else:
                size, at = _varint(data, at, end)
            if size > end - at:
                raise Malformed("a field is longer than the message around it")
            if len(fields) == most:
                raise TooManyFields(f"there are more than {most} fields in one message")
            fields.append((tag >> 3, begin, at, at + size))
            at += size
        else:
            at = _after_scalar(data, at, end, tag & 7)
    return fields


def _after_scalar(data: bytes, at: int, end: int, kind: int) -> int:
    if kind == _VARINT:
        return _varint(data, at, end)[1]
    if kind not in (_FIXED64, _FIXED32):
        raise Malformed(f"there is a field of kind {kind}, which OTLP does not use")
    at += 8 if kind == _FIXED64 else 4
    if at > end:
        raise Malformed("a number is cut off")
    return at


@cache
def _kinds(descriptor: Descriptor) -> dict[int, FieldDescriptor]:
    """Return by number the fields that are texts or messages."""
    return {f.number: f for f in descriptor.fields if f.message_type is not None or f.type == FieldDescriptor.TYPE_STRING}


class _Mender:
    """Rewrites one message and remembers what it had to change."""

    def __init__(self) -> None:
        self._values = 0
        self.repairs: list[str] = []

    def rewrite(self, data: bytes, descriptor: Descriptor, level: int) -> bytes:
        """Return a message with its texts and values mended; all else stays as it is."""
        fields = cut(data, 0, len(data))
        if descriptor is AnyValue.DESCRIPTOR:
            if level >= MOST_LEVELS and any(number in _NESTING for number, *_ in fields):
                self.repairs.append("nested too deeply")
                return _MARKER
            level += 1
        kinds = _kinds(descriptor)
        parts: list[bytes] = []
        at = 0
        for number, begin, start, end in fields:
            field = kinds.get(number)
            if field is not None:
                content = self.content(data[start:end], field, level)
                parts += (data[at:begin], _head(number, len(content)), content)
                at = end
        parts.append(data[at:])
        return b"".join(parts)

    def content(self, data: bytes, field: FieldDescriptor, level: int) -> bytes:
        """Return what a field holds, mended. Raises ``Malformed`` beyond so many values."""
        self._values += 1
        if self._values > MOST_VALUES:
            raise Malformed(f"it holds more than {MOST_VALUES} values")
        if field.message_type is not None:
            return self.rewrite(data, field.message_type, level)
        try:
            data.decode()
        except UnicodeDecodeError:
            self.repairs.append("UTF-8")
            return data.decode("utf-8", "replace").encode()
        return data


def mend(data: bytes, descriptor: Descriptor) -> tuple[bytes, list[str]]:
    """Return a message with every text valid UTF-8 and no value nested too deeply, and what was changed.

    Raises ``Malformed`` where it is no message, or one of more values than anyone could mean.
    """
    mender = _Mender()
    kinds = _kinds(descriptor)
    seen: Counter[int] = Counter()
    parts: list[bytes] = []
    notes: list[str] = []
    at = 0
    for number, begin, start, end in cut(data, 0, len(data)):
        field = kinds.get(number)
        if field is None:
            continue
        seen[number] += 1
        if seen[number] <= MOST_ATTRIBUTES:
            content = mender.content(data[start:end], field, 0)
            for repair in dict.fromkeys(mender.repairs):
                note(notes, _label(field, content), repair)
            mender.repairs.clear()
        else:
            # An empty one stays to be counted where it is dropped.
            content = b""
        parts += (data[at:begin], _head(number, len(content)), content)
        at = end
    parts.append(data[at:])
    return b"".join(parts), notes


def _label(field: FieldDescriptor, content: bytes) -> str:
    """Name what was mended. Raises ``Malformed`` where it is broken all the same."""
    if field.message_type is not KeyValue.DESCRIPTOR:
        return field.name
    try:
        return f"{field.name}.{KeyValue.FromString(content).key}"
    except DecodeError as error:
        raise Malformed("it cannot be parsed") from error


def _head(number: int, size: int) -> bytes:
    out = bytearray()
    for value in (number << 3 | _BYTES, size):
        while value > 0x7F:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        out.append(value)
    return bytes(out)
