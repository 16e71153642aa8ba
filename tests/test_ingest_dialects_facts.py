"""Facts that every emitter has its own way to tell: providers, sessions, users, tools, failures, agents, hand-offs."""

from collections.abc import Callable
from typing import Any

import pytest

from ingest.model import Decision, Facts, Option, ToolRequest

from .dialect_spans import as_json, read


@pytest.mark.parametrize(
    ("stated", "wanted"),
    [
        ({"gen_ai.provider.name": "OpenAI"}, "openai"),
        ({"gen_ai.system": "anthropic.messages"}, "anthropic"),
        ({"gen_ai.system": "google.generative-ai"}, "gcp.gemini"),
        ({"gen_ai.system": "google.vertex.chat"}, "gcp.vertex_ai"),
        ({"gen_ai.system": "az.ai.openai"}, "azure.ai.openai"),
        ({"llm.system": "vertexai"}, "gcp.vertex_ai"),
        ({"ai.model.provider": "amazon-bedrock"}, "aws.bedrock"),
        ({"mlflow.llm.provider": '"mistral"'}, "mistral_ai"),
        ({"langsmith.metadata.ls_provider": "xai"}, "x_ai"),
        ({"gen_ai.provider.name": "Watsonx"}, "ibm.watsonx.ai"),
        ({"gen_ai.provider.name": "groq"}, "groq"),
        ({"gen_ai.system": "strands-agents", "gen_ai.request.model": "us.claude"}, None),
        ({"gen_ai.system": "strands-agents", "gen_ai.request.model": "claude-sonnet-4-5"}, "anthropic"),
        ({"gen_ai.system": "langchain", "gen_ai.request.model": "bedrock/claude-x"}, "aws.bedrock"),
        ({}, None),
    ],
)
def test_providers(stated: dict[str, Any], wanted: str | None) -> None:
    """Providers have one name each; frameworks are none."""
    assert read({"gen_ai.operation.name": "chat", **stated}).provider == wanted


@pytest.mark.parametrize(
    ("attributes", "session", "user"),
    [
        ({"session.id": "s", "user.id": "u"}, "s", "u"),
        ({"gen_ai.conversation.id": "s", "enduser.id": "u"}, "s", "u"),
        ({"langfuse.session.id": "s", "session.id": "other", "langfuse.user.id": "u", "user.id": "other"}, "s", "u"),
        ({"traceloop.association.properties.session_id": "s", "traceloop.association.properties.user_id": "u"}, "s", "u"),
        ({"traceloop.association.properties.thread_id": "s", "llm.user": "u"}, "s", "u"),
        ({"ai.telemetry.metadata.sessionId": "s", "ai.telemetry.metadata.userId": "u"}, "s", "u"),
        ({"ai.settings.context.sessionId": "s", "ai.settings.context.userId": "u"}, "s", "u"),
        ({"langsmith.metadata.thread_id": "s", "langsmith.metadata.user_id": "u"}, "s", "u"),
        ({"langsmith.trace.session_name": "project", "langsmith.span.kind": "chain"}, None, None),
        ({"gcp.vertex.agent.session_id": "s", "gen_ai.user": "u"}, "s", "u"),
        ({"metadata": '{"session_id": "s", "user_id": "u"}'}, "s", "u"),
        ({"metadata": '{"thread_id": "s"}', "user.id": "u"}, "s", "u"),
        ({"metadata": "session nonsense"}, None, None),
        ({"gen_ai.conversation.id": "resp_0e32", "gen_ai.operation.name": "chat"}, None, None),
        ({"mcp.session.id": "transport"}, None, None),
        ({"session.id": 41, "user.id": ""}, "41", None),
    ],
)
def test_sessions_and_users(attributes: dict[str, Any], session: str | None, user: str | None) -> None:
    """Where each emitter says to whom a span belongs; reply ids, projects and transports are no sessions."""
    facts = read(attributes, name="x")

    assert (facts.session_id, facts.user_id) == (session, user)


def test_a_users_installation_is_no_user() -> None:
    """Claude Code makes an id for each installation; only a login names somebody."""
    scope = "com.anthropic.claude_code.tracing"

    assert read({"span.type": "interaction", "user.id": "hash", "session.id": "s"}, scope=scope).user_id is None
    assert read({"span.type": "interaction", "user.id": "hash", "user.email": "a@b"}, scope=scope).user_id == "a@b"


