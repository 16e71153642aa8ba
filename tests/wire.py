"""Builders of spans as they come over the wire, for tests of what stores and reads them."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from ingest.chain.reconstruct import TraceContext, reconstruct
from ingest.model import LogRecord, Resource, Scope, Span, Trace
from ingest.store.derived import ledger, rollup_day, rollup_hour
from ingest.store.engine import Store
from ingest.store.ledger import table_sums
from ingest.store.linker import REST_NS, Pace, link_dirty
from ingest.store.prepare import prepare
from ingest.store.reader import read_spans, read_trace
from ingest.store.writer import Segments, write_batches
from webui.api_json import dump, span_json, trace_json
from webui.cli.rulebook import make_rulebook

from .builders import SECOND, T0, TRACE_ID, span_id

RESOURCE = Resource({"service.name": "shop", "deployment.environment.name": "test"})
SCOPE = Scope("my.tracer", "1.0")
NOW = T0 + 3600 * SECOND


def wire_span(number: int, parent: int | None = None, at: float = 0.0, lasts: float = 1.0, **fields: Any) -> Span:
    """Build a span that starts ``at`` seconds after T0; ``attributes`` and all else are fields of the span."""
    start = T0 + round(at * SECOND)
    values: dict[str, Any] = {
        "trace_id": TRACE_ID,
        "span_id": span_id(number),
        "parent_span_id": span_id(parent) if parent is not None else b"",
        "name": f"span {number}",
        "kind": 1,
        "start_ns": start,
        "end_ns": start + round(lasts * SECOND),
        "status_code": 0,
        "status_message": "",
        "attributes": {},
        "events": [],
        "links": [],
        "resource": RESOURCE,
        "scope": SCOPE,
    }
    return Span(**{**values, **fields})


def agent_span(number: int, name: str = "scheduler", parent: int | None = None, **fields: Any) -> Span:
    """Build an agent invocation of ten seconds."""
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name} | fields.pop("attributes", {})
    return wire_span(number, parent, **{"lasts": 10.0, "name": f"invoke_agent {name}", "attributes": attributes, **fields})


def _part(kind: str, content: str) -> dict[str, str]:
    return {"type": kind, "content": content}


def llm_span(number: int, parent: int | None = None, tokens: tuple[int, int] = (100, 10), **fields: Any) -> Span:
    """Build a model call that thinks and answers."""
    said = [_part("reasoning", f"pondering {number}"), _part("text", f"answer {number}")]
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4.1",
        "gen_ai.response.model": "gpt-4.1",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": tokens[0],
        "gen_ai.usage.output_tokens": tokens[1],
        "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [_part("text", f"question {number}")]}]),
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": said}]),
    } | fields.pop("attributes", {})
    return wire_span(number, parent, **{"name": "chat gpt-4.1", "kind": 3, "attributes": attributes, **fields})


def tool_span(number: int, name: str, parent: int | None = None, **fields: Any) -> Span:
    """Build a tool execution."""
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name} | fields.pop("attributes", {})
    return wire_span(number, parent, **{"lasts": 0.2, "name": f"execute_tool {name}", "attributes": attributes, **fields})


def started_span(number: int, run: int, agent: str, **fields: Any) -> Span:
    """Build what the SDK sends when a run opens: a child of it without length, which speaks for it until it ends."""
    said = {
        "clew.step.kind": "agent",
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": agent,
        "clew.agent.name": agent,
        "clew.run.id": span_id(run).hex(),
        "clew.announce": "started",
        "clew.announce.name": f"invoke_agent {agent}",
    } | fields.pop("attributes", {})
    return wire_span(number, run, **{"lasts": 0.0, "name": "clew started", "attributes": said, **fields})


def run_spans(calls: int = 3, **fields: Any) -> list[Span]:
    """Build an agent run: model calls and tools in turn, session ``s-1``, user ``ada``, order ``12345``."""
    named = {"session.id": "s-1", "user.id": "ada", "clew.reference.order": "12345"}
    spans = [agent_span(1, attributes=named, **fields)]
    for call in range(calls):
        spans.append(llm_span(10 + call, 1, at=1.0 + call, **fields))
        spans.append(tool_span(50 + call, "search", 1, at=1.5 + call, **fields))
    return spans


def store_spans(store: Store, spans: Sequence[Span], logs: Sequence[LogRecord] = (), now_ns: int = NOW, project_id: int = 1) -> None:
    """Store spans as one request."""
    write_batches(store, [prepare(project_id, spans, logs, now_ns)], Segments())


def link_all(store: Store, now_ns: int = NOW) -> None:
    """Link until nothing is due."""
    rules, pace = make_rulebook(store), Pace()
    while link_dirty(store, lambda: now_ns + REST_NS, rules, pace).traces:
        pass


def stored_trace(store: Store, trace_id: bytes, now_ns: int, project_id: int = 1) -> Trace:
    """Return a stored trace, reconstructed."""
    with store.engine.connect() as conn:
        stored = read_trace(conn, project_id, trace_id)
    assert stored is not None
    prices = make_rulebook(store).prices
    return reconstruct(stored.spans, TraceContext(trace_id, stored.first_seen_ns, stored.last_seen_ns, now_ns, prices.price))


def answer(store: Store, trace_id: bytes = TRACE_ID, now_ns: int = NOW + 3600 * SECOND, project_id: int = 1) -> bytes:
    """Return what the API answers of a trace and of its spans."""
    with store.engine.connect() as conn:
        whole = read_spans(conn, project_id, trace_id)
    return dump([trace_json(stored_trace(store, trace_id, now_ns, project_id), "default"), [span_json(span) for span in whole]])


def bill(store: Store, project_id: int = 1) -> list[tuple[int, ...]]:
    """Return the sums of ledger and roll-ups, which must be equal."""
    return [table_sums(store, table, project_id) for table in (ledger, rollup_hour, rollup_day)]


def in_trace(spans: Iterable[Span], trace_id: bytes) -> list[Span]:
    """Return the same spans as another trace's."""
    return [_moved(span, trace_id) for span in spans]


def _moved(span: Span, trace_id: bytes) -> Span:
    fields = {name: getattr(span, name) for name in Span.__struct_fields__}
    return Span(**{**fields, "trace_id": trace_id})
