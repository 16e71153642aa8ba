"""Holds what Clew shows of a trace against the ledger of truth, fact by fact."""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ingest.dialects.values import TEXT_CHARS
from sample_agent.models.prices import usd_of
from sample_agent.models.types import Tokens

Json = dict[str, Any]


@dataclass
class Comparison:
    """How many facts were compared, of which kind, and where the two differ."""

    facts: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    def same(self, where: str, kind: str, shown: Any, true: Any) -> None:
        """Compare one fact."""
        self.facts += 1
        self.by_kind[kind] = self.by_kind.get(kind, 0) + 1
        if isinstance(shown, float) and isinstance(true, float) and math.isclose(shown, true, rel_tol=1e-9, abs_tol=1e-9):
            return
        if shown != true:
            self.differences.append(f"{where}: {kind}: Clew shows {shown!r:.300}, the ledger has {true!r:.300}")


def compare(trace: Json, spans: list[Json], ledger: list[Json]) -> Comparison:
    """Compare a whole trace, as the API answers it, with the ledger of its request."""
    found = Comparison()
    runs = {run["run_id"]: run for run in trace["runs"]}
    tops = [run for run in trace["runs"] if run["parent_run_id"] is None]
    found.same("trace", "state", trace["state"].replace("settling", "complete"), "complete")
    found.same("trace", "missing parents", trace["missing_parents"], 0)
    found.same("trace", "dropped", sum(trace["dropped"].values()), 0)
    found.same("trace", "orphans", len(trace["orphan_steps"]), 0)
    found.same("trace", "runs", len(tops), len(ledger))
    found.same("trace", "all runs", len(runs), sum(_count(one, "agent") for one in ledger))
    attributes = {span["span_id"]: span["attributes"] for span in spans}
    done = {one["call_id"] for top in ledger for one in _all(top) if one.get("call_id")}
    for run, entry in zip(tops, [_with_undone(one, done) for one in ledger], strict=False):
        _run(found, _Reader(runs, attributes), run, entry)
    return found


def _with_undone(entry: Json, done: set[str]) -> Json:
    """Return an entry with a step after each model call for every tool that it asked for and that was never called.

    A run may end between the asking and the calling. Clew shows what was asked for, as a step derived from the request.
    """
    steps: list[Json] = []
    for one in entry["steps"]:
        steps.append(_with_undone(one, done))
        for asked in one.get("tool_requests", ()):
            if asked["id"] not in done:
                kind = "handoff" if asked["name"].startswith("transfer_to_") else "tool"
                steps.append({"kind": kind, "derived": True, **asked, "steps": [], "error": None})
    return {**entry, "steps": steps}


@dataclass
class _Reader:
    runs: Mapping[str, Json]
    attributes: Mapping[str, Json]


_RUN_FACTS = ("agent", "input", "output", "environment", "version")


def _run(found: Comparison, reader: _Reader, run: Json, entry: Json) -> None:
    where = entry["agent"]
    for name in _RUN_FACTS:
        if name in entry:
            found.same(where, name, run[name], _bounded(entry[name]))
    for name, key in (("session", "session_id"), ("user", "user_id")):
        if name in entry:
            found.same(where, name, run[key], entry[name])
    found.same(where, "references", run["references"], entry.get("references", {}))
    ended = entry["termination"]
    found.same(where, "termination", run["termination"]["reason"], ended["reason"])
    found.same(where, "termination detail", run["termination"]["detail"], ended["detail"])
    found.same(where, "termination source", run["termination"]["source"], "declared")
    if "budget" in entry:
        for name in ("tokens", "usd", "steps"):
            found.same(where, f"budget {name}", run["budget"][name], entry["budget"][name])
    _totals(found, where, run, entry)
    _steps(found, reader, where, run["steps"], entry["steps"])
    _numbers(found, where, run["steps"])


def _totals(found: Comparison, where: str, run: Json, entry: Json) -> None:
    calls = [one for one in _all(entry) if one["kind"] == "llm"]
    answered = [one for one in calls if not one["error"]]
    found.same(where, "model calls", run["llm_calls"], len(calls))
    found.same(where, "tool calls", run["tool_calls"], _count(entry, "tool"))
    for name in _TOKENS:
        if answered:
            stated = [count for one in answered if (count := _stated(one, name)) is not None]
            found.same(where, f"sum of {name}", run["usage"][name], sum(stated) if stated else None)
    costs = [_usd(one) for one in answered]
    if costs:
        found.same(where, "cost", run["cost_usd"], round(sum(costs), 9))
    found.same(where, "unpriced calls", run["unpriced_calls"], 0)


def _numbers(found: Comparison, where: str, steps: list[Json]) -> None:
    """Steps are numbered in reading order, and siblings begin in that order."""
    flat = list(_flat(steps))
    found.same(where, "numbering", [step["index"] for step in flat], list(range(1, len(flat) + 1)))
    found.same(where, "order in time", [step["started_at"] for step in steps], sorted(step["started_at"] for step in steps))


