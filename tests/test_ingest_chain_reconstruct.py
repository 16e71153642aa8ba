"""Reconstruction: any set of spans gives a chain, the same for every order, and each call counts once."""

import gc
import random
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.chain.ledger import ledger_rows
from ingest.chain.steps import MAX_DEPTH, in_order
from ingest.chain.summary import summarise
from ingest.chain.tree import Node
from ingest.model import Facts, StoredSpan, Usage

from .builders import agent, asks, chain, llm, no_price, outline, span, span_id, told, tool


def test_late_root_joins_its_steps() -> None:
    """A run whose root has not arrived is running under the id its root will have; the root then gives it its name."""
    steps = [llm(2, 1, 0.1), tool(3, "find_slot", 1, 2, tool_result="[]")]

    early = chain(*steps, now=4)
    late = chain(*steps, agent(1, "scheduler"), now=4000)

    assert (early.runs[0].run_id, early.runs[0].status, early.state) == (span_id(1), "running", "running")
    assert late.runs[0].run_id == span_id(1)
    assert outline(late) == "scheduler: completed\n  1 llm chat gpt-4.1\n  2 tool find_slot -> []\n"


def test_silent_run_without_end_is_lost() -> None:
    """A run without a root that is silent beyond its own pace is lost, and says so."""
    trace = chain(llm(2, 1), llm(3, 1, 2), now=3600)

    assert trace.runs[0].termination.reason == "lost"
    assert trace.state == "incomplete"


def test_nested_agents_are_runs_of_their_own() -> None:
    """A sub-agent is one step of the outer run and a run itself; the outer totals include it, once."""
    trace = chain(agent(1, "outer"), llm(2, 1, 0.1), agent(3, "inner", 1, 2, 3), llm(4, 3, 2.5), tool(5, "look", 3, 4))

    assert outline(trace) == (
        "outer: completed\n"
        "  1 llm chat gpt-4.1\n"
        "  2 agent inner\n"
        "inner in 01: completed\n"
        "  1 llm chat gpt-4.1\n"
        "  2 tool look\n"
    )  # fmt: skip
    assert (trace.runs[0].totals.llm_calls, trace.runs[0].totals.usage.input_tokens) == (2, 200)
    assert trace.runs[1].totals.llm_calls == 1


def test_work_around_agents_belongs_to_its_root() -> None:
    """A workflow span with a model call of its own beside an agent is a run; pure glue around an agent is none."""
    workflow = chain(span(1, kind="chain", name="triage", lasts=9), llm(2, 1, 0.5), agent(3, "solver", 1, 2, 3), llm(4, 3, 2.5))
    glue = chain(span(1, kind="chain", name="main", lasts=9), agent(3, "solver", 1, 2, 3), llm(4, 3, 2.5))

    assert [(run.agent, run.parent_run_id) for run in workflow.runs] == [("triage", None), ("solver", span_id(1))]
    assert [(run.agent, run.parent_run_id) for run in glue.runs] == [("solver", None)]


def test_agent_sum_counts_only_without_calls_below() -> None:
    """An agent's token sum repeats its calls' and is dropped; where no call states tokens it is the bill."""
    repeated = chain(agent(1, "a", usage=Usage(200, 20)), llm(2, 1), llm(3, 1, 2))
    alone = chain(agent(1, "a", usage=Usage(200, 20), request_model="m"), tool(2, "look", 1))

    assert repeated.runs[0].totals.usage == Usage(200, 20)
    assert alone.runs[0].totals.usage == Usage(200, 20)
    assert alone.runs[0].totals.llm_calls == 0
    assert alone.runs[0].totals.cost_nanos == 220_000


def test_nested_call_spans_are_one_call() -> None:
    """A framework's call span above the provider's is the same call: inner numbers win, gaps are filled from outside."""
    outer = llm(2, 1, 0, 3, usage=Usage(90, 9), thought="hm", scope="framework")
    inner = llm(3, 2, 1, 1, usage=Usage(100, 10, 40), scope="provider")

    trace = chain(agent(1, "a"), outer, inner)

    (call,) = [step for step in in_order(trace.runs[0].steps) if step.kind == "llm"]
    assert (call.usage, call.thought) == (Usage(100, 10, 40), "hm")


