"""What frameworks put around questions, answers and tools: objects as Python prints them, machinery, wrappers of their own."""

from typing import Any

import pytest

from ingest.dialects.printed import class_name, fault_words, is_opaque, is_printed, printed_fields, printed_words
from ingest.model import ToolResult

from .dialect_spans import as_json, counted, read

CHAIN, AGENT, MODEL = ({"openinference.span.kind": kind} for kind in ("CHAIN", "AGENT", "LLM"))

AUTOGEN = "id='a1' source='user' models_usage=None metadata={} content=\"Where's my order?\" type='TextMessage'"
LLAMA_INDEX = "AgentInput(input=[ChatMessage(role=<MessageRole.USER: 'user'>, blocks=[TextBlock(block_type='text', text='Where is it?')])])"


@pytest.mark.parametrize(
    ("text", "printed", "words"),
    [
        (AUTOGEN, True, "Where's my order?"),
        (LLAMA_INDEX, True, "Where is it?"),
        (r"Message(text='one\ntwo \'three\' \d')", True, "one\ntwo 'three' \\d"),
        ("StopEvent(result=AgentOutput(blocks=[TextBlock(text='cut sh...", True, None),
        ("total=12", False, None),
        ("Call f(x=1) to see", False, None),
        ("text='no object around it", False, None),
    ],
)
def test_printed_objects(text: str, printed: bool, words: str | None) -> None:
    """An object's words are found among its printed fields; what merely has an equals sign in it is text."""
    assert (is_printed(text), printed_words(text)) == (printed, words)


def test_printed_fields_are_read_in_one_pass() -> None:
    """A field inside another's text is none; a text full of open quotes costs no more than its length."""
    call = 'ResponseFunctionToolCall(arguments=\'{"name": "x", "a": "name=1"}\', call_id=\'c1\', name=\'find\', async_=None)'
    assert dict(printed_fields(call)) == {"arguments": '{"name": "x", "a": "name=1"}', "call_id": "c1", "name": "find"}
    assert list(printed_fields('a="' * 7_000 + "b='" * 7_000)) != []
    assert is_opaque("<groq.Stream object at 0x7f>") and not is_opaque("<b>an object at 0x7f</b> and more")


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("{'message': 'Error getting response', 'data': {'error': 'Error code: 429'}}", "Error getting response: Error code: 429"),
        (
            "Error running tool (non-fatal): {'tool_name': 'pay', 'error': 'ledger is closed'}",
            "Error running tool (non-fatal): ledger is closed",
        ),
        (
            'Error running tool (non-fatal): {"tool_name":"pay","error":"ledger is closed"}',
            "Error running tool (non-fatal): ledger is closed",
        ),
        ("ledger is closed\n\nError: ledger is closed\n    at pay (file:///srv/a.mjs:3:1)\n    at run", "ledger is closed"),
        ("Error: closed\n    at pay (file:///srv/a.mjs:3:1)", "Error: closed"),
        ("{'message': None}", "{'message': None}"),
        ("bad request: {'detail': 1}", "bad request: {'detail': 1}"),
        ("{'message': 'cut in the mid", "{'message': 'cut in the mid"),
    ],
)
def test_failures_of_openais_agents(said: str, wanted: str) -> None:
    """A failure is told by its message and its cause."""
    assert fault_words(said) == wanted
    facts = read({"error.type": "<class 'openai.RateLimitError'>"}, status_code=2, status_message=said)
    assert (facts.error_type, facts.error_message) == ("openai.RateLimitError", wanted)
    assert class_name("<class 'a'> and more") == "<class 'a'> and more"