def _steps(found: Comparison, reader: _Reader, where: str, steps: list[Json], entries: list[Json]) -> None:
    shown, true = [step["kind"] for step in steps], [entry["kind"] for entry in entries]
    found.same(where, "kinds of steps", shown, true)
    if shown != true:
        return
    for number, (step, entry) in enumerate(zip(steps, entries, strict=True), 1):
        here = f"{where} > {number} {entry['kind']} {entry.get('name', '')}"
        _KINDS[entry["kind"]](found, reader, here, step, entry)
        if entry["kind"] == "agent":
            _run(found, reader, reader.runs[step["run_id"]], entry)
        elif not entry.get("derived"):
            found.same(here, "status", step["status"], "error" if entry.get("error") or entry.get("status") == "error" else "ok")
            if "raised" in entry:
                found.same(here, "what ended it", entry["raised"] in (step["error"] or ""), True)
            _steps(found, reader, here, step["children"], entry["steps"])


_Compare = Callable[[Comparison, _Reader, str, Json, Json], None]

_TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")


def _llm(found: Comparison, reader: _Reader, where: str, step: Json, entry: Json) -> None:
    found.same(where, "model", step["model"], entry["model"])
    found.same(where, "provider", step["provider"], entry["provider"])
    if entry["error"]:
        found.same(where, "usage of a failed call", step["usage"], None)
        found.same(where, "why the call failed", _fault(step["error"]), _fault(entry["error"]))
        return
    thought = "\n\n".join(entry["thinking"]) or (entry["text"] if entry["tool_requests"] else None) or None
    found.same(where, "thought", step["thought"], thought)
    found.same(where, "words", step["output"], entry["text"] or None)
    found.same(where, "finish reason", step["finish_reason"], entry["finish_reason"])
    for name in _TOKENS:
        found.same(where, name, step["usage"][name], _stated(entry, name))
    found.same(where, "cost", step["cost_usd"], round(_usd(entry), 9))
    found.same(where, "reply id", reader.attributes[step["span_id"]].get("gen_ai.response.id"), entry["response_id"])
    _asked(found, where, step, entry)


def _asked(found: Comparison, where: str, step: Json, entry: Json) -> None:
    """Compare the choice that asking for a tool is."""
    asked = list(dict.fromkeys(one["name"] for one in entry["tool_requests"]))
    if not asked or not entry["tools_offered"]:
        found.same(where, "derived choice", step["decision"], None)
        return
    found.same(where, "tool chosen", step["decision"]["chosen"], ", ".join(asked))
    found.same(where, "tools offered", [one["name"] for one in step["decision"]["alternatives"]], _unique(entry["tools_offered"], asked))
    found.same(where, "choice is derived", step["decision"]["source"], "derived")


def _tool(found: Comparison, reader: _Reader, where: str, step: Json, entry: Json) -> None:
    tool = step["tool"]
    if entry.get("derived"):
        shown = (tool["name"], tool["call_id"], tool["arguments"], tool["result"])
        found.same(where, "tool asked for, not called", shown, (entry["name"], entry["id"], entry["arguments"], None))
        # A ceiling of the tracer may cut a call off that has begun: it has a span then, which says so.
        is_cut = tool["source"] == "span" and "budget exhausted" in (tool["error"] or "")
        found.same(where, "tool was not called", is_cut or tool["source"] == "derived", True)
        return
    found.same(where, "tool name", tool["name"], entry["name"])
    found.same(where, "call id", tool["call_id"], entry["call_id"])
    found.same(where, "arguments", tool["arguments"], entry["arguments"])
    found.same(where, "result", _parsed(tool["result"]), entry["result"])
    found.same(where, "error", tool["error"], entry["error"])
    found.same(where, "tool is spanned", tool["source"], "span")


def _decision(found: Comparison, reader: _Reader, where: str, step: Json, entry: Json) -> None:
    shown, true = step["decision"], entry["decision"]
    for name in ("question", "chosen", "because", "source"):
        found.same(where, f"choice: {name}", shown[name], true[name])
    found.same(where, "options", len(shown["alternatives"]), len(true["alternatives"]))
    for one, other in zip(shown["alternatives"], true["alternatives"], strict=False):
        for name in ("name", "score", "because"):
            found.same(where, f"option: {name}", one[name], other[name])


def _guardrail(found: Comparison, reader: _Reader, where: str, step: Json, entry: Json) -> None:
    found.same(where, "name", step["name"], entry["name"])
    found.same(where, "subject", step["input"], entry["subject"])
    found.same(where, "verdict", _parsed(step["output"]), {"verdict": entry["verdict"], "because": entry["because"]})


def _retrieval(found: Comparison, reader: _Reader, where: str, step: Json, entry: Json) -> None:
    found.same(where, "query", step["input"], entry["query"])
    documents = _parsed(step["output"]) or []
    found.same(where, "documents", [one["id"] for one in documents], entry["documents"])


def _memory(found: Comparison, reader: _Reader, where: str, step: Json, entry: Json) -> None:
    found.same(where, "name", step["name"], entry["name"])
    found.same(where, "remembered", step["output"], entry["text"])