@pytest.mark.parametrize(
    ("name", "scope", "attributes", "wanted"),
    [
        ("execute_tool look", "any", {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look", "gen_ai.tool.call.id": "c1",
         "gen_ai.tool.call.arguments": '{"q": 1}', "gen_ai.tool.call.result": "ok"}, ("look", "c1", {"q": 1}, "ok")),
        ("execute_tool look", "any", {"gen_ai.operation.name": "execute_tool"}, ("look", None, None, None)),
        ("SimpleTool", "openinference.instrumentation.smolagents", {"openinference.span.kind": "TOOL", "tool.name": "look",
         "tool.parameters": '{"q": {"type": "number"}}', "output.value": "ok",
         "input.value": '{"args": [], "sanitize_inputs_outputs": true, "kwargs": {"q": 1}}'}, ("look", None, {"q": 1}, "ok")),
        ("look", "openinference.instrumentation.langchain", {"openinference.span.kind": "TOOL", "input.value": "bare",
         "output.value": '{"type": "tool", "data": {"content": "ok", "tool_call_id": "c1"}}'}, ("look", None, "bare", "ok")),
        ("look.tool", "opentelemetry.instrumentation.langchain", {"traceloop.span.kind": "tool", "traceloop.entity.name": "look",
         "traceloop.entity.input": '{"input_str": "{\'q\': 1}", "inputs": {"q": 1}, "metadata": {}, "kwargs": {"tool_call_id": "c1"}}',
         "traceloop.entity.output": '{"output": {"lc": 1, "kwargs": {"content": "ok", "type": "tool"}}, "kwargs": {}}'},
         ("look", "c1", {"q": 1}, "ok")),
        ("look.tool", "traceloop.tracer", {"traceloop.span.kind": "tool", "traceloop.entity.name": "look",
         "traceloop.entity.input": '{"args": [], "kwargs": {"q": 1}}', "traceloop.entity.output": '"ok"'}, ("look", None, {"q": 1}, "ok")),
        ("ai.toolCall", "ai", {"ai.operationId": "ai.toolCall", "ai.toolCall.name": "look", "ai.toolCall.id": "c1",
         "ai.toolCall.args": '{"q": 1}', "ai.toolCall.result": '"ok"'}, ("look", "c1", {"q": 1}, "ok")),
        ("look", "langfuse-sdk", {"langfuse.observation.type": "tool", "langfuse.observation.input": '{"args": [], "kwargs": {"q": 1}}',
         "langfuse.observation.output": "ok"}, ("look", None, {"q": 1}, "ok")),
        ("look", "mlflow.tracing.provider", {"mlflow.spanType": '"TOOL"', "mlflow.spanInputs": '{"q": 1}', "mlflow.spanOutputs": '"ok"'},
         ("look", None, {"q": 1}, "ok")),
        ("look", "langsmith", {"langsmith.span.kind": "tool", "gen_ai.prompt": '{"input": "{\'q\': 1}"}',
         "gen_ai.completion": '{"output": {"content": "ok", "type": "tool"}}'}, ("look", None, {"q": 1}, "ok")),
        ("execute_tool look", "gcp.vertex.agent", {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look",
         "gcp.vertex.agent.tool_call_args": '{"q": 1}', "gcp.vertex.agent.tool_response": '{"result": "ok"}'},
         ("look", None, {"q": 1}, "ok")),
        ("anthropic.custom_tool_use look", "com.anthropic.sdk.python", {"gen_ai.operation.name": "execute_tool",
         "gen_ai.tool.call.arguments": '{"q": 1}', "anthropic.tool_result.content": '[{"type": "text", "text": "ok"}]'},
         ("look", None, {"q": 1}, "ok")),
        ("running tool", "pydantic-ai", {"gen_ai.tool.name": "look", "gen_ai.tool.call.id": "c1", "tool_arguments": '{"q": 1}',
         "tool_response": "ok"}, ("look", "c1", {"q": 1}, "ok")),
        ("x", "lmnr", {"lmnr.span.type": "TOOL", "gen_ai.tool.name": "look", "lmnr.span.input": '{"q": 1}', "lmnr.span.output": '"ok"'},
         ("look", None, {"q": 1}, "ok")),
        ("look", "genkit-tracer", {"genkit:metadata:subtype": "tool", "genkit:name": "look", "genkit:input": '{"q": 1}',
         "genkit:output": '"ok"'}, ("look", None, {"q": 1}, "ok")),
        ("function_tool", "livekit-agents", {"lk.function_tool.name": "look", "lk.function_tool.id": "c1",
         "lk.function_tool.arguments": '{"q": 1}', "lk.function_tool.output": "ok"}, ("look", "c1", {"q": 1}, "ok")),
        ("tools/call look", "mcp", {"mcp.method.name": "tools/call", "mcp.request.argument": '{"q": 1}',
         "mcp.response.value": '{"content": [{"type": "text", "text": "ok"}], "isError": false}'}, ("look", None, {"q": 1}, "ok")),
    ],
)  # fmt: skip
def test_tools(name: str, scope: str, attributes: dict[str, Any], wanted: tuple[Any, ...]) -> None:
    """Name, call id, arguments and result of an execution, taken out of what they are wrapped in."""
    facts = read(attributes, name=name, scope=scope)

    assert facts.kind == "tool"
    assert (facts.tool_name, facts.tool_call_id, facts.tool_arguments, facts.tool_result) == wanted


