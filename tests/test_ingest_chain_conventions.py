"""What instrumentations leave out of a span and tell around it: the chain puts it where it belongs."""

from ingest.chain.steps import in_order
from ingest.model import Decision, Option, Step, ToolRequest, ToolResult, Trace, Usage
from ingest.store.search import FIELDS, documents

from .builders import agent, asks, chain, llm, outline, span, told, tool


def steps(trace: Trace, kind: str) -> list[Step]:
    """Return the steps of a kind, over all runs."""
    return [step for run in trace.runs for step in in_order(run.steps) if step.kind == kind]


def test_a_thought_told_by_the_glue_belongs_to_its_call() -> None:
    """A graph node repeats its call's reply; where the call's span leaves the thought out, it is taken from there, once."""
    trace = chain(
        agent(1, "desk"),
        span(2, 1, 0.1, 3, kind="chain", name="model", thought="Within policy."),
        llm(3, 2, 0.2),
        span(4, 1, 4, 3, kind="chain", name="model", thought="Own."),
        llm(5, 4, 4.2, thought="Own."),
    )

    assert [step.thought for step in steps(trace, "llm")] == ["Within policy.", "Own."]
    assert [step.thought for step in steps(trace, "other")] == [None, None]


def test_a_failure_that_only_its_text_tells() -> None:
    """A tool without a span failed where the model was told an exception, even if the flag was lost on the way."""
    trace = chain(
        agent(1, "desk"),
        llm(2, 1, 0.1, tool_requests=asks("pay", "look", "search")),
        llm(3, 1, 2, tool_results=[
            told("pay", "ValueError: gateway rejected"), told("look", "Errors: none"), told("search", "nothing", is_error=True),
        ]),
    )  # fmt: skip

    assert {step.name: step.error for step in steps(trace, "tool")} == {
        "pay": "ValueError: gateway rejected", "look": None, "search": "nothing",
    }  # fmt: skip


def test_a_span_is_believed_before_a_text() -> None:
    """A tool with a span of its own failed where its span says so; an answer that reads like an error changes nothing."""
    trace = chain(
        agent(1, "desk"),
        llm(2, 1, 0.1, tool_requests=asks("pay")),
        tool(3, "pay", 1, 1.2, tool_call_id="call_pay", tool_result="ValueError: is a class"),
        llm(4, 1, 2, tool_results=[ToolResult("call_pay", "ValueError: is a class")]),
    )

    assert [step.status for step in steps(trace, "tool")] == ["ok"]


def test_tools_named_on_the_agent_only() -> None:
    """A call that lists no tools chose among those of the agent around it."""
    trace = chain(agent(1, "desk", tools_offered=["look", "pay"]), span(2, 1, kind="chain"), llm(3, 2, 0.1, tool_requests=asks("pay")))

    assert [step.decision for step in steps(trace, "llm")] == [
        Decision("pay", "derived", alternatives=[Option("look"), Option("pay")]),
    ]


def test_a_handoff_whose_target_is_lost() -> None:
    """A hand-off span without a target carries out the transfer that the model asked for; no second one is derived."""
    trace = chain(
        agent(1, "desk"),
        llm(2, 1, 0.1, tool_requests=[ToolRequest("c1", "transfer_to_billing", {})]),
        span(3, 1, 2, kind="handoff", name="desk → unknown.handoff", tool_name="desk → unknown"),
    )

    assert outline(trace) == "desk: completed\n  1 llm chat gpt-4.1\n  2 handoff desk → unknown.handoff\n"


def test_people_are_reached_by_a_tool() -> None:
    """Asking for a person is a tool call like any other."""
    trace = chain(agent(1, "desk"), llm(2, 1, 0.1, tool_requests=[ToolRequest("c1", "transfer_to_human_agents", {})]))

    assert [step.name for step in steps(trace, "tool")] == ["transfer_to_human_agents"]


