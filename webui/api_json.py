"""Values into the API's JSON: what a program reads. Shapes are those of the published contract; ``null`` means unknown.

Money is written from integer nano-dollars as an exact decimal, so that a reader who sums it in decimals gets the bill.
"""

import math
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from ingest.model import Decision, Event, Link, Run, Span, Step, ToolCall, Trace, TraceSummary, Usage

Json = dict[str, Any]

_NANOS = 1_000_000_000
_MAX_SECONDS = 253_402_300_799
"""The last second of the year 9999, the last that RFC 3339 can say."""
_MAX_DEPTH = 200
_OPTIONS = orjson.OPT_NON_STR_KEYS


def dump(value: Any) -> bytes:
    """Return JSON bytes; what JSON cannot say (huge integers, bytes, endless nesting) is written as text."""
    try:
        return orjson.dumps(value, default=_as_text, option=_OPTIONS)
    except TypeError:
        return orjson.dumps(_plain(value, 0), default=_as_text, option=_OPTIONS)


def _as_text(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _plain(value: Any, depth: int) -> Any:
    """Copy a value with only what the encoder takes."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**64:
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict | list | tuple) and depth >= _MAX_DEPTH:
        return "[nested too deeply to show]"
    if isinstance(value, dict):
        return {_plain(str(key), depth): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, depth + 1) for item in value]
    return value


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(min(seconds, _MAX_SECONDS), UTC).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")


def timestamp(at_ns: int | None) -> str | None:
    """Return RFC 3339 in UTC with microseconds, or None for an unknown time."""
    if at_ns is None:
        return None
    seconds, nanos = divmod(at_ns, _NANOS)
    return f"{_second(seconds)}.{nanos // 1000:06d}Z"


def usd(nanos: int | None) -> orjson.Fragment | None:
    """Return the exact decimal of an amount in US dollars: 12345 nanos are 0.000012345."""
    return None if nanos is None else orjson.Fragment(usd_text(nanos))


def usd_text(nanos: int) -> str:
    """Write an amount of nano-dollars as a decimal number of dollars with one to nine places."""
    whole, part = divmod(abs(nanos), _NANOS)
    places = f"{part:09d}".rstrip("0") or "0"
    return f"{'-' if nanos < 0 else ''}{whole}.{places}"


def duration_ms(started_ns: int, ended_ns: int | None) -> float | None:
    """Return milliseconds between two times, to the microsecond."""
    return None if ended_ns is None else (ended_ns - started_ns) // 1000 / 1000


def usage_json(usage: Usage) -> Json:
    """Return a token count by class; ``null`` for a class nobody stated."""
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    }


def trace_json(trace: Trace, project: str) -> Json:
    """Return a whole trace."""
    trace_id = trace.trace_id.hex()
    return {
        "trace_id": trace_id,
        "project": project,
        "state": trace.state,
        "span_count": trace.span_count,
        "missing_parents": trace.missing_parents,
        "dropped": {
            "attributes": trace.dropped_attributes,
            "events": trace.dropped_events,
            "links": trace.dropped_links,
            "spans": trace.lost_spans,
        },
        "first_seen_at": timestamp(trace.first_seen_ns),
        "last_seen_at": timestamp(trace.last_seen_ns),
        "runs": [run_json(run, trace_id) for run in trace.runs],
        "orphan_steps": [step_json(step) for step in trace.orphan_steps],
    }


def run_json(run: Run, trace_id: str) -> Json:
    """Return one agent run with its steps."""
    totals, stop = run.totals, run.termination
    return {
        "run_id": run.run_id.hex(),
        "parent_run_id": run.parent_run_id.hex() if run.parent_run_id else None,
        "trace_id": trace_id,
        "agent": run.agent,
        "service": run.service,
        "version": run.version,
        "environment": run.environment,
        "session_id": run.session_id,
        "user_id": run.user_id,
        "references": run.references,
        "input": run.input,
        "output": run.output,
        "started_at": timestamp(run.started_ns),
        "ended_at": timestamp(run.ended_ns),
        "duration_ms": duration_ms(run.started_ns, run.ended_ns),
        "status": run.status,
        "termination": {
            "reason": stop.reason,
            "source": stop.source,
            "detail": stop.detail,
            "span_id": stop.span_id.hex() if stop.span_id else None,
        },
        "usage": usage_json(totals.usage),
        "cost_usd": usd(totals.cost_nanos),
        "unpriced_calls": totals.unpriced_calls,
        "budget": {"tokens": run.budget_tokens, "usd": usd(run.budget_nanos), "steps": run.budget_steps},
        "llm_calls": totals.llm_calls,
        "tool_calls": totals.tool_calls,
        "errors": totals.errors,
        "decisions": totals.decisions,
        "step_count": totals.steps,
        "steps": [step_json(step) for step in run.steps],
    }


def step_json(step: Step) -> Json:
    """Return one step with what happened inside it."""
    ended_ns = None if step.is_open else step.ended_ns
    return {
        "index": step.index,
        "span_id": step.span_id.hex(),
        "kind": step.kind,
        "name": step.name,
        "started_at": timestamp(step.started_ns),
        "ended_at": timestamp(ended_ns),
        "duration_ms": duration_ms(step.started_ns, ended_ns),
        "status": step.status,
        "error": step.error,
        "thought": step.thought,
        "input": step.input,
        "output": step.output,
        "usage": usage_json(step.usage) if step.usage is not None else None,
        "model": step.model,
        "provider": step.provider,
        "operation": step.operation,
        "finish_reason": step.finish_reason,
        "cost_usd": usd(step.cost_nanos),
        "cost_source": step.cost_source,
        "tool": _tool_json(step.tool) if step.tool is not None else None,
        "decision": _decision_json(step.decision) if step.decision is not None else None,
        "run_id": step.run_id.hex() if step.run_id else None,
        "children": [step_json(child) for child in step.children],
    }


def _tool_json(tool: ToolCall) -> Json:
    return {
        "name": tool.name,
        "call_id": tool.call_id,
        "arguments": tool.arguments,
        "result": tool.result,
        "error": tool.error,
        "source": tool.source,
    }


def _decision_json(decision: Decision) -> Json:
    return {
        "question": decision.question,
        "chosen": decision.chosen,
        "because": decision.because,
        "source": decision.source,
        "alternatives": [{"name": o.name, "because": o.because, "score": o.score} for o in decision.alternatives],
    }


def summary_json(summary: TraceSummary) -> Json:
    """Return what a list says of a trace."""
    totals = summary.totals
    usage = totals.usage
    return {
        "trace_id": summary.trace_id.hex(),
        "run_id": summary.run_id.hex(),
        "agent": summary.agent,
        "service": summary.service,
        "version": summary.version,
        "environment": summary.environment,
        "session_id": summary.session_id,
        "user_id": summary.user_id,
        "started_at": timestamp(summary.started_ns),
        "ended_at": timestamp(summary.ended_ns),
        "duration_ms": duration_ms(summary.started_ns, summary.ended_ns),
        "status": summary.status,
        "state": summary.state,
        "termination": {"reason": summary.termination, "source": summary.termination_source},
        "input": summary.input,
        "output": summary.output,
        "usage": usage_json(usage),
        "cost_usd": usd(totals.cost_nanos),
        "unpriced_calls": totals.unpriced_calls,
        "llm_calls": totals.llm_calls,
        "tool_calls": totals.tool_calls,
        "errors": totals.errors,
        "decisions": totals.decisions,
        "step_count": totals.steps,
        "span_count": summary.span_count,
        "run_count": summary.run_count,
    }


def span_json(span: Span) -> Json:
    """Return one span exactly as it is stored."""
    return {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_span_id": span.parent_span_id.hex() or None,
        "name": span.name,
        "kind": span.kind,
        "started_at": timestamp(span.start_ns),
        "ended_at": timestamp(span.end_ns),
        "start_unix_nano": str(span.start_ns),
        "end_unix_nano": str(span.end_ns),
        "status": {"code": span.status_code, "message": span.status_message},
        "trace_state": span.trace_state,
        "flags": span.flags,
        "attributes": span.attributes,
        "events": [_event_json(event) for event in span.events],
        "links": [_link_json(link) for link in span.links],
        "resource": {
            "attributes": span.resource.attributes,
            "dropped_attributes": span.resource.dropped_attributes,
            "schema_url": span.resource.schema_url,
        },
        "scope": {
            "name": span.scope.name,
            "version": span.scope.version,
            "attributes": span.scope.attributes,
            "dropped_attributes": span.scope.dropped_attributes,
            "schema_url": span.scope.schema_url,
        },
        "dropped": {"attributes": span.dropped_attributes, "events": span.dropped_events, "links": span.dropped_links},
        "repaired": span.repaired,
    }


def _event_json(event: Event) -> Json:
    return {
        "name": event.name,
        "time_unix_nano": str(event.time_ns),
        "attributes": event.attributes,
        "dropped_attributes": event.dropped_attributes,
    }


def _link_json(link: Link) -> Json:
    return {
        "trace_id": link.trace_id.hex(),
        "span_id": link.span_id.hex(),
        "trace_state": link.trace_state,
        "attributes": link.attributes,
        "dropped_attributes": link.dropped_attributes,
        "flags": link.flags,
    }
