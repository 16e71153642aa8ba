"""Any value of the host's as plain JSON data and bounded text, without ever raising, changing or consuming it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from itertools import islice
from json.encoder import encode_basestring
from typing import Any

from ..later import compile_later
from .limits import MARK_CHARS, cut_text, encodable

_MOST_DEPTH = 24
_MOST_ITEMS = 1_000
"""Of one list or mapping; of a longer list the beginning and the end are kept."""
_MOST_NODES = 20_000
_STARVED_CHARS = 2 * MARK_CHARS
"""What is left of each string once a value has used up the characters it may have."""
_MOST_INT_BITS = 10_000
"""Python refuses to write longer integers in decimals."""


def field(value: Any, name: str) -> Any:
    """Return a field of a mapping or an object, or None; a property that raises counts as absent."""
    if type(value) is dict:
        return value.get(name)
    try:
        if isinstance(value, Mapping):
            return value.get(name)
        return getattr(value, name, None)
    except Exception:  # the host's own code runs here
        return None


def sequence(value: Any) -> list[Any]:
    """Return the items of a list or a tuple, at most 20,000, and nothing for anything else: an iterator is never consumed."""
    try:
        return list(islice(value, _MOST_NODES)) if isinstance(value, (list, tuple)) else []
    except Exception:  # a subclass of the host's
        return []


def cut(text: str, max_chars: int) -> tuple[str, bool]:
    """Return a text of at most ``max_chars``, with a visible mark at its end where it was cut, and whether it was."""
    if len(text) <= max_chars:
        return text, False
    before = _MARK.search(text[-MARK_CHARS:])
    if before is None:
        return cut_text(text, max_chars), True
    # Cut again, it still tells how long it was at first.
    kept, total = max(0, max_chars - MARK_CHARS), int(before.group(1).replace(",", ""))
    return f"{text[:kept]}…[cut: {total - kept:,} of {total:,} characters]", True


_MARK = compile_later(r"…\[cut: [\d,]+ of ([\d,]+) characters\]\Z")


def described(value: Any, max_chars: int = 1_000) -> str:
    """Return how an object shows itself, or the name of its type where it cannot."""
    try:
        return cut(encodable(str.__str__(repr(value))), max_chars)[0]
    except Exception:  # the host's own code runs here
        return f"<{type(value).__name__}>"


class Walk:
    """Turns values into plain data within one budget of nodes and characters; ``was_cut`` tells whether it ran out."""

    __slots__ = ("_above", "_chars", "_most_chars", "_nodes", "was_cut")

    def __init__(self, max_chars: int) -> None:
        self.was_cut = False
        self._most_chars = max_chars
        self._chars = 8 * max_chars
        self._nodes = _MOST_NODES
        self._above: set[int] = set()

    def of(self, value: Any, depth: int = 0) -> Any:
        """Return a value as str, int, float, bool, None, or lists and dicts of these."""
        kind = type(value)
        if kind is str:
            return self.text(value)
        if kind is bool or value is None:
            return value
        if isinstance(value, str):
            return self.text(value)
        self._nodes -= 1
        if self._nodes < 0 or depth > _MOST_DEPTH:
            self.was_cut = True
            return "…[cut]"
        try:
            return self._object(value, depth)
        except Exception:  # the host's own code runs here
            return described(value)

    def text(self, value: str) -> str:
        """Return a string within the budget."""
        most = min(self._most_chars, max(self._chars, _STARVED_CHARS))
        text = str.__str__(value)
        if len(text) > most:
            text, self.was_cut = cut(text, most)[0], True
        self._chars -= len(text)
        return encodable(text)

    def _object(self, value: Any, depth: int) -> Any:
        if type(value) not in _HAVE_PARTS:
            scalar = _scalar(value)
            if scalar is not None:
                return self.text(scalar) if isinstance(scalar, str) else scalar
        if id(value) in self._above:
            return "…[the same value again]"
        self._above.add(id(value))
        try:
            if isinstance(value, (list, tuple, set, frozenset)) and not hasattr(value, "_asdict"):
                return self._items(value, depth)
            pairs = _pairs(value)
            return self.text(described(value)) if pairs is None else self._pairs(pairs, depth)
        finally:
            self._above.discard(id(value))

    def _items(self, value: Any, depth: int) -> list[Any]:
        items = list(islice(value, _MOST_NODES))
        if len(items) <= _MOST_ITEMS:
            return [self.of(item, depth + 1) for item in items]
        self.was_cut = True
        half = _MOST_ITEMS // 2
        left_out = f"…[cut: {len(value) - 2 * half} items]"
        return [*(self.of(item, depth + 1) for item in items[:half]), left_out, *(self.of(item, depth + 1) for item in items[-half:])]

    def _pairs(self, pairs: list[tuple[Any, Any]], depth: int) -> dict[str, Any]:
        if len(pairs) > _MOST_ITEMS:
            self.was_cut = True
        return {self._key(key): self.of(item, depth + 1) for key, item in pairs[:_MOST_ITEMS]}

    def _key(self, key: Any) -> str:
        return self.text(key) if isinstance(key, str) else described(key, _STARVED_CHARS)


_HAVE_PARTS = frozenset({dict, list, tuple})


def _scalar(value: Any) -> str | int | float | bool | None:
    """Return what stands for a value without parts; None where it has parts."""
    for kind, as_scalar in _SCALARS:
        if isinstance(value, kind):
            return as_scalar(value)
    return str(value) if type(value).__module__.partition(".")[0] in _SELF_EXPLAINING else None


def _of_int(value: int) -> int | str:
    return int(value) if value.bit_length() <= _MOST_INT_BITS else f"<int of {value.bit_length()} bits>"


def _of_float(value: float) -> float | str:
    """Return a number that JSON can write; it has no word for the others."""
    plain = float(value)
    return plain if plain - plain == 0 else str(plain)


def _of_bytes(value: bytes | bytearray) -> str:
    try:
        return bytes(value).decode()
    except UnicodeDecodeError:
        return f"<{len(value)} bytes>"


def _of_enum(value: Enum) -> str:
    return value.value if isinstance(value.value, str) else value.name


def _of_exception(value: BaseException) -> str:
    return f"{type(value).__name__}: {value}"


_SCALARS: tuple[tuple[Any, Callable[[Any], str | int | float]], ...] = (
    (Enum, _of_enum),
    (int, _of_int),
    (float, _of_float),
    ((bytes, bytearray), _of_bytes),
    (BaseException, _of_exception),
)

_SELF_EXPLAINING = frozenset({"datetime", "decimal", "fractions", "ipaddress", "pathlib", "uuid", "zoneinfo"})
"""Modules of the standard library whose values are best told by ``str``; named, as importing them all takes its time."""


def _pairs(value: Any) -> list[tuple[Any, Any]] | None:
    """Return names and values of what has fields: mappings, named tuples, dataclasses, attrs, msgspec, pydantic and their like."""
    if isinstance(value, Mapping):
        return list(islice(value.items(), _MOST_NODES))
    if isinstance(value, type) or callable(value):
        return None
    if hasattr(value, "_asdict"):
        return list(value._asdict().items())
    if is_dataclass(value):
        return [(one.name, field(value, one.name)) for one in fields(value)]
    names = getattr(type(value), "__struct_fields__", None) or [one.name for one in getattr(type(value), "__attrs_attrs__", ())]
    if names:
        return [(name, field(value, name)) for name in names]
    if getattr(type(value), "model_fields", None) is not None:
        return list({**vars(value), **(getattr(value, "__pydantic_extra__", None) or {})}.items())
    return None


def is_small(value: Any, room: int) -> bool:
    """Tell whether a value is plain data already, of so few parts and characters that writing it costs little."""
    stack = [value]
    while stack:
        one = stack.pop()
        kind = type(one)
        if kind is str:
            room -= len(one)
        elif kind is dict:
            room -= 4 * len(one)
            if not all(type(key) is str for key in one):
                return False
            stack.extend(one.values())
        elif kind is list or kind is tuple:
            room -= len(one)
            stack.extend(one)
        elif kind not in _NUMBERS:
            return False
        # A cycle uses it up as well.
        room -= 1
        if room < 0:
            return False
    return True


_NUMBERS = frozenset({int, float, bool, type(None)})


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def dump(plain: Any) -> str:
    """Write plain data as JSON. Raises ``ValueError`` or ``RecursionError`` where it has no words for it."""
    return _encode(plain)


def fit(plain: Any, max_chars: int) -> tuple[str, bool]:
    """Write plain data as JSON of at most ``max_chars``, which stays JSON: the longest strings give way first."""
    text = dump(plain)
    if len(text) <= max_chars:
        return text, False
    lengths: list[int] = []
    _measure(plain, lengths)
    most = _share(lengths, max_chars - (len(text) - sum(lengths)))
    while most >= _STARVED_CHARS:
        shorter = dump(_shorten(plain, most))
        if len(shorter) <= max_chars:
            return shorter, True
        # Quotes and line feeds take two characters in JSON, control characters six.
        most = most * max_chars // len(shorter) - 1
    return _without_middle(plain, max_chars), True


def _measure(plain: Any, lengths: list[int]) -> None:
    """Add the lengths of all strings, as they are written."""
    if isinstance(plain, str):
        lengths.append(len(encode_basestring(plain)) - 2)
    elif isinstance(plain, dict):
        for item in plain.values():
            _measure(item, lengths)
    elif isinstance(plain, list):
        for item in plain:
            _measure(item, lengths)


def _share(lengths: list[int], room: int) -> int:
    """Return the length to which strings must be cut to take no more than ``room`` together."""
    left = len(lengths)
    for length in sorted(lengths):
        if length * left >= room:
            break
        room -= length
        left -= 1
    return max(0, room // left) if left else 0


def _shorten(plain: Any, most: int) -> Any:
    if isinstance(plain, str):
        return cut(plain, most)[0]
    if isinstance(plain, dict):
        return {key: _shorten(item, most) for key, item in plain.items()}
    if isinstance(plain, list):
        return [_shorten(item, most) for item in plain]
    return plain


def _without_middle(plain: Any, max_chars: int) -> str:
    """Write what has too many parts: of a list the first items and the last, of anything else the beginning of its text."""
    if not isinstance(plain, list):
        # Its quotes and backslashes are written as two characters each.
        return dump(cut(dump(_shorten(plain, _STARVED_CHARS)), max_chars // 2 - 1)[0])
    items = [dump(_shorten(item, _STARVED_CHARS)) for item in plain]
    first: list[str] = []
    last: list[str] = []
    room = max_chars - 40
    while items:
        item = items.pop(0) if len(first) < len(last) else items.pop()
        room -= len(item) + 1
        if room < 0:
            break
        (first if len(first) < len(last) else last).append(item)
    left_out = dump(f"…[cut: {len(plain) - len(first) - len(last)} items]")
    return f"[{','.join([*first, left_out, *reversed(last)])}]"