def test_outer_span_of_several_attempts_is_no_call() -> None:
    """A span around two calls with usage is glue, so that its sum is not billed again."""
    trace = chain(agent(1, "a"), llm(2, 1, 0, 5, usage=Usage(200, 20)), llm(3, 2, 1), llm(4, 2, 3))

    assert trace.runs[0].totals.llm_calls == 2
    assert trace.runs[0].totals.usage == Usage(200, 20)


def test_two_reports_of_one_reply_are_one_call() -> None:
    """Two instrumentations of one client name the same reply."""
    trace = chain(llm(1, 9, response_id="r1", scope="a"), llm(2, 9, response_id="r1", scope="b"), llm(3, 9, 5, response_id="r2"))

    assert trace.runs[0].totals.llm_calls == 2


def test_failed_twins_are_one_call() -> None:
    """Two reports of a refused call have no reply id, but the same parent, model and time."""
    one = llm(1, 9, usage=None, failed=True, error_message="429", scope="a")
    trace = chain(one, llm(2, 9, 0.01, 0.99, usage=None, failed=True, error_message="429", scope="b"))

    assert (trace.runs[0].totals.llm_calls, trace.runs[0].totals.errors) == (1, 1)


def test_equal_twins_are_one_call() -> None:
    """Of two reports only one names the reply: the same tokens at the same time under the same parent, of another scope, are one call."""
    said: dict[str, Any] = {"usage": Usage(1131, 63), "scope": "a", "output": "late"}
    client = llm(2, 9, 0.01, 0.97, usage=Usage(1131, 63, 256), response_id="r1", scope="b")
    trace = chain(llm(1, 9, **said), client, llm(3, 9, 2, **said))

    assert trace.runs[0].totals.llm_calls == 2
    assert trace.runs[0].totals.usage == Usage(2262, 126, 256)


@pytest.mark.parametrize(
    "other",
    [{"scope": "a"}, {"output": "soon"}, {"response_id": "r2"}, {"usage": Usage(1131, 64)}, {"request_model": "o3"}, {"at": 0.9}],
)
def test_calls_that_differ_are_no_twins(other: dict[str, Any]) -> None:
    """Calls side by side are two where anything but the scope tells them apart, or nothing does."""
    said: dict[str, Any] = {"usage": Usage(1131, 63), "output": "late"}
    trace = chain(llm(1, 9, response_id="r1", scope="a", **said), llm(2, 9, **{"scope": "b", **said, **other}))

    assert trace.runs[0].totals.llm_calls == 2


def test_streamed_result_joins_its_request() -> None:
    """A zero-length result span gives its usage to the request span beside it."""
    trace = chain(span(9), llm(1, 9, usage=None), llm(2, 9, 1, 0, streamed_result=True, usage=Usage(5, 6)))

    assert (trace.runs[0].totals.llm_calls, trace.runs[0].totals.usage) == (1, Usage(5, 6))


def test_unspanned_tool_calls_become_steps() -> None:
    """A tool nobody opened a span for is a step all the same; one with a span is never doubled."""
    first = llm(2, 1, 0.1, tool_requests=asks("find", "pay"), tools_offered=["find", "pay", "stop"], output="let me see")
    second = llm(4, 1, 3, tool_results=[told("find", "[]"), told("pay", "declined", is_error=True)])

    trace = chain(agent(1, "a"), first, tool(3, "find", 1, 2, tool_call_id="call_find"), second)

    assert outline(trace) == (
        "a: completed\n"
        "  1 llm chat gpt-4.1\n"
        "  2 tool pay (derived) -> declined ! declined\n"
        "  3 tool find -> []\n"
        "  4 llm chat gpt-4.1\n"
    )
    decision = trace.runs[0].steps[0].decision
    assert decision is not None
    assert (decision.chosen, [option.name for option in decision.alternatives]) == ("find, pay", ["find", "pay", "stop"])
    assert trace.runs[0].steps[0].thought == "let me see"


def test_tool_span_without_id_answers_its_request_by_name() -> None:
    """Each span answers one request: two requests and one span leave one derived step."""
    trace = chain(agent(1, "a"), llm(2, 1, tool_requests=[*asks("look"), *asks("Look")]), tool(3, "look", 1, 2))

    assert trace.runs[0].totals.tool_calls == 2


