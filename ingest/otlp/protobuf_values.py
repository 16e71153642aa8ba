"""Attributes and values out of protobuf's messages.

The parser is protobuf's own; what takes the time is walking the attributes from Python, so that the walk asks for a text
first, which most values are, and for a value's kind only where its number is zero too. And it takes most attributes of spans
as it took them before: emitters send the same model, agent, tools and instructions on span after span.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from .decoded import MOST_ATTRIBUTES, MOST_LEVELS, NESTED_TOO_DEEPLY
from .repair import cut_off, note, without_nul


def text_of(text: str, where: str, notes: list[str]) -> str:
    """Return a text without NULs."""
    return without_nul(text, where, notes) if "\0" in text else text


def attributes_of(pairs: Sequence[common_pb2.KeyValue], where: str, notes: list[str]) -> tuple[dict[str, Any], int]:
    """Return attributes, the last of equal keys, and how many were beyond the bound."""
    dropped = 0
    kept: Iterable[common_pb2.KeyValue] = pairs
    if len(pairs) > MOST_ATTRIBUTES:
        dropped = cut_off(pairs, where, notes)
        kept = pairs[:MOST_ATTRIBUTES]
    attributes: dict[str, Any] = {}
    for pair in kept:
        key = pair.key
        value = pair.value
        # Texts and numbers are nearly all there is: to call for each of them would cost a third more.
        found = value.string_value or value.int_value
        if not found or (type(found) is str and "\0" in found):
            found = value_of(value, where, notes, 0, key)
        attributes[key] = found
    if "\0" in "".join(attributes):
        attributes = {text_of(key, f"{where}.{key}", notes): value for key, value in attributes.items()}
    return attributes, dropped


def value_of(value: common_pb2.AnyValue, where: str, notes: list[str], level: int, key: str = "") -> Any:
    """Return a value; ``level`` is how many values it lies in."""
    text = value.string_value
    if text:
        return without_nul(text, f"{where}.{key}" if key else where, notes) if "\0" in text else text
    number = value.int_value
    if number:
        return number
    kind = value.WhichOneof("value")
    if kind in _SIMPLE:
        return _SIMPLE[kind](value)
    if level >= MOST_LEVELS:
        note(notes, f"{where}.{key}" if key else where, "nested too deeply")
        return NESTED_TOO_DEEPLY
    if kind == "array_value":
        where = f"{where}.{key}" if key else where
        return [value_of(one, where, notes, level + 1) for one in value.array_value.values]
    return _map(value.kvlist_value.values, f"{where}.{key}" if key else where, notes, level + 1)


def _map(pairs: Iterable[common_pb2.KeyValue], where: str, notes: list[str], level: int) -> dict[str, Any]:
    return {text_of(pair.key, where, notes): value_of(pair.value, where, notes, level) for pair in pairs}


_SIMPLE: dict[str | None, Callable[[common_pb2.AnyValue], Any]] = {
    None: lambda value: None,
    "string_value": lambda value: "",
    "int_value": lambda value: 0,
    "bool_value": lambda value: value.bool_value,
    "double_value": lambda value: value.double_value,
    "bytes_value": lambda value: value.bytes_value,
    # A reference into a table that only profiles have.
    "string_value_strindex": lambda value: None,
}


# --- spans with attributes that came before -----------------------------------------------------------------------


def _parts_of_spans() -> type[Message]:
    """Return a message that reads a span with each attribute left as the bytes it came in."""
    file = descriptor_pb2.FileDescriptorProto(name="clew/span_parts.proto", package="clew", syntax="proto3")
    file.dependency.append(trace_pb2.DESCRIPTOR.name)
    message = file.message_type.add()
    trace_pb2.Span.DESCRIPTOR.CopyToProto(message)
    message.name = "SpanParts"
    for declared in ("nested_type", "enum_type"):
        message.ClearField(declared)
    for field in message.field:
        if field.name == "attributes":
            field.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
            field.ClearField("type_name")
    pool = descriptor_pool.Default()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("clew.SpanParts"))


read_parts: Callable[[bytes], Any] = _parts_of_spans().FromString
"""Parse a span whose attributes stay bytes. Raises ``DecodeError``."""


class Remarkable(ValueError):
    """Attributes of which something has to be repaired, told or refused: to be read one by one."""


class _Pairs(dict[bytes, tuple[str, Any]]):
    """Key and value of each attribute, by the bytes it came in. What came lately is kept; all is dropped once it is much.

    Kept values are shared among spans: nobody changes what a span holds. Lists of lists and maps are not kept all the same.
    """

    _MOST = 10_000
    _LONGEST = 200
    """Bytes of an attribute that is kept: longer ones rarely come again, and take the room of many."""

    def __missing__(self, data: bytes) -> tuple[str, Any]:
        """Read an attribute that is not kept. Raises ``Remarkable``, ``DecodeError``, ``UnicodeDecodeError``."""
        size = len(data)
        pair: tuple[str, Any] | None = None
        if size >= _SHORTEST:
            # A text of up to 16 KB written as every exporter does, the key, the value, nothing else: to have it parsed would take
            # two thirds longer, since the parser is made for messages, not for one text. Nothing is called: most of a span's time is here.
            at = 2 + data[1]
            key, head = _KEYS[data[:at]], _HEADS[size - at]
            if key is not None and head is not None and data.startswith(head, at):
                text = data[at + len(head) :].decode()
                if "\0" in text:
                    raise Remarkable
                pair = key, text
        if pair is None:
            pair = _any_pair(data)
            if _is_nested(pair[1]):
                return pair
        if size <= self._LONGEST:
            if len(self) >= self._MOST:
                self.clear()
            self[data] = pair
        return pair


_SHORTEST = 6


class _Keys(dict[bytes, str | None]):
    """Keys by how attributes begin that have them; None for what begins otherwise. One object for all spans: its hash is computed once."""

    _MOST = 4_096
    _TAG = 0x0A
    """The tag of ``KeyValue.key``."""

    def __missing__(self, data: bytes) -> str | None:
        """Read a key that is not kept. Raises ``Remarkable``, ``UnicodeDecodeError``."""
        # A length of 128 and more takes more than a byte.
        if data[0] != self._TAG or data[1] >= 128 or len(data) != 2 + data[1]:
            return None
        key = data[2:].decode()
        if "\0" in key:
            raise Remarkable
        if len(self) >= self._MOST:
            self.clear()
        self[data] = key
        return key


_KEYS = _Keys()


class _Heads(dict[int, bytes | None]):
    """What stands between a key and a text that end in so many bytes: tags and lengths. None where no text would end there."""

    _MOST = 1 << 14

    def __missing__(self, size: int) -> bytes | None:
        if not 4 < size < self._MOST:
            return None
        head = self[size] = next(filter(None, (_head_of_text(length, size) for length in range(size - 8, size - 3))), None)
        return head


def _head_of_text(length: int, size: int) -> bytes | None:
    written = common_pb2.KeyValue(value=common_pb2.AnyValue(string_value="x" * length)).SerializeToString()
    return written[:-length] if length > 0 and len(written) == size else None


_HEADS = _Heads()


_read_pair = common_pb2.KeyValue.FromString


def _any_pair(data: bytes) -> tuple[str, Any]:
    pair = _read_pair(data)
    notes: list[str] = []
    found = value_of(pair.value, "", notes, 0, pair.key)
    if notes or "\0" in pair.key:
        raise Remarkable
    return pair.key, found


def _is_nested(value: Any) -> bool:
    kind = type(value)
    return kind is dict or (kind is list and any(type(one) in (list, dict) for one in value))


_PAIRS = _Pairs()


def attributes_as_before(parts: Sequence[bytes]) -> dict[str, Any]:
    """Return attributes, most of them as they were read before. Raises ``Remarkable``, ``DecodeError``."""
    if len(parts) > MOST_ATTRIBUTES:
        raise Remarkable
    try:
        # A slice is a list: to go through what the parser gives takes longer for each, and an exception at the end.
        return dict(map(_PAIRS.__getitem__, parts[:]))
    except UnicodeDecodeError as error:
        raise Remarkable from error
