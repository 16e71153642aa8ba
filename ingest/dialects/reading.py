"""One pass over a span's attributes: every value that a fact may come from, under the name of its field."""

from collections.abc import Mapping
from typing import Any

import msgspec

from ingest.model import Span

from .fields import FIELD_KEYS, FLAT_PREFIXES
from .values import number, word

KeyTable = dict[str, tuple[str, int, bool]]
"""Key -> field, precedence within the field, and whether it holds a count."""

_FLAT_HEADS: dict[str, list[tuple[str, str]]] = {}
_HEAD = 7
for _prefix, _family in FLAT_PREFIXES.items():
    _FLAT_HEADS.setdefault(_prefix[:_HEAD], []).append((_prefix, _family))

_MOST_DEPTH = 16


class Reading(msgspec.Struct):
    """What a span's attributes hold, by field."""

    span: Span
    values: dict[str, Any]
    flat: dict[str, list[tuple[str, Any]]]
    """Flattened lists by family: what follows the prefix, and the value."""

    def word(self, field: str) -> str | None:
        """Return a name or id."""
        value = self.values.get(field)
        return word(value) if value is not None else None

    def entries(self, family: str) -> list[dict[str, Any]]:
        """Return the entries that a family of keys spells, in the order of their numbers, which may have holes."""
        pairs = self.flat.get(family)
        return unflatten(pairs) if pairs else []


def key_table(own: Mapping[str, tuple[str, ...]]) -> KeyTable:
    """Return the keys of a convention: its own before those that all share."""
    table: KeyTable = {}
    for field in {**own, **FIELD_KEYS}:
        for place, key in enumerate((*own.get(field, ()), *FIELD_KEYS.get(field, ()))):
            # A key means one thing only; a convention's own meaning wins.
            if key not in table or key in own.get(field, ()):
                table[key] = (field, place, field.startswith("tokens.") and field != "tokens.object")
    return table


def gather(span: Span, attributes: Mapping[str, Any], table: KeyTable) -> Reading:
    """Return the values of a span's (or one of its events' or log records') attributes by field."""
    values: dict[str, Any] = {}
    places: dict[str, int] = {}
    flat: dict[str, list[tuple[str, Any]]] = {}
    for key, value in attributes.items():
        known = table.get(key)
        if known is None:
            families = _FLAT_HEADS.get(key[:_HEAD])
            if families is not None:
                for prefix, family in families:
                    if key.startswith(prefix):
                        flat.setdefault(family, []).append((key[len(prefix) :], value))
            continue
        field, place, counts = known
        if value is None or value == "" or place >= places.get(field, 99):
            continue
        if counts:
            value = number(value)
            if value is None:
                continue
        values[field] = value
        places[field] = place
    return Reading(span, values, flat)


def unflatten(pairs: list[tuple[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries that pairs of (``N.rest``, value) spell, in the order of their numbers."""
    entries: dict[int, dict[str, Any]] = {}
    for rest, value in pairs:
        head, _, path = rest.partition(".")
        if path and head.isascii() and head.isdecimal() and len(head) < 7:
            _plant(entries.setdefault(int(head), {}), path.split(".", _MOST_DEPTH), value)
    return [entries[place] for place in sorted(entries)]


def _plant(root: dict[str, Any], path: list[str], value: Any) -> None:
    here = root
    for part in path[:-1]:
        below = here.get(part)
        if not isinstance(below, dict):
            below = here[part] = {}
        here = below
    if not isinstance(here.get(path[-1]), dict):
        here[path[-1]] = value