def _named(found: Comparison, reader: _Reader, where: str, step: Json, entry: Json) -> None:
    """Compare a step or a plan."""
    found.same(where, "name", step["name"], entry["name"])
    for name in ("thought", "output", "error"):
        if name in entry:
            found.same(where, name, step[name], entry[name])


def _retry(found: Comparison, reader: _Reader, where: str, step: Json, entry: Json) -> None:
    found.same(where, "attempt", step["name"], f"retry {entry['attempt']} of {entry['of']}")
    found.same(where, "why again", step["thought"], entry["because"])
    found.same(where, "delay", reader.attributes[step["span_id"]].get("clew.retry.delay_s"), float(entry["delay_s"]))


def _repair(found: Comparison, reader: _Reader, where: str, step: Json, entry: Json) -> None:
    found.same(where, "attempt", step["name"], f"repair {entry['attempt']} of {entry['of']}")
    found.same(where, "what was invalid", step["input"], entry["errors"])


def _fallback(found: Comparison, reader: _Reader, where: str, step: Json, entry: Json) -> None:
    decision = step["decision"]
    found.same(where, "fallback to", decision["chosen"], entry["to"])
    found.same(where, "fallback from", [one["name"] for one in decision["alternatives"]], [entry["source"], entry["to"]])
    found.same(where, "why another", decision["because"], entry["because"])


def _breaker(found: Comparison, reader: _Reader, where: str, step: Json, entry: Json) -> None:
    found.same(where, "breaker", step["output"], entry["state"])
    found.same(where, "why the breaker changed", step["thought"], entry["because"])


def _cache(found: Comparison, reader: _Reader, where: str, step: Json, entry: Json) -> None:
    found.same(where, "cache", step["name"], f"cache {entry['name']}")
    found.same(where, "hit", step["output"], "hit" if entry["hit"] else "miss")
    found.same(where, "saved", reader.attributes[step["span_id"]].get("clew.cache.saved_usd"), entry["saved_usd"])


def _handoff(found: Comparison, reader: _Reader, where: str, step: Json, entry: Json) -> None:
    if entry.get("derived"):
        found.same(where, "hand-off asked for, not made", (step["name"], step["tool"]["arguments"]), (entry["name"], entry["arguments"]))
        return
    found.same(where, "handed to", step["name"], f"handoff to {entry['name']}")
    found.same(where, "why handed over", step["thought"], entry["thought"])
    if "input" in entry:
        found.same(where, "task", step["input"], entry["input"])


def _agent(found: Comparison, reader: _Reader, where: str, step: Json, entry: Json) -> None:
    found.same(where, "name", step["name"], entry["agent"])


_KINDS: dict[str, _Compare] = {
    "llm": _llm, "tool": _tool, "decision": _decision, "guardrail": _guardrail, "retrieval": _retrieval, "memory": _memory, "plan": _named,
    "other": _named, "retry": _retry, "repair": _repair, "fallback": _fallback, "breaker": _breaker, "cache": _cache, "handoff": _handoff,
    "agent": _agent,
}  # fmt: skip

_FAULTS = (
    ("rate limited", r"429|rate"), ("overloaded", r"529|overloaded"), ("timed out", r"timed? ?out"), ("connection", r"connection"),
    ("unreadable", r"unreadable|JSON|decod|attribute|type ?error"), ("failed", r"\b5\d\d\b|failed"), ("refused", r"\b4\d\d\b|refused"),
)  # fmt: skip


def _fault(text: str | None) -> str | None:
    """Name a fault, whoever words it: the client's exception on the span, our own words in the ledger."""
    return next((name for name, pattern in _FAULTS if re.search(pattern, text or "", re.IGNORECASE)), text)


def _stated(entry: Json, name: str) -> int | None:
    """Return a token count, None where the provider's API has no such class: OpenAI counts no writing to its cache."""
    return None if name == "cache_write_tokens" and entry["provider"] == "openai" else entry[name]


def _bounded(text: Any) -> Any:
    """Return a text as long as the API shows it: the whole is in the span's attributes."""
    return text[:TEXT_CHARS] if isinstance(text, str) else text


def _usd(entry: Json) -> float:
    tokens = Tokens(entry["input_tokens"], entry["output_tokens"], entry["cache_read_tokens"], entry["cache_write_tokens"])
    cost = usd_of(tokens, entry["model"], entry["provider"])
    assert cost is not None, entry["model"]
    return cost


def _all(entry: Json) -> Iterable[Json]:
    for one in entry["steps"]:
        yield one
        yield from _all(one)


def _flat(steps: list[Json]) -> Iterable[Json]:
    for step in steps:
        yield step
        yield from _flat(step["children"])


def _count(entry: Json, kind: str) -> int:
    return int(entry["kind"] == kind) + sum(_count(one, kind) for one in entry["steps"])


def _unique(*lists: list[str]) -> list[str]:
    return list(dict.fromkeys(name for one in lists for name in one))


def _parsed(text: str | None) -> Any:
    try:
        return json.loads(text) if text is not None else None
    except ValueError:
        return text