def test_printed_questions_and_answers() -> None:
    """Agents and chains are asked and answer in words, however a framework sends them."""
    assert read({**AGENT, "input.value": AUTOGEN}, name="desk").input == "Where's my order?"
    llama = "openinference.instrumentation.llama_index"
    step = {**CHAIN, "input.value": as_json({"ctx": "<workflows.Context object at 0x7f>", "ev": LLAMA_INDEX})}
    assert read(step, name="setup_agent", scope=llama).input == "Where is it?"
    assert read({**CHAIN, "input.value": as_json({"init_state": {}})}, name="Agent.run", scope=llama).input is None
    crew = "openinference.instrumentation.crewai"
    task = {"description": "Where is it?", "raw": "On its way.", "pydantic": None}
    facts = read({**AGENT, "input.value": as_json({"agent": {"role": "desk"}, "tools": []}), "output.value": as_json(task)}, scope=crew)
    assert (facts.input, facts.output) == ("Where is it?", "On its way.")


def test_an_answer_in_json_is_an_answer() -> None:
    """Structured output with a field named like a part of a message is what the model said, nothing else."""
    answer = as_json({"answer": "yes", "reasoning": "because"})
    reply = {"llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.content": answer}
    for said in ({**MODEL, **reply}, {**MODEL, "output.value": as_json([answer])}, {**MODEL, "output.value": answer}):
        facts = read(said, name="LM.__call__")
        assert (facts.thought, (facts.output or "").replace(" ", "")) == (None, answer.replace(" ", ""))


def test_a_stream_that_nobody_read_is_a_call() -> None:
    """An instrumentation that sends the stream's address saw a call, though none of its words."""
    facts = read({**MODEL, "llm.model_name": "llama", "output.value": "<groq.Stream object at 0x7f>"}, name="Completions")
    assert (facts.kind, facts.output) == ("llm", None)


@pytest.mark.parametrize(
    "given",
    [
        {"tool_name": "find", "tool_kwargs": {"id": 1}, "tool_id": "c1", "tool_output": {"raw_output": "late", "tool_name": "find"}},
        {"tool_name": "find", "raw_input": {"args": [], "kwargs": {"id": 1}}, "raw_output": "late", "is_error": False},
    ],
)
def test_tools_of_llamaindex_under_openllmetry(given: dict[str, Any]) -> None:
    """A task whose output names a tool carried it out."""
    said = {"traceloop.span.kind": "task", "traceloop.entity.name": "FunctionTool.task", "traceloop.entity.output": as_json(given)}
    facts = read(said, name="FunctionTool.task", scope="opentelemetry.instrumentation.llamaindex")
    assert (facts.kind, facts.tool_name, facts.tool_arguments, facts.tool_result) == ("tool", "find", {"id": 1}, "late")
    assert not facts.failed
    broken = {**given, "tool_output": {"raw_output": "closed", "tool_name": "find", "is_error": True}}
    facts = read({**said, "traceloop.entity.output": as_json(broken)}, scope="opentelemetry.instrumentation.llamaindex")
    assert (facts.failed, facts.tool_error) == (True, "closed")


def test_what_an_empty_object_gives() -> None:
    """A tool that failed gave nothing; one that did not may well give an empty object."""
    said = {"langsmith.span.kind": "tool", "gen_ai.completion": "{}"}
    assert read(said, name="find", scope="langsmith").tool_result == "{}"
    failed = read(said, name="find", scope="langsmith", status_code=2, status_message="closed")
    assert (failed.tool_result, failed.tool_error) == (None, "closed")


@pytest.mark.parametrize(
    ("scope", "stated", "wanted"),
    [
        ("opentelemetry.instrumentation.bedrock", (811, 63, 256, 64, 874), (1131, 63, 256, 64, None)),
        ("opentelemetry.instrumentation.anthropic", (1131, 63, 256, 64, 1194), (1131, 63, 256, 64, None)),
        ("opentelemetry.instrumentation.google_generativeai", (1131, 53, 256, None, 1194), (1131, 63, 256, None, 10)),
        ("opentelemetry.instrumentation.google_generativeai", (1131, 63, 256, None, 1194), (1131, 63, 256, None, None)),
        ("opentelemetry.instrumentation.groq", (1131, 53, 256, None, 1194), (1131, 53, 256, None, None)),
    ],
)  # fmt: skip
def test_tokens_that_a_client_passes_on(scope: str, stated: tuple[int | None, ...], wanted: tuple[int | None, ...]) -> None:
    """OpenLLMetry passes on Bedrock's number without cached tokens, and Gemini's without thoughts, of which the total tells."""
    names = ("input_tokens", "output_tokens", "cache_read.input_tokens", "cache_creation.input_tokens", "total_tokens")
    usage = {f"gen_ai.usage.{name}": count for name, count in zip(names, stated, strict=True) if count is not None}
    assert counted(read({"gen_ai.operation.name": "chat", **usage}, scope=scope)) == wanted


