"""The API's JSON: exact money, exact times, the contract's shapes, and no value that breaks an answer."""

import json
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ingest.model import Event, Resource, Scope, Span, Usage
from tests.builders import SECOND, T0, TRACE_ID, agent, asks, chain, llm, told, tool
from webui.api_json import dump, duration_ms, span_json, timestamp, trace_json, usage_json, usd, usd_text

TRACE_KEYS = {
    "trace_id",
    "project",
    "state",
    "span_count",
    "missing_parents",
    "dropped",
    "first_seen_at",
    "last_seen_at",
    "runs",
    "orphan_steps",
}
RUN_KEYS = {
    "run_id", "parent_run_id", "trace_id", "agent", "service", "environment", "session_id", "user_id", "references", "input", "output",
    "started_at", "ended_at", "duration_ms", "status", "termination", "usage", "cost_usd", "unpriced_calls", "budget", "llm_calls",
    "tool_calls", "errors", "decisions", "steps",
}  # fmt: skip
STEP_KEYS = {
    "index", "span_id", "kind", "name", "started_at", "duration_ms", "status", "error", "thought", "usage", "model", "provider",
    "finish_reason", "cost_usd", "tool", "decision", "children",
}  # fmt: skip
SPAN_KEYS = {
    "trace_id", "span_id", "parent_span_id", "name", "kind", "started_at", "ended_at", "start_unix_nano", "end_unix_nano", "status",
    "trace_state", "flags", "attributes", "events", "links", "resource", "scope", "dropped", "repaired",
}  # fmt: skip


def read(value: object) -> object:
    return json.loads(dump(value), parse_float=Decimal)


@given(st.integers(min_value=0, max_value=10**21))
def test_money_is_exact(nanos: int) -> None:
    """An amount parses back to the very same number of nano-dollars, without exponents."""
    assert Decimal(usd_text(nanos)) * 10**9 == nanos
    assert "e" not in usd_text(nanos).lower()
    assert len(usd_text(nanos).partition(".")[2]) <= 9


def test_small_money_has_no_float_noise() -> None:
    """12345 nano-dollars are 0.000012345, also after the encoder."""
    assert dump({"cost_usd": usd(12345)}) == b'{"cost_usd":0.000012345}'
    assert dump({"cost_usd": usd(None)}) == b'{"cost_usd":null}'


def test_times_have_microseconds() -> None:
    """Times are RFC 3339 in UTC with six decimals, whatever came in."""
    assert timestamp(1_544_712_660_000_000_000) == "2018-12-13T14:51:00.000000Z"
    assert timestamp(1_544_712_660_123_456_789) == "2018-12-13T14:51:00.123456Z"
    assert timestamp(0) == "1970-01-01T00:00:00.000000Z"
    assert timestamp(2**64 - 1) == "2554-07-21T23:34:33.709551Z"
    assert timestamp(None) is None
    assert duration_ms(0, 1_234_567) == 1.234
    assert duration_ms(0, None) is None


def test_unknown_tokens_are_null() -> None:
    """A class that nobody stated is null, not zero."""
    assert usage_json(Usage(10)) == {
        "input_tokens": 10, "output_tokens": None, "cache_read_tokens": None, "cache_write_tokens": None, "reasoning_tokens": None,
    }  # fmt: skip


def test_trace_has_the_shape_of_the_contract() -> None:
    """Every name of the contract is there, at every level."""
    trace = chain(
        agent(1, "scheduler"),
        llm(2, 1, tool_requests=asks("search"), tools_offered=["search", "book"], thought="look first"),
        tool(3, "search", 1, at=1, tool_call_id="call_search", tool_arguments={"q": "x"}),
        llm(4, 1, at=2, tool_results=[told("search", "three")], output="done", finish_reason="stop"),
    )
    answer = json.loads(dump(trace_json(trace, "default")))

    assert answer.keys() >= TRACE_KEYS
    assert answer["trace_id"] == TRACE_ID.hex()
    (run,) = answer["runs"]
    assert run.keys() >= RUN_KEYS
    assert run["termination"].keys() == {"reason", "source", "detail", "span_id"}
    assert run["budget"] == {"tokens": None, "usd": None, "steps": None}
    assert [step["kind"] for step in run["steps"]] == ["llm", "tool", "llm"]
    for step in run["steps"]:
        assert step.keys() >= STEP_KEYS
    assert run["steps"][1]["tool"] == {
        "name": "search", "call_id": "call_search", "arguments": {"q": "x"}, "result": "three", "error": None, "source": "span",
    }  # fmt: skip
    assert run["steps"][0]["decision"]["alternatives"] == [
        {"name": "search", "because": None, "score": None}, {"name": "book", "because": None, "score": None},
    ]  # fmt: skip


def test_span_has_the_shape_of_the_contract() -> None:
    """A span is told whole, its 64-bit times as text."""
    span = Span(
        TRACE_ID, b"\1" * 8, b"", "chat", 3, T0, T0 + SECOND, 2, "boom", {"a": 1}, [Event("e", T0, {"x": 1})], [],
        Resource({"service.name": "desk"}), Scope("lib", "1"),
    )  # fmt: skip
    answer = json.loads(dump(span_json(span)))

    assert answer.keys() == SPAN_KEYS
    assert answer["parent_span_id"] is None
    assert answer["start_unix_nano"] == str(T0)
    assert answer["events"] == [{"name": "e", "time_unix_nano": str(T0), "attributes": {"x": 1}, "dropped_attributes": 0}]


def test_no_value_breaks_an_answer() -> None:
    """Huge integers, lone surrogates, bytes, NaN and endless nesting are written as something a reader can parse."""
    deep: object = 1
    for _ in range(400):
        deep = [deep]
    odd = {"big": 2**80, "text": "a\ud800b", "bytes": b"\xff", "nan": float("nan"), "deep": deep, 3: "key"}
    answer = json.loads(dump(odd))

    assert answer["big"] == str(2**80)
    assert answer["text"] == "a?b"
    assert answer["bytes"] == "ff"
    assert answer["3"] == "key"


def test_a_trace_of_ten_thousand_steps_is_written_whole() -> None:
    """The API cuts nothing off."""
    spans = [agent(1, "crawler", lasts=20_000)]
    spans += [llm(n, 1, at=n, output=f"page {n}") for n in range(2, 10_002)]
    trace = chain(*spans)
    body = dump(trace_json(trace, "default"))

    assert len(json.loads(body)["runs"][0]["steps"]) == 10_000
