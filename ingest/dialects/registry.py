"""Which convention a span follows. A convention is added by adding a module to ``conventions``: it is found there by itself."""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from ingest.model import Span

from . import conventions
from .dialect import Dialect
from .reading import MOST_CHARS, MOST_KEYS, KeyTable, key_table


def _discover() -> tuple[Dialect, ...]:
    names = [f"{conventions.__name__}.{module.name}" for module in pkgutil.iter_modules(conventions.__path__)]
    found = [importlib.import_module(name).DIALECT for name in names]
    return tuple(sorted(found, key=lambda dialect: (dialect.rank, dialect.name)))


DIALECTS: Sequence[Dialect] = _discover()
"""Every convention, in the order in which they are tried."""

TABLES: dict[str, KeyTable] = {dialect.name: key_table(dialect.keys) for dialect in DIALECTS}
"""The keys of each convention."""

_LAST = DIALECTS[-1]


_Claim = tuple[int, Dialect, Callable[[Span], bool]]
"""Place, convention, and the sign that is looked for."""


class _Signs(msgspec.Struct, frozen=True):
    """What tells the conventions apart on the spans of one scope; a place is the order in which a sign is tried."""

    markers: dict[Any, tuple[int, Dialect]]
    """By attribute, and by pair of attribute and value."""
    said: tuple[tuple[str, str], ...]
    """The pairs."""
    claims: list[_Claim]
    otherwise: tuple[int, Dialect]
    """The convention whose own scope it is; else the last one."""


class _Known(msgspec.Struct, frozen=True):
    """What is left to ask of a span once its scope and the keys of its attributes are known."""

    marked: tuple[int, Dialect]
    """The first convention that they speak for."""
    said: tuple[tuple[str, str], ...]
    """Pairs that its attributes may hold."""
    claims: list[_Claim]
    """Those ranked before."""


_MOST_SEEN = 2_000
"""Scopes with keys that are kept: all are dropped once there are more."""

_SEEN: dict[tuple[str, tuple[str, ...]], _Known] = {}


def recognise(span: Span) -> Dialect:
    """Return the first convention that claims a span; the last one claims every span."""
    attributes = span.attributes
    # Emitters send the same keys on span after span.
    keys = span.scope.name, tuple(attributes)
    known = _SEEN.get(keys) or _look_at(*keys)
    marked = known.marked
    # No view: Python would hash the values of the span where these are more, and there are lists among them.
    if known.said and (found := attributes.items() & known.said):
        marked = min(marked, *map(_signs(span.scope.name).markers.__getitem__, found))
    for place, dialect, claims in known.claims:
        if place >= marked[0]:
            break
        if claims(span):
            return dialect
    return marked[1]


def _look_at(scope: str, keys: tuple[str, ...]) -> _Known:
    signs = _signs(scope)
    marked = min([signs.markers[key] for key in keys if key in signs.markers], default=signs.otherwise)
    said = tuple([pair for pair in signs.said if pair[0] in keys])
    claims = [claim for claim in signs.claims if claim[0] < marked[0] and (not claim[1].claims_with or claim[1].claims_with in keys)]
    known = _Known(marked, said, claims)
    if len(keys) <= MOST_KEYS and len(scope) + sum(map(len, keys)) <= MOST_CHARS:
        if len(_SEEN) >= _MOST_SEEN:
            _SEEN.clear()
        _SEEN[scope, keys] = known
    return known


@lru_cache(maxsize=512)
def _signs(scope: str) -> _Signs:
    """Return the signs to look for on spans of a scope; where the scope itself settles it nothing after that is tried."""
    markers: dict[Any, tuple[int, Dialect]] = {}
    claims: list[_Claim] = []
    for place, dialect in enumerate(DIALECTS):
        if scope in dialect.scopes or (dialect.scope_prefixes and scope.startswith(dialect.scope_prefixes)):
            return _Signs(markers, _pairs(markers), claims, (place, dialect))
        for marker in (*dialect.markers, *dialect.says):
            markers.setdefault(marker, (place, dialect))
        if dialect.claims is not None and scope.startswith(dialect.claims_in):
            claims.append((place, dialect, dialect.claims))
    return _Signs(markers, _pairs(markers), claims, (len(DIALECTS), _LAST))


def _pairs(markers: Iterable[Any]) -> tuple[tuple[str, str], ...]:
    return tuple(marker for marker in markers if isinstance(marker, tuple))