def test_a_request_sent_as_the_words_of_a_user() -> None:
    """Traceloop's SDK for JavaScript sends what the Responses API is told as one text; words that happen to be JSON stay words."""
    items = [
        {"role": "user", "content": "Where is it?"}, {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "on its way"},
    ]  # fmt: skip
    told = [{"role": "user", "parts": [{"type": "text", "content": as_json(items)}]}]
    facts = read({"gen_ai.operation.name": "chat", "gen_ai.input.messages": as_json(told)}, scope="@traceloop/instrumentation-openai")
    assert (facts.input, facts.tool_results) == (None, [ToolResult("c1", "on its way")])

    rows = as_json([{"sku": 1}, {"sku": 2}])
    told = [{"role": "user", "parts": [{"type": "text", "content": rows}]}]
    assert read({"gen_ai.operation.name": "chat", "gen_ai.input.messages": as_json(told)}).input == rows


@pytest.mark.parametrize(
    ("result", "failed"),
    [({"error": True, "message": "no such order"}, True), ({"error": "none", "paid": 3}, False), ({"error": False}, False)],
)
def test_a_result_that_says_it_is_an_error(result: dict[str, Any], failed: bool) -> None:
    """Mastra's tools answer with an error where their arguments are refused."""
    assert read({"gen_ai.tool.name": "look", "gen_ai.tool.call.result": as_json(result)}, name="execute_tool look").failed is failed


def test_a_type_that_is_none() -> None:
    """Where an emitter knows no type of a failure, the exception beside it tells."""
    said = {"error.type": "unknown", "error.message": "closed", "gen_ai.operation.name": "chat"}
    facts = read(said, status_code=2, events=[("exception", {"exception.type": "TypeError"})])
    assert (facts.error_type, facts.error_message) == ("TypeError", "closed")
    assert read({"gen_ai.operation.name": "chat", "gen_ai.response.finish_reasons": ["error"]}).failed


def test_messages_without_anything_around_them() -> None:
    """An agent's input may be a bare list of messages, and an answer a message with its finish reason beside it."""
    talk = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is it?"}]
    facts = read({**AGENT, "input.value": as_json(talk)}, name="desk")
    assert facts.input == "Where is it?"
    answer = {"message": {"role": "model", "content": [{"text": "On its way."}]}, "finishReason": "stop"}
    assert read({"genkit:type": "util", "genkit:output": as_json(answer)}, name="generate").output == "On its way."


def test_an_answer_handed_over_by_a_user() -> None:
    """Anthropic's users hand over what tools answered."""
    told = {"llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.content": "late"}
    facts = read({"openinference.span.kind": "LLM", **told, "llm.input_messages.0.message.tool_call_id": "t1", "output.value": "Sorry."})
    assert (facts.input, facts.tool_results) == (None, [ToolResult("t1", "late")])


def test_strands_for_javascript() -> None:
    """Its spans name the service as the system, and Bedrock's words in JavaScript's way."""
    said = {"gen_ai.operation.name": "chat", "gen_ai.system": "shop", "gen_ai.request.model": "gpt-4.1", "gen_ai.event.start_time": "now"}
    events = [("gen_ai.choice", {"finish_reason": "maxTokens", "message": as_json([{"text": "Sor"}])})]
    facts = read(said, name="chat", scope="shop", events=events)
    assert (facts.provider, facts.finish_reason, facts.output) == ("openai", "max_tokens", "Sor")


