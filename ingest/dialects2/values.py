"""Attribute values as they should have been sent: numbers in texts, JSON in texts, Python's own notation in texts."""

import ast
import math
from typing import Any

import msgspec

TEXT_CHARS = 32_768
"""Bound of every text in the facts; the whole is in the stored span."""

_MOST_TOKENS = 10**12
_MOST_LITERAL = 20_000

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def number(value: object) -> int | None:
    """Return a count: an integer from 0 to a trillion, also from a float or a text; None for anything else."""
    if type(value) is int:
        return value if 0 <= value <= _MOST_TOKENS else None
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, float):
        return int(value) if math.isfinite(value) and value == int(value) and 0 <= value <= _MOST_TOKENS else None
    if isinstance(value, str) and len(value) <= 24:
        plain = value.strip().strip('"')
        if plain.isascii() and plain.isdecimal():
            return number(int(plain))
        if plain.endswith(".0") and plain[:-2].isdecimal():
            return number(int(plain[:-2]))
    return None


def dollars(value: object) -> int | None:
    """Return an amount in US dollars as nano-dollars; None where it is none, or 0, which means unknown."""
    if isinstance(value, str) and len(value) <= 40:
        try:
            value = float(value.strip().strip('"'))
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not 0 < value < 1e9:
        return None
    return round(value * 1_000_000_000) or None


def truth(value: object) -> bool | None:
    """Return a yes or no, also from a text."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip('"').lower() in ("true", "false"):
        return value.strip('"').lower() == "true"
    return None


def word(value: object) -> str | None:
    """Return a name or id: a text that is not blank, a number as text. JSON's quotation marks around it are taken off."""
    if isinstance(value, str):
        if value[:1] == '"' and value[-1:] == '"' and len(value) > 1:
            unquoted = parse(value)
            value = unquoted if isinstance(unquoted, str) else value
        return (value if len(value) <= 4096 else value[:4096]) if value.strip() else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return None


def parse(value: Any) -> Any:
    """Return the value that a text holds as JSON, or in Python's notation; any other value as it is."""
    if not isinstance(value, str) or not value:
        return value
    head = value[0]
    if head in '{["' or head in " \n\t":
        try:
            return _decode(value)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return _literal(value)
    return value


def _literal(value: str) -> Any:
    """Read what ``repr`` made of a dict or list, as some emitters send it. Only literals are read, nothing is run."""
    if value[0] not in "{[" or len(value) > _MOST_LITERAL:
        return value
    try:
        found = ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return value
    return found if isinstance(found, dict | list) else value


def mapping(value: Any) -> dict[str, Any]:
    """Return a value that is a map, or JSON of one; else an empty map."""
    found = parse(value)
    return found if isinstance(found, dict) else {}


def listing(value: Any) -> list[Any]:
    """Return a value that is a list, or JSON of one; else an empty list."""
    found = parse(value)
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
        return _encode(value).decode("utf-8", "replace")
    except (TypeError, ValueError, RecursionError, OverflowError):
        return str(value)[:TEXT_CHARS] if isinstance(value, int | float) else None


def json_or_text(value: Any) -> Any:
    """Return the JSON value of a text where it is a map or list, the text itself elsewhere; other values as they are."""
    found = parse(value)
    if isinstance(found, str) and found[:1] in "{[":
        # Encoded once too often.
        found = parse(found)
    return found


def first(attributes: dict[str, Any], keys: tuple[str, ...]) -> Any:
    """Return the first value there is under any of the keys; empty texts count as absent."""
    for key in keys:
        value = attributes.get(key)
        if value is not None and value != "":
            return value
    return None


def first_word(attributes: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    """Return the first name or id under any of the keys."""
    for key in keys:
        value = attributes.get(key)
        if value is not None:
            found = word(value)
            if found is not None:
                return found
    return None


def first_number(attributes: dict[str, Any], keys: tuple[str, ...]) -> int | None:
    """Return the first count under any of the keys; 0 is a count."""
    for key in keys:
        value = attributes.get(key)
        if value is not None:
            found = number(value)
            if found is not None:
                return found
    return None


def unflatten(attributes: dict[str, Any], prefix: str) -> list[dict[str, Any]]:
    """Return the entries that keys ``prefix.N.rest`` spell, in the order of their numbers."""
    start = len(prefix)
    root: dict[str, Any] = {}
    for key, value in attributes.items():
        if key.startswith(prefix):
            _plant(root, key[start:].split(".")[:16], value)
    return [entry for entry in numbered(root) if isinstance(entry, dict)]


def _plant(root: dict[str, Any], path: list[str], value: Any) -> None:
    here = root
    for part in path[:-1]:
        below = here.get(part)
        if not isinstance(below, dict):
            below = here[part] = {}
        here = below
    if not isinstance(here.get(path[-1]), dict):
        here[path[-1]] = value


def numbered(entries: Any) -> list[Any]:
    """Return the values of a map with numbers for keys in the order of these; a list as it is."""
    if isinstance(entries, list):
        return entries
    if not isinstance(entries, dict):
        return []
    numbers = sorted((int(key), key) for key in entries if key.isascii() and key.isdecimal() and len(key) < 7)
    return [entries[key] for _, key in numbers]
