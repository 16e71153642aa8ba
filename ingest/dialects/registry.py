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
from .reading import KeyTable, key_table


def _discover() -> tuple[Dialect, ...]:
    names = [f"{conventions.__name__}.{module.name}" for module in pkgutil.iter_modules(conventions.__path__)]
    found = [importlib.import_module(name).DIALECT for name in names]
    return tuple(sorted(found, key=lambda dialect: (dialect.rank, dialect.name)))


DIALECTS: Sequence[Dialect] = _discover()
"""Every convention, in the order in which they are tried."""

TABLES: dict[str, KeyTable] = {dialect.name: key_table(dialect.keys) for dialect in DIALECTS}
"""The keys of each convention."""

_LAST = DIALECTS[-1]


def recognise(span: Span) -> Dialect:
    """Return the first convention that claims a span; the last one claims every span."""
    attributes = span.attributes
    signs = _signs(span.scope.name)
    # Two set operations find what telling attributes there are; only they, and claims ranked before them, are looked at.
    found: set[Any] = attributes.keys() & signs.markers.keys()
    # No view: Python would hash the values of the span where these are more, and there are lists among them.
    found |= attributes.items() & signs.said
    marked = min(map(signs.markers.__getitem__, found)) if found else signs.otherwise
    for place, dialect, claims in signs.claims:
        if place >= marked[0]:
            break
        if claims(span):
            return dialect
    return marked[1]


class _Signs(msgspec.Struct, frozen=True):
    """What tells the conventions apart on the spans of one scope; a place is the order in which a sign is tried."""

    markers: dict[Any, tuple[int, Dialect]]
    """By attribute, and by pair of attribute and value."""
    said: tuple[tuple[str, str], ...]
    """The pairs."""
    claims: list[tuple[int, Dialect, Callable[[Span], bool]]]
    otherwise: tuple[int, Dialect]
    """The convention whose own scope it is; else the last one."""


@lru_cache(maxsize=512)
def _signs(scope: str) -> _Signs:
    """Return the signs to look for on spans of a scope; where the scope itself settles it nothing after that is tried."""
    markers: dict[Any, tuple[int, Dialect]] = {}
    claims: list[tuple[int, Dialect, Callable[[Span], bool]]] = []
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
