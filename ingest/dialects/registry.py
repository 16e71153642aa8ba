"""Which convention a span follows. A convention is added by adding a module to ``conventions``: it is found there by itself."""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from functools import lru_cache

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
    for dialect, marker, claims in _signs(span.scope.name):
        if marker in attributes if marker is not None else claims(span):
            return dialect
    return _LAST


_Sign = tuple[Dialect, str | None, Callable[[Span], bool]]
"""A convention, and an attribute or else a claim that tells it."""


def _settled(span: Span) -> bool:
    return True


@lru_cache(maxsize=512)
def _signs(scope: str) -> tuple[_Sign, ...]:
    """Return the signs to look for on spans of a scope, in order; where the scope itself settles it nothing after that is tried."""
    signs: list[_Sign] = []
    for dialect in DIALECTS:
        if scope in dialect.scopes or (dialect.scope_prefixes and scope.startswith(dialect.scope_prefixes)):
            signs.append((dialect, None, _settled))
            break
        signs.extend((dialect, marker, _settled) for marker in dialect.markers)
        if dialect.claims is not None:
            signs.append((dialect, None, dialect.claims))
    return tuple(signs)
