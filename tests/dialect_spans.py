"""Builders of spans and log records as instrumentations send them."""

import json
from typing import Any

from ingest.dialects.normalise import normalise
from ingest.model import Event, Facts, LogRecord, Resource, Scope, Span, Usage

T0 = 1_700_000_000_000_000_000


def span(attributes: dict[str, Any] | None = None, name: str = "chat m", scope: str = "", **fields: Any) -> Span:
    """Build a span of one second; ``events`` are (name, attributes) pairs."""
    events = [Event(title, T0, said) for title, said in fields.pop("events", [])]
    resource = Resource(fields.pop("resource", {"service.name": "shop"}))
    values: dict[str, Any] = {
        "trace_id": b"t" * 16, "span_id": b"s" * 8, "parent_span_id": b"", "kind": 1, "start_ns": T0, "end_ns": T0 + 10**9,
        "status_code": 0, "status_message": "", "links": [],
    }  # fmt: skip
    return Span(name=name, attributes=attributes or {}, events=events, resource=resource, scope=Scope(scope), **{**values, **fields})


def read(attributes: dict[str, Any] | None = None, name: str = "chat m", scope: str = "", **fields: Any) -> Facts:
    """Return what a span says."""
    return normalise(span(attributes, name, scope, **fields))


def log(event_name: str, body: Any = None, attributes: dict[str, Any] | None = None, scope: str = "", at: int = 0) -> LogRecord:
    """Build a log record of a span."""
    said = attributes or {}
    return LogRecord(b"t" * 16, b"s" * 8, T0 + at, event_name, 9, "INFO", body, said, Resource({}), Scope(scope))


def counted(facts: Facts) -> tuple[int | None, ...]:
    """Return input, output, cache read, cache write and reasoning tokens."""
    usage = facts.usage or Usage()
    return (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens, usage.reasoning_tokens)


def as_json(value: Any) -> str:
    """Return a value as JSON."""
    return json.dumps(value)