@dataclass
class Ending:
    name: str
    spans: list[StoredSpan]
    reason: str


TRIPPED = "Guardrail tripwire triggered: {'guardrail': 'no_homework'}"

ENDINGS = [
    Ending("declared", [agent(1, "a", termination="escalated"), llm(2, 1)], "escalated"),
    Ending("cut", [agent(1, "a"), llm(2, 1, finish_reason="max_tokens")], "max_tokens"),
    Ending("refused", [agent(1, "a"), llm(2, 1, finish_reason="refusal")], "refused"),
    Ending("blocked turn", [agent(1, "a"), span(3, 1, lasts=3, failed=True, error_message=TRIPPED), llm(2, 3, 0.1)], "guardrail"),
    Ending("went on", [agent(1, "a", output="no"), span(3, 1, failed=True, error_message=TRIPPED), llm(2, 1, 2)], "completed"),
    Ending("call failed", [agent(1, "a"), llm(2, 1, failed=True, error_message="Error code: 529 overloaded")], "llm_unavailable"),
    Ending("recursion", [agent(1, "a", failed=True, error_type="GraphRecursionError", error_message="limit of 25 reached")], "max_steps"),
    Ending("timeout", [agent(1, "a", failed=True, error_type="TimeoutError"), llm(2, 1)], "timeout"),
    Ending("cancelled", [agent(1, "a", failed=True, error_type="asyncio.CancelledError")], "cancelled"),
    Ending("tool", [agent(1, "a", failed=True, error_message="no"), tool(2, "find", 1, failed=True, error_message="no")], "tool_failure"),
    Ending("unknown error", [agent(1, "a", failed=True, error_type="ZeroDivisionError")], "error"),
    Ending("handed over", [agent(1, "a"), tool(2, "transfer_to_human_agents", 1)], "escalated"),
    Ending("asked a person on the way", [agent(1, "a"), tool(2, "escalate", 1), llm(3, 1, 2, finish_reason="stop")], "completed"),
    Ending("handled", [agent(1, "a"), tool(2, "find", 1, failed=True), llm(3, 1, 2, finish_reason="stop")], "completed"),
]  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.name)
def test_termination_is_inferred_from_what_is_left(ending: Ending) -> None:
    """Every run says why it stopped."""
    assert chain(*ending.spans).runs[0].termination.reason == ending.reason


UUID = "171105b7-59dd-49c0-9677-0b95395aa46a"


@pytest.mark.parametrize(
    ("first", "name"),
    [
        (agent(1, "booking"), "booking"),
        (agent(1, UUID, service="shop"), "shop"),
        (agent(1, f"run.{UUID}", service="unknown_service:python"), "agent"),
        (span(1, kind="agent", name="agent_run [greeter]", service="unknown_service"), "greeter"),
        (span(1, kind="llm", name="generate", service="unknown_service"), "generate"),
        (span(1, kind="llm", name="generate", service="shop"), "shop"),
    ],
)
def test_an_agent_is_not_named_by_an_id_of_its_run(first: StoredSpan, name: str) -> None:
    """Else each run would be an agent of its own."""
    assert chain(first).runs[0].agent == name


def test_unknown_is_not_zero() -> None:
    """A call without a price counts as unpriced and its run has no cost; a failed call without usage is not billed."""
    trace = chain(agent(1, "a"), llm(2, 1), llm(3, 1, 2, usage=None, failed=True), price=no_price)

    assert (trace.runs[0].totals.cost_nanos, trace.runs[0].totals.unpriced_calls) == (None, 1)


def test_session_of_one_span_holds_for_the_trace() -> None:
    """A single session or user in a trace belongs to all its runs."""
    trace = chain(agent(1, "outer"), agent(2, "inner", 1), llm(3, 2, session_id="s1", user_id="u1"))

    assert {(run.session_id, run.user_id) for run in trace.runs} == {("s1", "u1")}


def test_cycles_and_self_parents_are_cut() -> None:
    """Spans that are each other's parents are shown from the earliest on."""
    trace = chain(tool(2, "a", 3, 1), tool(3, "b", 4, 2), tool(4, "c", 2, 3), span(9, 9))

    assert sum(len(in_order(run.steps)) for run in trace.runs) == 4