def test_stand_ins_give_every_reply_one_id() -> None:
    """Calls one after another are different calls, whatever id their replies share; reports of the same time are one call."""
    trace = chain(
        agent(1, "desk"),
        llm(2, 1, 0.1, response_id="chatcmpl-1", scope="a"),
        llm(3, 1, 0.1, response_id="chatcmpl-1", scope="b"),
        llm(4, 1, 2, response_id="chatcmpl-1", scope="a"),
        llm(5, 1, 2, response_id="chatcmpl-1", scope="b"),
    )

    assert (trace.runs[0].totals.llm_calls, trace.runs[0].totals.usage.input_tokens) == (2, 200)


def test_a_frameworks_embedding_around_the_clients() -> None:
    """Two nested reports of one embedding are billed once, by the inner numbers."""
    trace = chain(
        agent(1, "desk"),
        span(2, 1, 0.1, 3, kind="embedding", usage=Usage(50), request_model="e"),
        span(3, 2, 0.2, 1, kind="embedding", usage=Usage(50), request_model="e"),
    )

    assert trace.runs[0].totals.usage == Usage(50)


def test_one_agent_told_by_two() -> None:
    """A framework's own span of an agent and an instrumentation's are one run; an agent that calls itself is two."""
    outer, own = agent(1, "desk", scope="autogen-core"), agent(2, "desk", 1, 0.1, scope="autogen-core")
    other = agent(2, "desk", 1, 0.1, scope="openinference.instrumentation.autogen", input="Where is it?")

    told_twice = chain(outer, other, llm(3, 2, 0.2))

    assert [(run.agent, run.input, run.totals.llm_calls) for run in told_twice.runs] == [("desk", "Where is it?", 1)]
    assert len(chain(outer, own, llm(3, 2, 0.2)).runs) == 2
    assert len(chain(outer, other, llm(3, 1, 0.2)).runs) == 2


def test_arguments_without_their_name() -> None:
    """A tool of one argument that was handed the bare value took it under the name that the model gave it; so its call is known."""
    ask = [ToolRequest("c1", "find", {"order": 7}), ToolRequest("c2", "find", {"order": 8}), ToolRequest("c3", "find", {"order": 9})]
    trace = chain(
        agent(1, "desk"),
        llm(2, 1, 0.1, tool_requests=ask),
        tool(3, "find", 1, 1.2, tool_arguments={"order": 8}),
        tool(4, "find", 1, 1.3, tool_arguments="7"),
        tool(5, "find", 1, 1.4, tool_arguments="other"),
        llm(6, 1, 2, tool_results=[ToolResult("c1", "seven"), ToolResult("c2", "eight"), ToolResult("c3", "nine")]),
    )

    assert [(step.tool.call_id, step.tool.arguments, step.tool.result) for step in steps(trace, "tool") if step.tool] == [
        ("c2", {"order": 8}, "eight"), ("c1", {"order": 7}, "seven"), (None, "other", None),
    ]  # fmt: skip


def test_results_under_ids_made_up_anew() -> None:
    """Results whose ids nobody asked under stand in the order of the requests, if there are as many."""
    asked = llm(2, 1, 0.1, tool_requests=[ToolRequest("find_2", "find", {}), ToolRequest("look_3", "look", {})])
    results = [ToolResult("find_0", "late"), ToolResult("look_1", "up to 20")]

    found = chain(agent(1, "desk"), asked, llm(3, 1, 2, tool_results=results))
    unsure = chain(agent(1, "desk"), asked, llm(3, 1, 2, tool_results=results[:1]))

    assert [step.tool.result for step in steps(found, "tool") if step.tool] == ["late", "up to 20"]
    assert [step.tool.result for step in steps(unsure, "tool") if step.tool] == [None, None]


def test_an_answer_after_a_tool_that_failed() -> None:
    """Where nobody reports model calls, an agent that answered did not end with the tool that failed."""
    failed = tool(2, "pay", 1, 1, failed=True, error_message="closed")

    assert chain(agent(1, "desk", output="Not possible."), failed).runs[0].termination.reason == "completed"
    assert chain(agent(1, "desk"), failed).runs[0].termination.reason == "tool_failure"
    assert chain(agent(1, "desk", output="Not possible."), llm(3, 1), failed).runs[0].termination.reason == "tool_failure"