def test_voltagent_counts_on_the_agent() -> None:
    """The span of an answer's calls counts the last of them; the agent counts them all."""
    scope = "@voltagent/core"
    call = {"span.type": "llm", "entity.type": "agent", "entity.name": "desk", "llm.model": "gpt-4.1", "llm.usage.prompt_tokens": 9}
    facts = read({**call, "llm.tools": "look,pay", "llm.usage.completion_tokens": 2}, name="llm:generateText", scope=scope)
    assert (facts.kind, facts.usage, facts.tools_offered) == ("llm", None, ["look", "pay"])
    agent = {"entity.type": "agent", "entity.name": "desk", "input": "Where is it?", "output": "Late.", "conversation.id": "c1"}
    whole = {"usage.prompt_tokens": 90, "usage.completion_tokens": 12, "usage.cached_tokens": 64, "usage.reasoning_tokens": 5}
    facts = read({**agent, **whole}, name="desk", scope=scope)
    assert (facts.kind, facts.agent_name, facts.session_id, facts.output) == ("agent", "desk", "c1", "Late.")
    assert counted(facts) == (90, 12, 64, None, 5)
    assert read({"entity.type": "workflow"}, name="order", scope=scope).kind == "chain"
    assert read({"span.type": "workflow-step", "entity.type": "workflow"}, name="step", scope=scope).kind == "chain"


def test_an_error_of_a_function() -> None:
    """Gemini's API gives a function's response an error in place of an output."""
    contents = [{"role": "user", "parts": [{"functionResponse": {"name": "pay", "response": {"error": "closed"}}}]}]
    request = {"gcp.vertex.agent.llm_request": as_json({"contents": contents})}
    facts = read({"gen_ai.operation.name": "chat", **request}, scope="gcp.vertex.agent")
    assert facts.tool_results == [ToolResult(None, "closed", True, "pay")]


def test_what_a_node_of_a_graph_gave() -> None:
    """A node that ran a tool gave what the tool gave, one that handed a question on gave the question."""
    answer = {"lc": 1, "type": "constructor", "id": ["langchain_core", "messages", "ToolMessage"], "kwargs": {"content": "late"}}
    assert read({**CHAIN, "output.value": as_json({"messages": [answer]})}, name="tools").output == "late"
    asked = {"role": "user", "content": "Where is it?"}
    assert read({**CHAIN, "output.value": as_json({"messages": [asked]})}, name="__start__").output == "Where is it?"
    said = {"role": "assistant", "content": "Let me look."}
    assert read({**CHAIN, "output.value": as_json({"messages": [asked, said, answer]})}, name="tools").output == "Let me look."


def test_tools_of_langchain_under_traceloop_for_javascript() -> None:
    """A tool's span is named after its class; its answer names the tool."""
    kwargs = {"status": "success", "content": "late", "tool_call_id": "c1", "name": "look"}
    answer = {"lc": 1, "type": "constructor", "id": ["langchain_core", "messages", "ToolMessage"], "kwargs": kwargs}
    said = {"gen_ai.operation.name": "execute_tool", "traceloop.span.kind": "task", "traceloop.entity.name": "DynamicStructuredTool"}
    told = {"traceloop.entity.input": as_json({"args": [as_json({"id": "7"})]}), "traceloop.entity.output": as_json(answer)}
    facts = read({**said, **told}, name="execute_tool DynamicStructuredTool", scope="@traceloop/instrumentation-langchain")
    assert (facts.tool_name, facts.tool_call_id, facts.tool_arguments, facts.tool_result) == ("look", "c1", {"id": "7"}, "late")