def test_deep_chains_stay_shallow_and_linear() -> None:
    """A chain of 100,000 spans gives steps that nest no deeper than readers can follow."""
    spans = [span(n + 1, n if n else None, at=n / 1000, lasts=200, kind="chain") for n in range(100_000)]

    trace = chain(*spans)

    deepest, level = 0, trace.runs[0].steps
    while level:
        deepest, level = deepest + 1, level[0].children
    assert deepest <= MAX_DEPTH
    assert trace.span_count == 100_000
    assert trace.runs[0].totals.steps == 99_999


_KINDS = st.sampled_from(["agent", "llm", "tool", "chain", "other", "part", "retrieval", "guardrail", "handoff", "embedding"])


@st.composite
def _traces(draw: st.DrawFn) -> list[StoredSpan]:
    size = draw(st.integers(1, 14))
    spans = []
    for number in range(1, size + 1):
        kind = draw(_KINDS)
        facts = Facts(kind=kind, agent_name=draw(st.sampled_from([None, "a", "b"])), failed=draw(st.booleans()))
        if kind in ("llm", "embedding", "agent") and draw(st.booleans()):
            facts.usage = Usage(draw(st.integers(0, 1000)), draw(st.integers(0, 1000)), draw(st.none() | st.integers(0, 500)))
        if kind == "llm":
            facts.tool_requests = asks(*draw(st.lists(st.sampled_from(["x", "y", "z"]), max_size=2)))
            facts.tool_results = [told(name, "r") for name in draw(st.lists(st.sampled_from(["x", "y"]), max_size=2))]
            facts.response_id = draw(st.sampled_from([None, None, "r1", "r2"]))
            facts.request_model = "m"
            facts.streamed_result = draw(st.integers(0, 9)) == 0
        if kind == "tool":
            facts.tool_name = draw(st.sampled_from(["x", "y"]))
            facts.tool_call_id = draw(st.sampled_from([None, "call_x", "call_y"]))
        built = span(number, draw(st.none() | st.integers(1, size + 2)), at=draw(st.integers(0, 20)), lasts=draw(st.integers(0, 5)))
        built.facts = facts
        built.scope = draw(st.sampled_from(["s", "t"]))
        spans.append(built)
    return spans


@settings(max_examples=300, deadline=None)
@given(_traces(), st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(spans: list[StoredSpan], chance: random.Random) -> None:
    """Shuffled and repeated deliveries give the same bytes, and reconstruction changes no span."""
    before = msgspec.json.encode(spans)
    straight = msgspec.json.encode(chain(*spans))
    shuffled = [*spans, *chance.sample(spans, len(spans) // 2)]
    chance.shuffle(shuffled)

    assert msgspec.json.encode(chain(*shuffled)) == straight
    assert msgspec.json.encode(spans) == before


def test_what_a_trace_was_made_of_goes_with_it() -> None:
    """No garbage collection is needed, which would look through thousands of steps in the middle of a page."""
    gc.collect()
    gc.disable()
    try:
        trace = chain(agent(1, "clerk"), llm(2, 1), tool(3, "search", 2))
        assert not any(isinstance(one, Node) for one in gc.get_objects())
        assert not gc.is_tracked(trace.runs[0].steps[0])
    finally:
        gc.enable()


@settings(max_examples=300, deadline=None)
@given(_traces())
def test_ledger_is_the_sum_of_the_leaves(spans: list[StoredSpan]) -> None:
    """The ledger, the top runs' totals and the billed steps agree to the nano-dollar and to the token."""
    trace = chain(*spans)
    rows = ledger_rows(trace, "test")
    steps = [step for run in trace.runs for step in in_order(run.steps)] + in_order(trace.orphan_steps)

    assert sum(row.cost_nanos for row in rows) == sum(step.cost_nanos or 0 for step in steps)
    assert sum(row.llm_calls for row in rows) == sum(step.kind == "llm" for step in steps)
    assert sum(row.runs for row in rows if row.operation == "run") == len(trace.runs)
    summary = summarise(trace)
    if summary is not None and not trace.orphan_steps:
        assert (summary.totals.cost_nanos or 0) == sum(row.cost_nanos for row in rows)
        assert summary.totals.llm_calls == sum(row.llm_calls for row in rows)
    assert all(run.termination.reason for run in trace.runs)
