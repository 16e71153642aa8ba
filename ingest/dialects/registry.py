"""Which convention a span follows. A convention is added by adding a module to ``conventions``: it is found there by itself."""

import importlib
import pkgutil
from collections.abc import Sequence
from functools import lru_cache

from ingest.model import Span

from . import conventions
from .dialect import Dialect
from .reading import KeyTable, key_table


def _discover() -> tuple[Dialect, ...]:
    found = [importlib.import_module(f"{conventions.__name__}.{module.name}").DIALECT for module in pkgutil.iter_modules(conventions.__path__)]
    return tuple(sorted(found, key=lambda dialect: (dialect.rank, dialect.name)))


DIALECTS: Sequence[Dialect] = _discover()
"""Every convention, in the order in which they are tried."""

TABLES: dict[str, KeyTable] = {dialect.name: key_table(dialect.keys) for dialect in DIALECTS}
"""The keys of each convention."""

_LAST = DIALECTS[-1]


def recognise(span: Span) -> Dialect:
    """Return the first convention that claims a span; the last one claims every span."""
    attributes = span.attributes
    for dialect, by_scope in _candidates(span.scope.name):
        if by_scope:
            return dialect
        for marker in dialect.markers:
            if marker in attributes:
                return dialect
        if dialect.claims is not None and dialect.claims(span):
            return dialect
    return _LAST


@lru_cache(maxsize=4096)
def _candidates(scope: str) -> tuple[tuple[Dialect, bool], ...]:
    """Return the conventions to try for a scope, and whether the scope itself settles it: nothing after that one is tried."""
    tried: list[tuple[Dialect, bool]] = []
    for dialect in DIALECTS:
        settled = scope in dialect.scopes or (dialect.scope_prefixes != () and scope.startswith(dialect.scope_prefixes))
        tried.append((dialect, settled))
        if settled:
            break
    return tuple(tried)
