"""Recordings of further instrumentations, frameworks with other people's instrumentation in them above all, read as what was driven."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .capture_facts import facts
from .test_ingest_dialects_captures import answers, read_capture

Json = dict[str, Any]

RECORDED = Path(__file__).parent / "fixtures" / "instrumentations"
NAMES = sorted(path.name.removesuffix(".expect.json") for path in RECORDED.glob("*.expect.json"))

NOTHING_OFFERED = {
    "openinference-dspy", "otel-openai-agents-v2", "otel-openai-js", "traceloop-js-anthropic", "logfire-4-openai-responses",
    "openlit-1.36-openai-responses", "openllmetry-openai-events", "logfire-openai-agents", "openlit-openai-agents",
    "weave-conversation", "monocle",
}  # fmt: skip
"""Whose payload names no tools that were offered."""


def load(name: str) -> tuple[Json, Json, list[Json]]:
    """Return a recording's expectations, its gaps, and what the API tells of it."""
    expect, gaps = (json.loads((RECORDED / f"{name}.{kind}.json").read_text()) for kind in ("expect", "gaps"))
    return expect, gaps, answers(*read_capture(RECORDED / name))


def all_steps(traces: list[Json]) -> Iterator[Json]:
    """Yield the steps of all traces."""
    stack = [step for trace in traces for run in trace["runs"] for step in run["steps"]]
    while stack:
        step = stack.pop()
        yield step
        stack.extend(step["children"])


def test_recordings_are_here() -> None:
    """The recordings came along with the checkout."""
    assert len(NAMES) == 68


@pytest.mark.parametrize("name", NAMES)
def test_recording_reads_as_driven(name: str) -> None:
    """Every fact that a recording carries is told as it was driven."""
    expect, gaps, traces = load(name)

    asked = list(facts(expect, gaps, traces))

    assert [fact for fact in asked if fact[1] != fact[2]] == []
    assert len(asked) > 10
    assert set(expect["agents"]) <= {run["agent"] for trace in traces for run in trace["runs"]}


@pytest.mark.parametrize("name", NAMES)
def test_tools_say_what_they_were_told_and_gave(name: str) -> None:
    """Arguments are named even where a framework hands a tool a bare value; results have nothing around them."""
    expect, _, traces = load(name)
    told = [step["tool"] for step in all_steps(traces) if step["tool"]]

    for tool in expect["tool_calls"]:
        same = [one for one in told if one["name"] == tool["name"]]
        assert tool["args"] in [one["arguments"] for one in same]
        assert tool["error"] or "remark" in tool or tool["result"] in [one["result"] for one in same]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in NOTHING_OFFERED])
def test_what_a_model_chose_from(name: str) -> None:
    """A call that asked for tools is a decision, with all that it was offered as alternatives."""
    expect, gaps, traces = load(name)
    unsaid = {gap["call"] for gap in gaps["absent"] if gap["field"] in ("tool_calls_requested", "tools_offered")}
    decisions = [step["decision"] for step in all_steps(traces) if step["decision"]]

    assert len(decisions) == sum(bool(call["tool_calls_requested"]) and call["n"] not in unsaid for call in expect["calls"])
    for decision in decisions:
        offered = {one["name"].removeprefix("P-") for one in decision["alternatives"]}
        assert offered - set(expect.get("also_offered", ())) == {"lookup_order", "search_handbook", "issue_refund"}


@pytest.mark.parametrize("name", NAMES)
def test_order_of_arrival_changes_nothing(name: str) -> None:
    """Log records and spans may arrive in any order; records of one instant were sent in theirs."""
    spans, logs = read_capture(RECORDED / name)
    latest_first = sorted(logs, key=lambda log: -log.time_ns)

    assert sorted(answers(spans[::-1], latest_first), key=str) == sorted(answers(spans, logs), key=str)
