"""Spans and log records into facts: choose the dialect, let it read. A new convention is a new module with a ``DIALECT``."""

import logging
import pkgutil
from collections.abc import Iterable
from importlib import import_module

from ingest.model import Facts, LogRecord, Span

from .dialect import Dialect
from .logs import read_log
from .read import read_span

log = logging.getLogger(__name__)

_PACKAGE = __name__.rsplit(".", 1)[0]
_MACHINERY = frozenset({"normalise"})


def _discover() -> Iterable[Dialect]:
    package = import_module(_PACKAGE)
    for module in pkgutil.iter_modules(package.__path__):
        if module.name in _MACHINERY:
            continue
        found = import_module(f"{_PACKAGE}.{module.name}")
        yield from getattr(found, "DIALECTS", ())
        if hasattr(found, "DIALECT"):
            yield found.DIALECT


DIALECTS = tuple(sorted(_discover(), key=lambda dialect: dialect.order))
"""Every dialect there is, in the order in which they are tried."""

NONE = Dialect("none", 999)
"""A span of no known convention: its errors, its sender, and our own names are read all the same."""

_KEYED = tuple((dialect, frozenset(dialect.marks)) for dialect in DIALECTS)


def dialect_of(span: Span) -> Dialect:
    """Return the dialect that a span is written in. Decided for each span: one trace often mixes several."""
    scope, keys = span.scope.name, span.attributes.keys()
    for dialect, marks in _KEYED:
        if scope in dialect.scopes or (dialect.scope_prefixes and scope.startswith(dialect.scope_prefixes)):
            return dialect
        if marks and not marks.isdisjoint(keys):
            return dialect
        if dialect.recognises is not None and dialect.recognises(span):
            return dialect
    return NONE


def normalise(span: Span) -> Facts:
    """Say in one vocabulary what a span says. Never raises on account of the span: what cannot be read is left out."""
    try:
        return read_span(span, dialect_of(span))
    except Exception:
        # Everything here was made by strangers. The span is stored whole whatever it means, and a later version reads it anew.
        log.exception("cannot read span %s", span.span_id.hex())
        return Facts(failed=span.status_code == 2)


def normalise_log(record: LogRecord) -> Facts:
    """Say what a log record says of its span; nothing where it says nothing that is known."""
    try:
        return read_log(record)
    except Exception:
        log.exception("cannot read a log record of span %s", record.span_id.hex())
        return Facts()