def test_strands_tool_events() -> None:
    """On a Strands tool span the tool's message holds the arguments and the choice the result."""
    facts = read(
        {"gen_ai.operation.name": "execute_tool", "gen_ai.system": "strands-agents", "gen_ai.tool.name": "refund",
         "gen_ai.tool.status": "error"},
        events=[("gen_ai.tool.message", {"content": '{"order": "A-1"}'}), ("gen_ai.choice", {"message": '[{"text": "Error: no"}]'})],
    )  # fmt: skip

    assert (facts.tool_arguments, facts.tool_result, facts.failed, facts.tool_error) == ({"order": "A-1"}, "Error: no", True, "Error: no")


def test_claude_code_tool() -> None:
    """Arguments are attributes of their own, the output is an event; what is redacted is not there."""
    scope = "com.anthropic.claude_code.tracing"
    facts = read({"span.type": "tool", "tool_name": "Bash", "full_command": "ls", "tool_use_id": "c1"}, scope=scope,
                 events=[("tool.output", {"output": "a b", "bash_command": "ls"})])  # fmt: skip
    hidden = read({"span.type": "tool", "tool_name": "Bash", "full_command": "<REDACTED>"}, scope=scope)

    assert (facts.tool_name, facts.tool_call_id, facts.tool_arguments, facts.tool_result) == ("Bash", "c1", {"command": "ls"}, "a b")
    assert (hidden.tool_arguments, hidden.tool_result) == (None, None)


@pytest.mark.parametrize(
    "facts",
    [
        read({"gen_ai.operation.name": "execute_tool", "error.type": "tool_error"}),
        read({"openinference.span.kind": "TOOL", "output.value": '{"content": [], "isError": true}'}),
        read({"langfuse.observation.type": "tool", "langfuse.observation.level": "ERROR", "langfuse.observation.status_message": "no"}),
        read({"span.type": "tool", "success": False}, scope="com.anthropic.claude_code.tracing", name="claude_code.tool"),
        read({"traceloop.span.kind": "tool", "gen_ai.task.status": "failure"}),
        read({"gen_ai.operation.name": "execute_tool"}, status_code=2, status_message="no"),
        read({"langsmith.span.kind": "tool", "gen_ai.completion": '{"output": {"type": "tool", "content": "no", "status": "error"}}'}),
    ],
)
def test_failed_tools(facts: Facts) -> None:
    """Each emitter's way to say that a tool failed."""
    assert facts.kind == "tool"
    assert facts.failed
    assert facts.tool_error is not None


def test_control_flow_is_no_failure() -> None:
    """Pydantic AI defers calls by raising; nothing failed."""
    facts = read({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "pay"}, scope="pydantic-ai", status_code=2,
                 events=[("exception", {"exception.type": "pydantic_ai.exceptions.ApprovalRequired"})])  # fmt: skip

    assert not facts.failed
    assert facts.tool_error is None


def test_agents() -> None:
    """Who acts, what was asked and what came of it."""
    langfuse = read({"langfuse.observation.type": "agent", "langfuse.observation.input": '{"args": ["Refund?"], "kwargs": {}}',
                     "langfuse.observation.output": "Done."}, name="desk", scope="langfuse-sdk")  # fmt: skip
    sdk = read({"ai.operationId": "ai.generateText", "ai.telemetry.functionId": "desk", "ai.response.text": "Done.",
                "ai.prompt": '{"system": "Be kind.", "messages": [{"role": "user", "content": "Refund?"}]}'}, scope="ai")  # fmt: skip
    pydantic = read({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "desk", "final_result": "Done.",
                     "pydantic_ai.all_messages": as_json([{"role": "system", "parts": [{"type": "text", "content": "Be kind."}]},
                              {"role": "user", "parts": [{"type": "text", "content": "Refund?"}]}])}, scope="pydantic-ai")  # fmt: skip
    smol = read({"openinference.span.kind": "AGENT", "input.value": '{"task": "Refund?", "stream": false}', "output.value": "Done."},
                name="desk.run")  # fmt: skip
    strands = read(
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "desk"},
        scope="strands.telemetry.tracer",
        events=[("gen_ai.user.message", {"content": '[{"text": "Refund?"}]'}), ("gen_ai.choice", {"message": "Done."})],
    )

    for facts in (langfuse, sdk, pydantic, smol, strands):
        assert (facts.kind, facts.agent_name, facts.input, facts.output) == ("agent", "desk", "Refund?", "Done."), facts.convention


