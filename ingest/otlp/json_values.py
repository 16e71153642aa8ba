"""The parts of OTLP/JSON: the document, texts, numbers, attributes and their values."""

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from google.protobuf.descriptor import EnumDescriptor

from .decoded import MOST_ATTRIBUTES, MOST_LEVELS, NESTED_TOO_DEEPLY, TooLarge, Undecodable
from .repair import cut_off, note, well_formed, without_nul

Json = dict[str, Any]

UINT32 = 2**32 - 1
_INT32 = 2**31

_MOST_CONTAINERS = 4_000_000
"""Objects and lists of one body: each takes up to seventy bytes however short it is written."""

_MOST_COMMAS = 6_000_000
"""Likewise for what is in them: a number takes thirty."""

_BOM = b"\xef\xbb\xbf"
_ODD = re.compile(rb"\\u[dD][89a-fA-F]|NaN|Infinity|[0-9]e\+?[0-9]{3}")
"""What strict JSON does not have, and Python's own reader does: halves of surrogate pairs, and numbers that are none."""


class WrongType(ValueError):
    """A part that is not of the type it must have; the text says which part."""


def load(body: bytes) -> Any:
    """Return a JSON document. Raises ``Undecodable``, ``TooLarge``."""
    # Those in texts count too, which saves a look at what is a text.
    if body.count(b"{") + body.count(b"[") > _MOST_CONTAINERS:
        raise TooLarge(f"The body has more than {_MOST_CONTAINERS} objects and lists.")
    if body.count(b",") > _MOST_COMMAS:
        raise TooLarge(f"The body has more than {_MOST_COMMAS} commas.")
    body = body.removeprefix(_BOM)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        found = _load_leniently(body)
        if found is None:
            raise Undecodable(f"The body is no JSON: {error}.") from error
        return found


def _load_leniently(body: bytes) -> Any:
    """Return a document with invalid UTF-8, lone surrogates or NaN in it, None where that is not its fault."""
    # What is not UTF-8 becomes lone surrogates, which are replaced and named like those that were escaped.
    decoded = body.decode("utf-8", "surrogateescape")
    if _is_utf8(decoded) and not _ODD.search(body):
        return None
    try:
        return json.loads(decoded)
    except (ValueError, RecursionError):
        return None


def _is_utf8(found: str) -> bool:
    try:
        found.encode()
    except UnicodeEncodeError:
        return False
    return True


def clean(found: str, where: str, notes: list[str]) -> str:
    """Return a text without NUL and lone surrogates."""
    if "\0" in found:
        found = without_nul(found, where, notes)
    if not found.isascii() and not _is_utf8(found):
        note(notes, where, "surrogate")
        found = well_formed(found)
    return found


def text(parent: Json, key: str, where: str, notes: list[str]) -> str:
    """Return a text, empty where there is none. Raises ``WrongType``."""
    found = parent.get(key)
    if not found:
        if found is None or found == "":
            return ""
    elif isinstance(found, str):
        return clean(found, where, notes)
    raise WrongType(f"{where} must be a string")


def objects(parent: Json, key: str) -> Sequence[Any]:
    """Return a list, empty where there is none. Raises ``WrongType``."""
    found = parent.get(key)
    if found is None:
        return ()
    if not isinstance(found, list):
        raise WrongType(f"{key} must be a list")
    return found


def integer(found: Any) -> int:
    """Return a number that came as a number or as decimal digits, 0 for none. Raises ``WrongType``."""
    if isinstance(found, str):
        digits = found.removeprefix("-")
        if digits.isascii() and digits.isdecimal() and len(digits) < 1000:
            return int(found)
    elif isinstance(found, (int, float)) and math.isfinite(found):
        return int(found)
    elif found is None:
        return 0
    raise WrongType("a number must be digits")


def small(found: Any, where: str, notes: list[str], lowest: int, highest: int) -> int:
    """Return a number within bounds; beyond them the bound, which is noted. Raises ``WrongType``."""
    number = integer(found)
    if lowest <= number <= highest:
        return number
    note(notes, where, "out of range")
    return lowest if number < lowest else highest


def one_of_enum(found: Any, names: EnumDescriptor, where: str, notes: list[str]) -> int:
    """Return the number of an enum, which senders may have named; unknown numbers stay, unknown names are 0."""
    if isinstance(found, str) and found in names.values_by_name:
        return int(names.values_by_name[found].number)
    if isinstance(found, str) and not found.removeprefix("-").isdecimal():
        note(notes, where, "unknown name")
        return 0
    return small(found, where, notes, -_INT32, _INT32 - 1)