def test_printed_messages_have_a_role() -> None:
    """What smolagents printed of a conversation is told apart by who said it; its texts stand in parts."""
    told = [
        "ChatMessage(role=<MessageRole.SYSTEM: 'system'>, content=[{'type': 'text', 'text': \"It's content='you' who answers\"}])",
        "ChatMessage(role=<MessageRole.USER: 'user'>, content=[{'type': 'text', 'text': 'Where is it?'}], tool_calls=None)",
    ]
    assert read(MODEL | {"input.value": as_json({"messages": told}), "llm.token_count.prompt": 9}).input == "Where is it?"
    said = "ChatMessage(role=<MessageRole.ASSISTANT: 'assistant'>, content=[{'type': 'text', 'text': 'Wait.'}])"
    answered = "ChatMessage(role=<MessageRole.TOOL_RESPONSE: 'tool-response'>, content=[{'type': 'text', 'text': 'Late.'}])"
    again = read(MODEL | {"input.value": as_json({"messages": [*told, said, answered]}), "llm.token_count.prompt": 9})
    assert (again.input, again.tool_results) == (None, [ToolResult(None, "Late.")])


@pytest.mark.parametrize("unsaid", ["__REDACTED__", "null"])
def test_what_is_hidden_is_not_said(unsaid: str) -> None:
    """A mask is no question, no answer and no argument, and from it follows no reason why a reply ended."""
    hidden = {"input.value": unsaid, "output.value": unsaid}
    facts = read(MODEL | hidden | {"llm.token_count.prompt": 9, "llm.token_count.completion": 3})
    assert (facts.kind, facts.input, facts.output, facts.finish_reason) == ("llm", None, None, None)
    tool = read({"openinference.span.kind": "TOOL", "tool.name": "look"} | hidden)
    assert (tool.tool_arguments, tool.tool_result) == (None, None)


def test_a_reply_as_long_as_it_may_be_was_cut() -> None:
    """Where no reason is told, the bound in the request's own words tells that a reply ran into it."""
    spent = {"langfuse.observation.usage_details": as_json({"input": 9, "output": 16}), "langfuse.observation.type": "generation"}
    cut = read(spent | {"langfuse.observation.model.parameters": '{"max_tokens": 16}', "langfuse.observation.output": "Cut sh"})
    assert cut.finish_reason == "length"
    reply = {"message": {"role": "assistant", "content": "Cut"}, "usage": {"input_tokens": 9, "output_tokens": 16}}
    logfire = {"response_data": as_json(reply)}
    asked = {"request_data": as_json({"model": "claude-sonnet-4-5", "max_tokens": 16})}
    assert read(logfire | asked, name="Message with {request_data[model]!r}", scope="logfire.anthropic").finish_reason == "length"


def test_guardrails_of_mlflow() -> None:
    """Releases that know no guardrails call them tools; a type to answer with is no answer."""
    guard = {"mlflow.spanType": '"TOOL"', "mlflow.spanInputs": "null"}
    passed, stopped = (read(guard | {"mlflow.spanOutputs": said}, name="pii") for said in ('{"triggered": false}', '{"triggered": true}'))
    assert (passed.kind, passed.failed) == ("guardrail", False)
    assert (stopped.kind, stopped.failed, stopped.error_message) == ("guardrail", True, "guardrail pii triggered")
    tool = read(guard | {"mlflow.spanOutputs": '{"triggered": false, "by": 1}'}, name="pii")
    assert (tool.kind, tool.tool_arguments) == ("tool", None)
    agent = read({"mlflow.spanType": '"AGENT"', "mlflow.spanInputs": "null", "mlflow.spanOutputs": '{"output_type": "str"}'}, name="desk")
    assert (agent.input, agent.output) == (None, None)


