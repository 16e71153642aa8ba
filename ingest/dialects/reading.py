"""One pass over a span's attributes: every value that a fact may come from, under the name of its field."""

from collections.abc import Callable, Iterator, Mapping
from operator import itemgetter
from typing import Any

import msgspec

from ingest.model import Span

from .fields import FIELD_KEYS, FLAT_PREFIXES
from .values import MASK, number, word

_ANYTHING, _COUNT, _OWN, _BODY = range(4)

_UNSAID = (MASK, "null")
"""What stands for a request or a reply where it is not told."""

_FLAT_HEADS: dict[str, list[tuple[str, str]]] = {}
_HEAD = 7
for _prefix, _family in FLAT_PREFIXES.items():
    _FLAT_HEADS.setdefault(_prefix[:_HEAD], []).append((_prefix, _family))

_MOST_DEPTH = 16

NAMES = (
    "operation", "agent_name", "agent_id", "agent_version", "environment", "clew.run", "session", "user", "request_model",
    "response_model", "provider",
)  # fmt: skip
"""The fields of names and ids that are the same on span after span."""


class Layout(msgspec.Struct):
    """What the keys of a span alone tell of how it is read."""

    fields: tuple[str, ...]
    pick: Callable[[Mapping[str, Any]], tuple[Any, ...]]
    """Takes the values of these fields out of the attributes, each from the key that goes before others."""
    counts: tuple[str, ...]
    bodies: tuple[str, ...]
    own: list[str]
    """Shared by all spans that are read so."""
    pick_names: Callable[[Mapping[str, Any]], tuple[Any, ...]] | None
    """Takes the values of ``NAMES`` out of the values of a reading; None where there is one at most."""
    names_before: tuple[tuple[Any, ...], Any] | None = None
    """These values on the last span that was read so, and what they came to."""


class Reading(msgspec.Struct, gc=False):
    """What a span's attributes hold, by field."""

    span: Span
    values: dict[str, Any]
    flat: dict[str, list[tuple[str, Any]]]
    """Flattened lists by family: what follows the prefix, and the value."""
    own: list[str] = []
    """The fields that our own SDK left a word for."""
    layout: Layout | None = None
    """How it was read, where that was by its keys alone."""

    def word(self, field: str) -> str | None:
        """Return a name or id."""
        # Asked sixteen times a span, mostly in vain.
        value = self.values.get(field)
        return None if value is None else word(value)

    def entries(self, family: str) -> list[dict[str, Any]]:
        """Return the entries that a family of keys spells, in the order of their numbers, which may have holes."""
        return list(self.entries_backwards(family))[::-1]

    def entries_backwards(self, family: str) -> Iterator[dict[str, Any]]:
        """Yield the entries from the last to the first, each put together when it is asked for."""
        groups: dict[int, list[tuple[str, Any]]] = {}
        for rest, value in self.flat.get(family, ()):
            head, _, path = rest.partition(".")
            if path and head.isascii() and head.isdecimal() and len(head) < 7:
                groups.setdefault(int(head), []).append((path, value))
        for place in sorted(groups, reverse=True):
            entry: dict[str, Any] = {}
            for path, value in groups[place]:
                _plant(entry, path.split(".", _MOST_DEPTH), value)
            yield entry


class KeyTable(dict[str, tuple[str, int, int] | None]):
    """The keys of a convention: key -> field, precedence within the field, and what it holds. None: no fact's key."""

    def __init__(self) -> None:
        self.layouts: dict[tuple[str, ...], Layout | None] = {}
        """How spans that have these keys are read at once; None where they are not."""


def key_table(own: Mapping[str, tuple[str, ...]]) -> KeyTable:
    """Return the keys of a convention: its own before those that all share."""
    table = KeyTable()
    # A key means one thing only; a convention's own meaning wins.
    for field in (*own, *(field for field in FIELD_KEYS if field not in own)):
        for place, key in enumerate((*own.get(field, ()), *FIELD_KEYS.get(field, ()))):
            if key not in table:
                table[key] = (field, place, _holds(field))
    return table


def _holds(field: str) -> int:
    if field.startswith("tokens.") and field != "tokens.object":
        return _COUNT
    if field.startswith("body."):
        return _BODY
    return _OWN if field.startswith("clew.") else _ANYTHING


def gather(span: Span, attributes: Mapping[str, Any], table: KeyTable) -> Reading:
    """Return the values of a span's (or one of its events' or log records') attributes by field."""
    reading = _read_as_before(span, attributes, table) if len(attributes) <= MOST_KEYS else None
    return reading if reading is not None else _walk(span, attributes, table)