def test_pydantic_ai_format_1() -> None:
    """Messages as a list of events in one attribute."""
    events = [
        {"event.name": "gen_ai.user.message", "content": "Refund?", "role": "user"},
        {"event.name": "gen_ai.assistant.message", "tool_calls": [{"id": "c1", "function": {"name": "look", "arguments": "{}"}}]},
        {"event.name": "gen_ai.tool.message", "content": "ok", "id": "c1", "role": "tool"},
        {"event.name": "gen_ai.choice", "index": 0, "message": {"role": "assistant", "content": [
            {"kind": "thinking", "text": "Within policy."}, {"kind": "text", "text": "Yes."}]}},
    ]  # fmt: skip
    facts = read({"gen_ai.operation.name": "chat", "events": as_json(events)}, scope="pydantic-ai")

    assert (facts.input, facts.output, facts.thought) == (None, "Yes.", "Within policy.")
    assert [(result.call_id, result.result) for result in facts.tool_results] == [("c1", "ok")]


def test_logfire_streams() -> None:
    """A stream's result is a zero-length span that repeats the request's model as the reply's."""
    said = {"logfire.span_type": "log", "request_data": '{"model": "m"}', "gen_ai.request.model": "m", "gen_ai.response.model": "m"}
    facts = read(said, name="streaming response from {request_data[model]!r} took {duration:.2f}s", scope="logfire.openai")

    assert (facts.kind, facts.streamed_result, facts.request_model, facts.response_model) == ("llm", True, "m", None)


