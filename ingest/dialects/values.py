"""Attribute values as they should have been sent: numbers in texts, JSON in texts, Python's own notation in texts."""

import ast
import json
import math
import re
from typing import Any

import msgspec

TEXT_CHARS = 32_768
"""Bound of every text in the facts; the whole is in the stored span."""

MOST_ITEMS = 200
"""Bound of every list in the facts: tool requests, results, tools offered."""

MASK = "__REDACTED__"
"""What OpenInference puts in the place of what it was told to hide."""

_MOST_TOKENS = 10**12
_MOST_NAME = 2_048
_MOST_LITERAL = 20_000

_decode = msgspec.json.Decoder().decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode
_pack = msgspec.msgpack.Encoder().encode

_ODD = frozenset('" \n\r\t\v\f\x1c\x1d\x1e\x1f\x85\xa0')
"""A name that begins otherwise is neither quoted nor blank: most need no second look."""

UNREADABLE = (msgspec.DecodeError, UnicodeEncodeError, RecursionError)
_UNWRITABLE = (TypeError, ValueError, RecursionError, OverflowError)


def number(value: object) -> int | None:
    """Return a count: an integer from 0 to a trillion, also from a float or a text; None for anything else."""
    if type(value) is int:
        return value if 0 <= value <= _MOST_TOKENS else None
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, float):
        return int(value) if math.isfinite(value) and value == int(value) and 0 <= value <= _MOST_TOKENS else None
    if isinstance(value, str) and 0 < len(value) <= 24:
        plain = value.strip().strip('"').removesuffix(".0")
        if plain.isascii() and plain.isdecimal():
            return number(int(plain))
    return None


def real(value: object) -> float | None:
    """Return a finite number, also from a text; None for anything else."""
    if isinstance(value, str) and len(value) <= 40:
        try:
            value = float(value.strip().strip('"'))
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def dollars(value: object) -> int | None:
    """Return an amount in US dollars as nano-dollars; None where it is none, or 0, which means unknown."""
    amount = real(value)
    if amount is None or not 0 < amount < 1e9:
        return None
    return round(amount * 1_000_000_000) or None


def truth(value: object) -> bool | None:
    """Return a yes or no, also from a text."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) <= 8:
        return {"true": True, "false": False}.get(value.strip('"').lower())
    return None


def word(value: object) -> str | None:
    """Return a name or id: a text that is not blank, a number as text. JSON's quotation marks around it are taken off."""
    if isinstance(value, str):
        if value and value[0] not in _ODD and len(value) <= _MOST_NAME:
            return value
        if value[:1] == '"' and value[-1:] == '"' and len(value) > 1:
            unquoted = parse(value)
            value = unquoted if isinstance(unquoted, str) else value
        if len(value) > _MOST_NAME:
            value = value[:_MOST_NAME]
        return value if value and not value.isspace() else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)[:_MOST_NAME] if -(2**64) < value < 2**64 else None
    return None


def span_id(value: object) -> str | None:
    """Return the id of a span in lower case; None for anything else."""
    plain = word(value)
    return plain.lower() if plain is not None and _SPAN_ID.fullmatch(plain) else None


_SPAN_ID = re.compile(r"[0-9a-fA-F]{16}")


def parse(value: Any) -> Any:
    """Return the value that a text holds as JSON, or in Python's notation; any other value as it is."""
    if not isinstance(value, str) or not value or value[0] not in '{["\n\r\t ':
        return value
    try:
        return _decode(value)
    except UNREADABLE:
        return _leniently(value)


def _leniently(value: str) -> Any:
    """Read JSON with NaN in it, or what ``repr`` made of a dict or list. Only literals are read, nothing is run."""
    if value[0] not in "{[":
        return value
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        if "'" not in value or len(value) > _MOST_LITERAL:
            return value
        try:
            found = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            return value
    return found if isinstance(found, dict | list) and is_storable(found) else value


def parse_items(value: Any) -> list[Any]:
    """Return the members of a list, or of JSON of one, each still unread where that is cheaper: see ``open_item``."""
    if isinstance(value, str) and value[:1] == "[":
        try:
            return list(_decode_list(value))
        except UNREADABLE:
            pass
    found = unwrap(value)
    if isinstance(found, list):
        return found
    return [] if found is None or found == "" else [found]


def last_items(value: Any) -> list[Any] | None:
    """Return the last members of JSON of a list of messages, unread, without reading those before; None where all have to be read.

    A call's messages repeat all that was said before it. The sign that is looked for is in no text, where quotation marks are
    escaped; and what begins inside another message does not end with the list.
    """
    if type(value) is not str or value[:1] != "[":
        return None
    before = value.rfind(_MESSAGE, 0, max(value.rfind(_MESSAGE), 0))
    if before <= 1:
        return None
    try:
        return list(_decode_list("[" + value[before:]))
    except UNREADABLE:
        return None


_MESSAGE = '{"role":'


def open_item(item: Any) -> Any:
    """Return the value of a member from ``parse_items``."""
    if isinstance(item, msgspec.Raw):
        try:
            return _decode(item)
        except UNREADABLE:
            return None
    return item


def unwrap(value: Any) -> Any:
    """Return the value of a text, also where it was encoded once too often."""
    found = parse(value)
    return parse(found) if isinstance(found, str) and found is not value and found[:1] in ("{", "[") else found


def mapping(value: Any) -> dict[str, Any]:
    """Return a value that is a map, or JSON of one; else an empty map."""
    found = unwrap(value)
    return found if isinstance(found, dict) else {}


def listing(value: Any) -> list[Any]:
    """Return a value that is a list, or JSON of one; else an empty list."""
    found = unwrap(value)
    return found if isinstance(found, list) else []


def show(value: Any) -> str | None:
    """Return any value as text, None for nothing."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return None
    try:
        return _encode(value).decode()
    except _UNWRITABLE:
        return None


def is_storable(value: Any) -> bool:
    """Tell whether facts that hold the value can be written down."""
    try:
        _pack(value)
    except _UNWRITABLE:
        return False
    return True


def arguments_of(value: Any) -> Any:
    """Return tool arguments: the value of a JSON text, the text itself where it is none; too large a value as cut text."""
    found = unwrap(value)
    if isinstance(found, str):
        return found[:TEXT_CHARS]
    try:
        size = len(_pack(found))
    except _UNWRITABLE:
        return (show(value) or "")[:TEXT_CHARS] or None
    return found if size <= TEXT_CHARS else (show(found) or "")[:TEXT_CHARS]


def numbered(entries: Any) -> list[Any]:
    """Return the values of a map with numbers for keys in the order of these; a list as it is."""
    if isinstance(entries, list):
        return entries
    if not isinstance(entries, dict):
        return []
    numbers = sorted((int(key), key) for key in entries if isinstance(key, str) and key.isascii() and key.isdecimal() and len(key) < 7)
    return [entries[key] for _, key in numbers]