def _walk(span: Span, attributes: Mapping[str, Any], table: KeyTable) -> Reading:
    """Look at one attribute after the other."""
    values: dict[str, Any] = {}
    places: dict[str, int] = {}
    flat: dict[str, list[tuple[str, Any]]] = {}
    own: list[str] = []
    for key, value in attributes.items():
        try:
            known = table[key]
        except KeyError:
            known = None
            _sort_in(key, value, flat, table)
        if known is None:
            continue
        field, place, holds = known
        if (not value and (value is None or value == "")) or (field in places and place >= places[field]):
            continue
        if holds:
            if holds == _COUNT:
                value = number(value)
                if value is None:
                    continue
            elif holds == _BODY:
                if value in _UNSAID:
                    continue
            else:
                own.append(field)
        values[field] = value
        places[field] = place
    return Reading(span, values, flat, own)


def _family_of(key: str) -> tuple[str, str] | None:
    """Return the prefix and the family of a flattened key."""
    for prefix, family in _FLAT_HEADS.get(key[:_HEAD], ()):
        if key.startswith(prefix):
            return prefix, family
    return None


_MOST_KEYS = 3_000
"""Bound of what one convention remembers, so that made-up keys fill no memory."""


def _sort_in(key: str, value: Any, flat: dict[str, list[tuple[str, Any]]], table: KeyTable) -> None:
    """Put a flattened key under its family. A key of no family is remembered as one, since emitters send the same ones on each span."""
    found = _family_of(key)
    if found is not None:
        prefix, family = found
        flat.setdefault(family, []).append((key[len(prefix) :], value))
    elif len(table) < _MOST_KEYS and len(key) < 100:
        table[key] = None


# --- spans with the keys of one before ----------------------------------------------------------------------------

_MOST_LAYOUTS = 300
"""Of one convention. All are dropped once there are more."""

MOST_KEYS, MOST_CHARS = 64, 3_000
"""Keys of a span that is read as those before it, and their letters: who has more spells lists, and hardly any two are alike."""


def _read_as_before(span: Span, attributes: Mapping[str, Any], table: KeyTable) -> Reading | None:
    """Read a span by its keys; None where its values need a closer look.

    An emitter's spans have the same keys again and again, and to look up each of them would take the most time of all there is to do.
    """
    keys = tuple(attributes)
    try:
        layout = table.layouts[keys]
    except KeyError:
        layout = _learn(keys, table)
    if layout is None:
        return None
    found = layout.pick(attributes)
    if not all(found) and (None in found or "" in found):
        return None
    values = dict(zip(layout.fields, found, strict=True))
    for field in layout.counts:
        count = values[field] = number(values[field])
        if count is None:
            return None
    for field in layout.bodies:
        if values[field] in _UNSAID:
            return None
    return Reading(span, values, {}, layout.own, layout)


def _learn(keys: tuple[str, ...], table: KeyTable) -> Layout | None:
    if sum(map(len, keys)) > MOST_CHARS:
        return None
    if len(table.layouts) >= _MOST_LAYOUTS:
        table.layouts.clear()
    table.layouts[keys] = layout = _layout_of(keys, table)
    return layout


def _layout_of(keys: tuple[str, ...], table: KeyTable) -> Layout | None:
    chosen: dict[str, tuple[int, int, str]] = {}
    for key in keys:
        if key not in table and _family_of(key) is not None:
            return None
        known = table.get(key)
        if known is not None:
            field, place, holds = known
            if field not in chosen or place < chosen[field][0]:
                chosen[field] = place, holds, key
    if len(chosen) < _FEWEST:
        return None
    holding = {kind: tuple(field for field, (_, holds, _) in chosen.items() if holds == kind) for kind in (_COUNT, _BODY, _OWN)}
    pick = itemgetter(*(key for _, _, key in chosen.values()))
    names = [field for field in NAMES if field in chosen]
    pick_names = itemgetter(*names) if len(names) >= _FEWEST else None
    return Layout(tuple(chosen), pick, holding[_COUNT], holding[_BODY], list(holding[_OWN]), pick_names)


_FEWEST = 2
"""``itemgetter`` of one key returns no tuple."""


def _plant(root: dict[str, Any], path: list[str], value: Any) -> None:
    here = root
    for part in path[:-1]:
        below = here.get(part)
        if not isinstance(below, dict):
            below = here[part] = {}
        here = below
    if not isinstance(here.get(path[-1]), dict):
        here[path[-1]] = value