def test_the_results_of_tools_without_ids() -> None:
    """Gemini's calls have no ids: what a tool's bare span leaves out stands at its place in what the next call was told."""
    asked = [ToolRequest(None, "look", {"id": 1}), ToolRequest(None, "pay", {"sum": 2})]
    trace = chain(
        agent(1, "desk"),
        llm(2, 1, 0.1, tool_requests=asked),
        tool(3, "look", 1, 1.2),
        tool(4, "pay", 1, 1.5),
        llm(5, 1, 2, tool_results=[ToolResult(None, "late"), ToolResult(None, "closed", True)]),
    )

    said = [(step.tool.name, step.tool.result, step.tool.error) for step in steps(trace, "tool") if step.tool]
    assert said == [("look", "late", None), ("pay", "closed", "closed")]


def test_requests_told_below_a_call_are_its_own() -> None:
    """AgentOps lists what a reply asked for as spans below the call: the call asked, and the tool that ran is the execution."""
    trace = chain(
        agent(1, "desk"),
        llm(2, 1, 0.1, tools_offered=["pay", "look"]),
        span(3, 2, 0.2, 0, kind="part", name="tool_call.pay", tool_requests=asks("pay")),
        tool(4, "pay", 1, 3, tool_result="paid"),
    )

    assert [decision.chosen for step in steps(trace, "llm") if (decision := step.decision)] == ["pay"]
    assert [step.tool.source for step in steps(trace, "tool") if step.tool] == ["span"]


def test_an_agent_that_was_asked_nothing_itself() -> None:
    """The outermost agent was asked what the glue around it was asked; one within another agent was not."""
    trace = chain(
        span(1, kind="chain", name="invocation", lasts=9, input="Refund?"),
        agent(2, "desk", 1, 0.1, 8),
        agent(3, "helper", 2, 1, 2),
    )

    assert [run.input for run in trace.runs] == ["Refund?", None]


def test_the_name_of_a_failure_is_no_account_of_it() -> None:
    """MCP's span names the kind of its failure; what was said of it is in the answer that the model was told."""
    trace = chain(
        agent(1, "desk"),
        llm(2, 1, 0.1, tool_requests=asks("pay")),
        tool(3, "pay", 1, 2, tool_call_id="call_pay", failed=True, error_type="tool_error", tool_error="tool_error"),
        llm(4, 1, 4, tool_results=[told("pay", "ledger is closed")]),
    )

    assert [(step.error, step.tool.error) for step in steps(trace, "tool") if step.tool] == [("ledger is closed", "ledger is closed")]


def test_a_failure_is_told_and_found_by_its_name_and_its_account() -> None:
    """Where a tool says what went wrong in its result, the name of the failure is not lost for that."""
    spans = [
        agent(1, "desk"),
        tool(2, "slots", 1, 1, failed=True, error_type="timeout", error_message="timeout", tool_error='{"ok": false, "note": "busy"}'),
        llm(3, 1, 2, failed=True, error_type="RateLimitError", error_message="slow down"),
        llm(4, 1, 3, failed=True, error_type="APIConnectionError"),
    ]
    trace = chain(*spans)
    told = ['timeout: {"ok": false, "note": "busy"}', "RateLimitError: slow down", "APIConnectionError"]

    assert [step.error for step in (*steps(trace, "tool"), *steps(trace, "llm"))] == told
    assert [docs[FIELDS.index("error")] for docs in documents(spans, trace).values() if docs[FIELDS.index("error")]] == told


def test_requests_that_only_the_next_call_was_told_of() -> None:
    """OpenLLMetry leaves the requests out of Ollama's replies: the conversation of the next call has them, and answers without ids."""
    requests = [ToolRequest(None, "pay", {"amount": 5}), ToolRequest(None, "look", {})]
    trace = chain(
        agent(1, "desk"),
        llm(2, 1, 0.1, output="Let me see.", finish_reason="stop"),
        llm(3, 1, 2, asked_before=requests, tool_results=[ToolResult(None, "paid"), ToolResult(None, "late")]),
    )

    assert [(step.tool.name, step.tool.arguments, step.tool.result) for step in steps(trace, "tool") if step.tool] == [
        ("pay", {"amount": 5}, "paid"), ("look", {}, "late"),
    ]  # fmt: skip
    assert [step.finish_reason for step in steps(trace, "llm")] == ["tool_calls", None]
