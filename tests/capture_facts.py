"""What a recorded capture must read as: its hand-written expectations against the API's traces."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Json = dict[str, Any]
Fact = tuple[str, Any, Any]
"""What is asked, what was driven, what Clew says."""

_CLASSES = {
    "input_tokens": "input_tokens_total",
    "output_tokens": "output_tokens_total",
    "cache_read_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "reasoning_tokens": "reasoning_tokens",
}

_FINISH = {
    "stop": {"stop", "end_turn", "STOP", "completed"},
    "tool_calls": {"tool_calls", "tool_use", "tool_call", "tool-calls", "function_call", "completed", "STOP", "stop"},
    "length": {"length", "max_tokens", "MAX_TOKENS", "incomplete", "max_output_tokens"},
}
"""Gemini and the Responses API have no word of their own for a reply that asks for a tool."""


def facts(expect: Json, gaps: Json, traces: Sequence[Json]) -> Iterator[Fact]:
    """Yield every fact of a capture that its payload carries."""
    runs = [run for trace in traces for run in trace["runs"]]
    steps = list(_all_steps(traces))
    carried = _Carried(gaps)
    # Where nothing else tells two calls apart, they are told in the order of time.
    calls = sorted((step for step in steps if step["kind"] == "llm"), key=lambda step: str(step["started_at"]))
    yield "model calls", len(expect["calls"]), len(calls)
    left = list(calls)
    for call in expect["calls"]:
        if not left:
            break
        wanted = _wanted_usage(call, carried)
        best = max(left, key=lambda step: _agreement(step, call, wanted))
        left.remove(best)
        yield from _call_facts(call, wanted, best, carried, steps)
    yield from _tool_facts(expect, steps)
    yield from _run_facts(expect, carried, runs)


class _Carried:
    """Which driven facts the payload carries, and which it states differently."""

    def __init__(self, gaps: Json) -> None:
        self._gone = {(gap["call"], gap["field"]) for kind in ("absent", "not_an_attribute") for gap in gaps.get(kind, [])}
        self.stated: Mapping[tuple[int, str], Any] = {(gap["call"], gap["field"]): gap["payload"] for gap in gaps.get("deviations", [])}

    def __call__(self, call: int | None, field: str) -> bool:
        return (call, field) not in self._gone


def _all_steps(traces: Iterable[Json]) -> Iterator[Json]:
    for trace in traces:
        stack = [step for run in trace["runs"] for step in run["steps"]] + trace["orphan_steps"]
        while stack:
            step = stack.pop()
            yield step
            stack.extend(step["children"])


def _wanted_usage(call: Json, carried: _Carried) -> dict[str, int]:
    usage = call.get("usage") or {}
    wanted = {}
    for ours, theirs in _CLASSES.items():
        value = carried.stated.get((call["n"], theirs), usage.get(theirs))
        if value is not None and carried(call["n"], theirs):
            wanted[ours] = value
    return wanted


def _agreement(step: Json, call: Json, wanted: Mapping[str, int]) -> int:
    usage = step["usage"] or {}
    same = sum(int((usage.get(name) or 0) == value) for name, value in wanted.items())
    return same + 2 * int((step["status"] == "error") == bool(call["error"]))


def _call_facts(call: Json, wanted: Mapping[str, int], step: Json, carried: _Carried, steps: Sequence[Json]) -> Iterator[Fact]:
    number, usage = call["n"], step["usage"] or {}
    for name, value in wanted.items():
        yield f"call {number} {name}", value, usage.get(name) or 0
    models = {call.get(field) for field in ("request_model", "response_model") if call.get(field) and carried(number, field)}
    if models:
        yield f"call {number} model", True, step["model"] in models
    normal = call.get("finish_reason_normalised")
    if normal and carried(number, "finish_reason"):
        said = step["finish_reason"]
        yield f"call {number} finish reason ({said})", True, said == call["finish_reason"] or said in _FINISH[normal]
    yield f"call {number} failed", bool(call["error"]), step["status"] == "error"
    if call.get("thinking") and carried(number, "thinking"):
        thoughts = json.dumps([other["thought"] for other in steps], ensure_ascii=False).replace('\\"', '"')
        yield f"call {number} thought", True, call["thinking"] in thoughts


def _tool_facts(expect: Json, steps: Sequence[Json]) -> Iterator[Fact]:
    tools = [step for step in steps if step["kind"] == "tool"]
    yield "tools", Counter(tool["name"] for tool in expect["tool_calls"]), Counter(step["tool"]["name"] for step in tools)
    failed = [step["tool"]["name"] for step in tools if step["status"] == "error" or step["tool"]["error"]]
    yield "failed tools", Counter(tool["name"] for tool in expect["tool_calls"] if tool["error"]), Counter(failed)


def _run_facts(expect: Json, carried: _Carried, runs: Sequence[Json]) -> Iterator[Fact]:
    for field, driven in (("session_id", "session_ids"), ("user_id", "user_ids")):
        if carried(None, field):
            yield driven, set(), set(expect[driven]) - {run[field] for run in runs}
    yield "every run says why it stopped", True, bool(runs) and all(run["termination"]["reason"] for run in runs)
    whole = all(carried(call["n"], f"{part}_tokens_total") for call in expect["calls"] for part in ("input", "output"))
    if whole and not carried.stated:
        top = [run["usage"] for run in runs if run["parent_run_id"] is None]
        for part in ("input_tokens", "output_tokens"):
            yield f"bill: {part}", expect["totals"][f"{part}_total"], sum(usage[part] or 0 for usage in top)
