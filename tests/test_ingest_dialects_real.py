"""Real agents' runs, where they lie beside the checkout: calls, tools and tokens as their authors' index counts them."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.otlp.protobuf import decode_traces

from .test_ingest_dialects_captures import NOW, answers

REAL = Path(__file__).resolve().parents[2] / "shared" / "real"

pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="the recordings of real runs are not beside this checkout")

OTHERWISE = frozenset({"agno-2025-06-11", "koog-2025-08-26"})
"""Runs that the index counts by other rules: a framework's call span and the client's below it as two calls, and spans of
executed tools that name no operation as none."""


def entries(*datasets: str) -> list[dict[str, Any]]:
    """Return what is known of each run."""
    index = REAL / "index.jsonl"
    known = [json.loads(line) for line in index.read_text().splitlines()] if index.is_file() else []
    return [entry for entry in known if not datasets or entry["dataset"] in datasets]


def steps_of(trace: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every step of a trace in order of time."""
    stack = [step for run in trace["runs"] for step in run["steps"]] + trace["orphan_steps"]
    found = []
    while stack:
        step = stack.pop()
        found.append(step)
        stack.extend(step["children"])
    yield from sorted(found, key=lambda step: (step["started_at"], step["index"]))


def disagreements(entry: dict[str, Any]) -> list[str]:
    """Return what the trace says differently from the index."""
    spans = decode_traces(gzip.decompress((REAL / entry["file"]).read_bytes()), NOW).spans
    (trace,) = answers(spans, [])
    steps = list(steps_of(trace))
    calls = [step for step in steps if step["kind"] == "llm"]
    tools = [step["tool"]["name"] for step in steps if step["tool"] and step["tool"]["source"] == "span"]
    failed = sum(step["tool"]["error"] is not None for step in steps if step["tool"] and step["tool"]["source"] == "span")
    asked: list[tuple[str, Any, Any]] = [
        ("spans", entry["n_spans"], trace["span_count"]),
        ("calls", entry["n_llm"], len(calls)),
        ("tools", Counter(entry["tools"]), Counter(tools)),
        ("failed tools", entry["error_tools"], failed),
    ]
    if entry["timing"] == "source" or entry["dataset"] != "frameworks":
        asked.append(("order of tools", entry["tools"], tools))
    tokens = entry.get("tokens")
    if tokens:
        for side in ("input", "output"):
            asked.append((side, tokens[side], sum((step["usage"] or {}).get(f"{side}_tokens") or 0 for step in calls)))
            tops = [run["usage"] for run in trace["runs"] if run["parent_run_id"] is None]
            asked.append((f"bill {side}", tokens[side], sum(usage[f"{side}_tokens"] or 0 for usage in tops)))
    if entry["n_agent"]:
        asked.append(("runs", True, len(trace["runs"]) >= min(entry["n_agent"], 1)))
    return [f"{what}: {want} != {got}" for what, want, got in asked if want != got]


@pytest.mark.parametrize("dataset", sorted({entry["dataset"] for entry in entries()}))
def test_runs_read_as_their_index_says(dataset: str) -> None:
    """Model calls, tool calls in order, failures and tokens agree with the index."""
    wrong = {entry["file"]: bad for entry in entries(dataset) if entry["task"] not in OTHERWISE and (bad := disagreements(entry))}

    assert wrong == {}