def test_a_placeholder_counts_nothing() -> None:
    """The placeholder of an open span has the attributes of the real one, and no usage."""
    attributes = {"logfire.span_type": "pending_span", "gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 9, "operation.cost": 1}
    facts = read(attributes, scope="pydantic-ai")

    assert (facts.kind, facts.usage, facts.cost_nanos) == ("part", None, None)


def test_server_half_and_shared_ids() -> None:
    """What tells two spans of one call apart: the provider's own half, and an id that both have."""
    scope = "com.anthropic.claude-platform"

    assert read({"gen_ai.operation.name": "chat", "gen_ai.response.id": "m1"}, scope=scope, kind=2).server_half
    assert not read({"gen_ai.operation.name": "chat"}, scope="com.anthropic.sdk.python", kind=3).server_half
    assert read({"gcp.vertex.agent.event_id": "e1"}, name="call_llm", scope="gcp.vertex.agent").call_key == "e1"
    body = {"openinference.span.kind": "LLM", "output.value": '{"id": "msg_1", "content": [{"type": "text", "text": "x"}]}'}
    assert read(body).response_id == "msg_1"


@pytest.mark.parametrize(
    "around", [lambda state: state, lambda state: [{"graph": None, "update": state}], lambda state: {"outputs": state}]
)
def test_a_graphs_state_is_a_conversation(around: Callable[[Any], Any]) -> None:
    """What LangGraph hands from node to node is asked and answered like any conversation, whatever carries it."""
    asked = {"messages": [["user", "Where is 55512?"]]}
    told = [
        {"type": "human", "data": {"content": "Where is 55512?", "type": "human"}},
        {"type": "ai", "data": {"content": "", "tool_calls": [{"name": "find", "args": {}, "id": "c"}]}},
        {"type": "tool", "data": {"content": "shipped", "tool_call_id": "c"}},
        {"type": "ai", "data": {"content": "On Monday."}},
    ]
    kind = {"openinference.span.kind": "AGENT"}
    facts = read({**kind, "input.value": as_json(asked), "output.value": as_json(around({"messages": told, "left": 3}))}, name="support")
    assert (facts.input, facts.output) == ("Where is 55512?", "On Monday.")
    plain = as_json({"messages": []})
    assert read({**kind, "input.value": plain, "output.value": plain}, name="support").output == '{"messages":[]}'


def test_how_a_reply_prints_is_not_what_it_said() -> None:
    """LlamaIndex puts the printed reply beside the messages: of one that only asks for a tool no words are left."""
    reply = "llm.output_messages.0.message"
    asked = {f"{reply}.role": "assistant", f"{reply}.tool_calls.0.tool_call.function.name": "find"}
    facts = read({"openinference.span.kind": "LLM", "output.value": "assistant: ", **asked}, name="OpenAI.astream_chat")
    assert ([request.name for request in facts.tool_requests], facts.output, facts.thought) == (["find"], None, None)


def test_handoffs() -> None:
    """To whom a run is handed over; to people it is a tool like any other."""
    assert read({"openinference.span.kind": "TOOL"}, name="handoff to billing").handoff_to == "billing"
    assert read({"gen_ai.operation.name": "agent_handoff", "gen_ai.handoff.to_agent": "billing"}).handoff_to == "billing"
    assert read({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "transfer_to_billing"}).handoff_to == "billing"
    assert read({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "transfer_to_human_agents"}).kind == "tool"
    assert read({"traceloop.span.kind": "handoff"}, name="a → unknown.handoff").handoff_to is None
    for name in ("transfer_to_agent", "handoff_to_agent"):
        tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
        assert read(tool | {"gen_ai.tool.call.arguments": '{"agent_name": "billing"}'}).handoff_to == "billing"
        assert (read(tool).kind, read(tool).handoff_to) == ("handoff", None)


def test_our_own_attributes_go_on_any_span() -> None:
    """Decisions, budgets, termination and references are read whatever convention the span follows."""
    facts = read({
        "openinference.span.kind": "AGENT", "clew.run.id": "00F067AA0BA902B7", "clew.thought": "hm",
        "clew.decision.question": "how?", "clew.decision.chosen": "b", "clew.decision.because": "cheap",
        "clew.decision.alternatives": '[{"name": "a", "because": "dear", "score": 0.2}, {"name": "b", "score": "0.8"}, 7, {}]',
        "clew.termination.reason": "token_budget", "clew.termination.detail": "50k", "clew.budget.tokens": 50_000, "clew.budget.usd": 0.5,
        "clew.budget.steps": "12", "clew.reference.order": 12345, "clew.reference.": "x", "clew.content.truncated": True,
    })  # fmt: skip

    assert (facts.kind, facts.run_id, facts.thought) == ("agent", "00f067aa0ba902b7", "hm")
    options = [Option("a", "dear", 0.2), Option("b", None, 0.8), Option("7")]
    assert facts.decision == Decision("b", "declared", "how?", "cheap", options)
    assert (facts.termination, facts.termination_detail) == ("token_budget", "50k")
    assert (facts.budget_tokens, facts.budget_usd, facts.budget_steps) == (50_000, 0.5, 12)
    assert facts.references == {"order": "12345"}
    assert facts.truncated


def test_our_own_steps() -> None:
    """Retries, caches, breakers and fallbacks say what they did."""
    assert read({"clew.step.kind": "retry", "clew.retry.attempt": 2}).output == "attempt 2"
    assert read({"clew.step.kind": "cache", "clew.cache.hit": False}).output == "miss"
    assert read({"clew.step.kind": "breaker", "clew.breaker.state": "open"}).output == "open"
    fallback = read({"clew.step.kind": "fallback", "clew.fallback.from": "a", "clew.fallback.to": "b"})
    assert (fallback.kind, fallback.decision) == ("fallback", Decision("b", "declared", "fallback", None, [Option("a"), Option("b")]))
    assert read({"clew.step.kind": "no such kind"}, name="x").kind == "other"


def test_who_sent_it() -> None:
    """Service, version and environment come from the resource, the environment under either name."""
    both = {"deployment.environment.name": "prod", "deployment.environment": "x"}
    new = read(resource={"service.name": "shop", "service.version": "2", **both})
    old = read(resource={"deployment.environment": "prod"})

    assert (new.service, new.version, new.environment, old.environment) == ("shop", "2", "prod", "prod")


def test_ungrouped_calls_of_litellm() -> None:
    """A requested tool stands in a flattened function call while the JSON message has no parts."""
    facts = read({"gen_ai.output.messages": '[{"role": "assistant", "parts": []}]', "gen_ai.completion.0.role": "assistant",
                  "gen_ai.completion.0.function_call.name": "look", "gen_ai.completion.0.function_call.arguments": '{"q": 1}',
                  "llm.is_streaming": "False"}, name="litellm_request", scope="litellm")  # fmt: skip

    assert facts.tool_requests == [ToolRequest(None, "look", {"q": 1})]
