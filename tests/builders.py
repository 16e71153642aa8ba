"""Builders of traces for tests: small words that make stored spans, and an outline to compare with."""

from collections.abc import Iterable
from typing import Any

from ingest.chain.reconstruct import TraceContext, reconstruct
from ingest.chain.steps import Price
from ingest.model import Facts, Run, Step, StoredSpan, ToolRequest, ToolResult, Trace, Usage

T0 = 1_760_000_000_000_000_000
SECOND = 1_000_000_000
TRACE_ID = bytes.fromhex("5b8efff798038103d269b633813fc60c")


def span_id(number: int) -> bytes:
    """Return the id of the span with this number."""
    return number.to_bytes(8, "big")


def span(number: int, parent: int | None = None, at: float = 0.0, lasts: float = 1.0, **facts: Any) -> StoredSpan:
    """Build a span that starts ``at`` seconds after T0; what is no fact is a field of the span."""
    fields = {key: facts.pop(key) for key in ("name", "scope", "status_code", "dropped_attributes") if key in facts}
    start = T0 + round(at * SECOND)
    return StoredSpan(
        span_id=span_id(number),
        parent_span_id=span_id(parent) if parent is not None else b"",
        name=fields.pop("name", f"span {number}"),
        start_ns=start,
        end_ns=start + round(lasts * SECOND),
        status_code=fields.pop("status_code", 0),
        facts=Facts(**facts),
        **fields,
    )


def agent(number: int, name: str, parent: int | None = None, at: float = 0.0, lasts: float = 10.0, **facts: Any) -> StoredSpan:
    """Build an agent span."""
    facts = {"operation": "invoke_agent", **facts}
    return span(number, parent, at, lasts, kind="agent", agent_name=name, name=f"invoke_agent {name}", **facts)


def llm(number: int, parent: int | None = None, at: float = 0.0, lasts: float = 1.0, **facts: Any) -> StoredSpan:
    """Build a model call with 100 tokens in and 10 out unless told otherwise."""
    facts = {"usage": Usage(100, 10), "request_model": "gpt-4.1", "provider": "openai", "operation": "chat", **facts}
    return span(number, parent, at, lasts, kind="llm", name="chat gpt-4.1", **facts)


def tool(number: int, name: str, parent: int | None = None, at: float = 0.0, lasts: float = 0.2, **facts: Any) -> StoredSpan:
    """Build a tool execution."""
    return span(number, parent, at, lasts, kind="tool", tool_name=name, name=f"execute_tool {name}", operation="execute_tool", **facts)


def asks(*names: str) -> list[ToolRequest]:
    """Build requests for tools, with call ids made of their names."""
    return [ToolRequest(f"call_{name}", name, {}) for name in names]


def told(name: str, result: str, *, is_error: bool = False) -> ToolResult:
    """Build the result of a tool as the next call is told it."""
    return ToolResult(f"call_{name}", result, is_error)


def no_price(*_: object) -> None:
    """Know no price."""


def micro(provider: str | None, model: str | None, usage: Usage, at_ns: int) -> int:
    """Price every token at a micro-dollar."""
    return 1000 * ((usage.input_tokens or 0) + (usage.output_tokens or 0))


def chain(*spans: StoredSpan, now: float = 3600.0, price: Price = micro) -> Trace:
    """Reconstruct a trace whose spans all arrived with the last one's end."""
    seen = max((s.end_ns for s in spans), default=T0)
    return reconstruct(spans, TraceContext(TRACE_ID, T0, seen, T0 + round(now * SECOND), price))


def outline(trace: Trace) -> str:
    """Tell a trace as indented text: runs with their reason, steps with their kind, name and what sets them apart."""
    lines: list[str] = []
    for run in trace.runs:
        lines.append(_run_line(run))
        lines.extend(_step_lines(run.steps, 1))
    if trace.orphan_steps:
        lines.append("outside:")
        lines.extend(_step_lines(trace.orphan_steps, 1))
    return "\n".join(lines) + "\n"


def _run_line(run: Run) -> str:
    inside = f" in {run.parent_run_id.hex()[-2:]}" if run.parent_run_id else ""
    return f"{run.agent}{inside}: {run.termination.reason}"


def _step_lines(steps: Iterable[Step], depth: int) -> Iterable[str]:
    for step in steps:
        words = [str(step.index), step.kind, step.name]
        if step.tool is not None and step.tool.source == "derived":
            words.append("(derived)")
        if step.tool is not None and step.tool.result is not None:
            words.append(f"-> {step.tool.result}")
        if step.status == "error":
            words.append(f"! {step.error}")
        yield "  " * depth + " ".join(words)
        yield from _step_lines(step.children, depth + 1)