def attributes_of(parent: Json, where: str, notes: list[str]) -> tuple[dict[str, Any], int]:
    """Return attributes, the last of equal keys, and how many were beyond the bound. Raises ``WrongType``."""
    pairs = objects(parent, "attributes")
    dropped = cut_off(pairs, where, notes)
    return _map(pairs[:MOST_ATTRIBUTES] if dropped else pairs, where, notes, 0), dropped


def _map(pairs: Sequence[Any], where: str, notes: list[str], level: int) -> dict[str, Any]:
    """Read pairs; values below the attributes themselves are noted under the attribute they are part of."""
    found: dict[str, Any] = {}
    for pair in pairs:
        try:
            key = pair.get("key")
            value = pair.get("value")
        except AttributeError as error:
            raise WrongType(f"{where} must be a list of objects with key and value") from error
        key = key or ""
        if key.__class__ is not str:
            raise WrongType(f"a key in {where} must be a string")
        if key.isascii() and "\0" not in key and value.__class__ is dict:
            # The way of nearly all: one plain text.
            plain = value.get("stringValue")
            if plain.__class__ is str and plain.isascii() and "\0" not in plain and len(value) == 1:
                found[key] = plain
                continue
        inside = f"{where}.{key}" if level == 0 else where
        found[clean(key, inside, notes)] = value_of(value, inside, notes, level)
    return found


def value_of(value: Any, where: str, notes: list[str], level: int = 0) -> Any:
    """Return what an AnyValue holds, None for an empty one; ``level`` is how many values it lies in."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise WrongType(f"{where} must be an object such as {{stringValue: ...}}")
    for kind, content in value.items():
        if kind == "stringValue" and content.__class__ is str:
            return content if content.isascii() and "\0" not in content else clean(content, where, notes)
        if kind in _READERS and content is not None:
            return _READERS[kind](content, where, notes, level)
    return None


def _no_string(content: Any, where: str, notes: list[str], level: int) -> Any:
    raise WrongType(f"{where}.stringValue must be a string")


def _bool(content: Any, where: str, notes: list[str], level: int) -> bool:
    if content in (True, "true"):
        return True
    if content in (False, "false"):
        return False
    raise WrongType(f"{where}.boolValue must be true or false")


def _int(content: Any, where: str, notes: list[str], level: int) -> Any:
    if isinstance(content, str) and not content.removeprefix("-").isdecimal():
        raise WrongType(f"{where}.intValue must be digits")
    number = integer(content) if len(str(content)) < 1000 else None
    if number is not None and -(2**63) <= number < 2**63:
        return number
    # Every digit stays, as text: a number of this size is an id of some kind and no amount.
    note(notes, where, "beyond 64 bit")
    return str(content)


def _double(content: Any, where: str, notes: list[str], level: int) -> float:
    try:
        return float(content)
    except OverflowError:
        note(notes, where, "beyond double")
        return math.inf if content > 0 else -math.inf
    except (TypeError, ValueError) as error:
        raise WrongType(f"{where}.doubleValue must be a number") from error


def _bytes(content: Any, where: str, notes: list[str], level: int) -> bytes:
    try:
        standard = content.translate({45: "+", 95: "/"}).rstrip("=")
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (AttributeError, ValueError, binascii.Error) as error:
        raise WrongType(f"{where}.bytesValue must be base64") from error


def _nested(content: Any, where: str, level: int) -> Sequence[Any]:
    if not isinstance(content, dict):
        raise WrongType(f"{where} must hold an object with values")
    return objects(content, "values")


def _array(content: Any, where: str, notes: list[str], level: int) -> Any:
    if level >= MOST_LEVELS:
        note(notes, where, "nested too deeply")
        return NESTED_TOO_DEEPLY
    return [value_of(one, where, notes, level + 1) for one in _nested(content, where, level)]


def _kvlist(content: Any, where: str, notes: list[str], level: int) -> Any:
    if level >= MOST_LEVELS:
        note(notes, where, "nested too deeply")
        return NESTED_TOO_DEEPLY
    return _map(_nested(content, where, level), where, notes, level + 1)


_READERS: dict[str, Callable[[Any, str, list[str], int], Any]] = {
    "stringValue": _no_string,
    "boolValue": _bool,
    "intValue": _int,
    "doubleValue": _double,
    "arrayValue": _array,
    "kvlistValue": _kvlist,
    "bytesValue": _bytes,
}