def test_openlit_puts_what_was_asked_for_on_the_call() -> None:
    """Tools without a message to stand in are read from where OpenLIT names them, several at once too."""
    call = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
    both = {"gen_ai.tool.name": "look, search", "gen_ai.tool.call.id": "c1, c2", "gen_ai.tool.args": '{"a": 1}, {"b": 2}'}
    asked = read(call | both, scope="openlit.instrumentation.openai").tool_requests
    assert [(one.call_id, one.name, one.arguments) for one in asked] == [("c1", "look", {"a": 1}), ("c2", "search", {"b": 2})]
    one = {"gen_ai.tool.name": "look", "gen_ai.tool.call.id": "c1", "gen_ai.tool.args": "{'a': 1}"}
    assert read(call | one, scope="openlit.otel.tracing", resource={"telemetry.sdk.name": "openlit"}).tool_requests[0].arguments == {"a": 1}
    odd = read(call | both | {"gen_ai.tool.args": "cut sh"}, scope="openlit.instrumentation.openai").tool_requests
    assert [one.arguments for one in odd] == [None, None]


def test_a_result_that_is_only_an_error() -> None:
    """What says nothing but what went wrong went wrong; what also gives something did not."""
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "pay"}
    assert read(tool | {"gcp.vertex.agent.tool_response": '{"error": "ledger is closed"}'}).failed
    for result in ('{"error": null}', '{"error": "", "paid": 3}', '{"error": "late", "paid": 3}'):
        assert not read(tool | {"gcp.vertex.agent.tool_response": result}).failed
    assert read(tool | {"gen_ai.tool.call.id": "<not specified>"}, scope="gcp.vertex.agent").tool_call_id is None


def test_a_workflow_names_its_run() -> None:
    """OpenLLMetry's workflow is called by its own name, not by its span's."""
    workflow = {"traceloop.span.kind": "workflow", "traceloop.entity.name": "support"}
    assert read(workflow, name="support.workflow", scope="opentelemetry.instrumentation.langchain").agent_name == "support"


def test_what_was_looked_for() -> None:
    """Of an embedding's or a retrieval's request only what was sought is told."""
    langfuse = {"langfuse.observation.type": "retriever", "langfuse.observation.input": as_json({"args": ["late?"], "kwargs": {}})}
    assert read(langfuse).input == "late?"
    embedding = {"openinference.span.kind": "EMBEDDING"}
    assert read(embedding | {"input.value": as_json({"model": "m", "input": ["a", "b"]})}).input == '["a","b"]'
    assert read(embedding | {"input.value": as_json({"model": "m"})}).input is None


def test_a_user_who_answers_a_tool_call_is_the_tool() -> None:
    """A year-old OpenInference flattens Anthropic's results into a user's message with the call's id."""
    said = {"role": "user", "tool_call_id": "c1", "content": "Late."}
    flat = {f"llm.input_messages.0.message.{key}": value for key, value in said.items()}
    facts = read(MODEL | flat | {"llm.token_count.prompt": 9})
    assert (facts.input, [(one.call_id, one.result) for one in facts.tool_results]) == (None, [("c1", "Late.")])


def test_masked_messages() -> None:
    """A masked text among messages is none."""
    masked = {"llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.content": "__REDACTED__"}
    assert read(MODEL | masked | {"llm.token_count.prompt": 9}).input is None


def test_an_output_tool_is_the_answer() -> None:
    """Pydantic AI's output tools are how a model answers: no tool is run."""
    asked = [{"type": "tool_call", "id": name, "name": name, "arguments": {"a": 1}} for name in ("look", "final_result")]
    offered = {"function_tools": [{"name": "look"}], "output_tools": [{"name": "final_result"}]}
    call = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m",
        "model_request_parameters": as_json(offered),
        "gen_ai.output.messages": as_json([{"role": "assistant", "parts": asked}]),
    }
    facts = read(call, scope="pydantic-ai")
    assert ([one.name for one in facts.tool_requests], facts.output) == (["look"], '{"a":1}')
    failed = {"gen_ai.tool.name": "pay", "tool_response": "ledger is closed", "gen_ai.operation.name": "execute_tool"}
    assert read(failed, scope="pydantic-ai", status_code=2, status_message="ToolRetryError: ").tool_error == "ledger is closed"
