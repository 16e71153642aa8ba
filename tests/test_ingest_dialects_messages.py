"""Messages of every shape give the same: what is new, what was said, thought, asked for and answered."""

from typing import Any

import pytest

from ingest.model import ToolRequest, ToolResult

from .dialect_spans import as_json, read

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.output_tokens": 9}
REQUEST = ToolRequest("c2", "refund", {"order": "A-1"})
RESULT = ToolResult("c1", "42.5 EUR")

PARTS_IN = [
    {"role": "system", "parts": [{"type": "text", "content": "Be kind."}]},
    {"role": "user", "parts": [{"type": "text", "content": "Refund?"}]},
    {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "look", "arguments": {}}]},
    {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "42.5 EUR"}]},
    {"role": "user", "parts": [{"type": "text", "content": "Quick!"}]},
]
PARTS_OUT = [
    {
        "role": "assistant",
        "parts": [
            {"type": "reasoning", "content": "Within policy."},
            {"type": "text", "content": "One moment."},
            {"type": "tool_call", "id": "c2", "name": "refund", "arguments": {"order": "A-1"}},
        ],
        "finish_reason": "tool_call",
    }
]
OPENAI_IN = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Refund?"},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "function": {"name": "look", "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": "c1", "content": "42.5 EUR"},
    {"role": "user", "content": "Quick!"},
]
OPENAI_OUT = {
    "id": "r1",
    "choices": [
        {
            "finish_reason": "tool_calls",
            "message": {
                "role": "assistant",
                "content": "One moment.",
                "reasoning_content": "Within policy.",
                "tool_calls": [{"id": "c2", "type": "function", "function": {"name": "refund", "arguments": '{"order": "A-1"}'}}],
            },
        }
    ],
}
ANTHROPIC_IN = {
    "model": "m",
    "system": "Be kind.",
    "tools": [{"name": "look", "input_schema": {}}, {"name": "refund", "input_schema": {}}],
    "messages": [
        {"role": "user", "content": "Refund?"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "look", "input": {}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "42.5 EUR"}]},
            {"type": "text", "text": "Quick!"},
        ]},
    ],
}  # fmt: skip
ANTHROPIC_OUT = {
    "id": "r1",
    "stop_reason": "tool_use",
    "role": "assistant",
    "content": [
        {"type": "thinking", "thinking": "Within policy.", "signature": "x"},
        {"type": "text", "text": "One moment."},
        {"type": "tool_use", "id": "c2", "name": "refund", "input": {"order": "A-1"}},
    ],
}
RESPONSES_IN = {
    "input": [
        {"role": "user", "content": "Refund?"},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "42.5 EUR"},
        {"role": "user", "content": [{"type": "input_text", "text": "Quick!"}]},
    ]
}
RESPONSES_OUT = {
    "id": "r1",
    "object": "response",
    "status": "completed",
    "output": [
        {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "Within policy."}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "One moment."}]},
        {"type": "function_call", "id": "fc_2", "call_id": "c2", "name": "refund", "arguments": '{"order": "A-1"}'},
    ],
}
GEMINI_IN = {
    "contents": [
        {"role": "user", "parts": [{"text": "Refund?"}]},
        {"role": "model", "parts": [{"functionCall": {"id": "c1", "name": "look", "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"id": "c1", "response": {"result": "42.5 EUR"}}}, {"text": "Quick!"}]},
    ],
    "config": {"tools": [{"function_declarations": [{"name": "look"}, {"name": "refund"}]}]},
}
GEMINI_OUT = {
    "candidates": [
        {
            "finishReason": "STOP",
            "content": {
                "role": "model",
                "parts": [
                    {"text": "Within policy.", "thought": True},
                    {"text": "One moment."},
                    {"functionCall": {"id": "c2", "name": "refund", "args": {"order": "A-1"}}},
                ],
            },
        }
    ]
}
BEDROCK_IN = {
    "messages": [
        {"role": "user", "content": [{"text": "Refund?"}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c1", "name": "look", "input": {}}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "c1", "content": [{"text": "42.5 EUR"}]}}, {"text": "Quick!"}]},
    ]
}
BEDROCK_OUT = {
    "stopReason": "tool_use",
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "Within policy."}}},
                {"text": "One moment."},
                {"toolUse": {"toolUseId": "c2", "name": "refund", "input": {"order": "A-1"}}},
            ],
        }
    },
}


def lc(kind: str, **fields: Any) -> dict[str, Any]:
    """Build a message as LangChain serialises it."""
    return {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", kind], "kwargs": fields}


LANGCHAIN_IN = {
    "messages": [[
        lc("SystemMessage", content="Be kind.", type="system"),
        lc("HumanMessage", content="Refund?", type="human"),
        lc("AIMessage", content="", type="ai", tool_calls=[{"name": "look", "args": {}, "id": "c1", "type": "tool_call"}]),
        lc("ToolMessage", content="42.5 EUR", type="tool", tool_call_id="c1", status="success"),
        lc("HumanMessage", content="Quick!", type="human"),
    ]]
}  # fmt: skip
LANGCHAIN_OUT = {
    "generations": [[{
        "text": "One moment.",
        "message": lc(
            "AIMessage", type="ai", id="lc_run--1", response_metadata={"id": "r1", "stop_reason": "tool_use"},
            content=[{"type": "thinking", "thinking": "Within policy."}, {"type": "text", "text": "One moment."}],
            tool_calls=[{"name": "refund", "args": {"order": "A-1"}, "id": "c2", "type": "tool_call"}],
        ),
    }]],
    "llm_output": {},
}  # fmt: skip
AI_SDK_IN = [
    {"role": "user", "content": [{"type": "text", "text": "Refund?"}]},
    {"role": "assistant", "content": [{"type": "tool-call", "toolCallId": "c1", "toolName": "look", "input": {}}]},
    {"role": "tool", "content": [{"type": "tool-result", "toolCallId": "c1", "output": {"type": "text", "value": "42.5 EUR"}}]},
    {"role": "user", "content": [{"type": "text", "text": "Quick!"}]},
]

FLAT_OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.input_messages.0.message.role": "user",
    "llm.input_messages.0.message.content": "Refund?",
    "llm.input_messages.1.message.role": "assistant",
    "llm.input_messages.1.message.tool_calls.0.tool_call.id": "c1",
    "llm.input_messages.1.message.tool_calls.0.tool_call.function.name": "look",
    "llm.input_messages.2.message.role": "tool",
    "llm.input_messages.2.message.tool_call_id": "c1",
    "llm.input_messages.2.message.content": "42.5 EUR",
    "llm.input_messages.10.message.role": "user",
    "llm.input_messages.10.message.contents.0.message_content.type": "text",
    "llm.input_messages.10.message.contents.0.message_content.text": "Quick!",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.contents.0.message_content.type": "reasoning",
    "llm.output_messages.0.message.contents.0.message_content.text": "Within policy.",
    "llm.output_messages.0.message.contents.1.message_content.type": "text",
    "llm.output_messages.0.message.contents.1.message_content.text": "One moment.",
    "llm.output_messages.0.message.contents.2.message_content.type": "tool_use",
    "llm.output_messages.0.message.contents.2.tool_call.id": "c2",
    "llm.output_messages.0.message.contents.2.tool_call.function.name": "refund",
    "llm.output_messages.0.message.contents.2.tool_call.function.arguments": '{"order": "A-1"}',
    "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c2",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "refund",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"order": "A-1"}',
}
FLAT_OPENLLMETRY = {
    "llm.request.type": "chat",
    "gen_ai.prompt.0.role": "system",
    "gen_ai.prompt.0.content": "Be kind.",
    "gen_ai.prompt.1.role": "user",
    "gen_ai.prompt.1.content": "Refund?",
    "gen_ai.prompt.2.role": "assistant",
    "gen_ai.prompt.2.tool_calls.0.id": "c1",
    "gen_ai.prompt.2.tool_calls.0.name": "look",
    "gen_ai.prompt.3.role": "user",
    "gen_ai.prompt.3.content": '[{"type": "tool_result", "tool_use_id": "c1", "content": "42.5 EUR"}, {"type": "text", "text": "Quick!"}]',
    "gen_ai.completion.0.role": "thinking",
    "gen_ai.completion.0.content": "Within policy.",
    "gen_ai.completion.1.role": "assistant",
    "gen_ai.completion.1.content": "One moment.",
    "gen_ai.completion.1.finish_reason": "tool_use",
    "gen_ai.completion.1.tool_calls.0.id": "c2",
    "gen_ai.completion.1.tool_calls.0.name": "refund",
    "gen_ai.completion.1.tool_calls.0.arguments": '{"order": "A-1"}',
}


def body(given: Any, told: Any) -> dict[str, Any]:
    """Build the attributes of a call whose request and reply are single values."""
    return {"openinference.span.kind": "LLM", "input.value": as_json(given), "output.value": as_json(told)}


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({**CHAT, "gen_ai.input.messages": as_json(PARTS_IN), "gen_ai.output.messages": as_json(PARTS_OUT)}, id="genai-json"),
        pytest.param({**CHAT, "gen_ai.input.messages": PARTS_IN, "gen_ai.output.messages": PARTS_OUT}, id="genai-structured"),
        pytest.param(
            {**CHAT, "gen_ai.input.messages": as_json(as_json(PARTS_IN)), "gen_ai.output.messages": as_json(as_json(PARTS_OUT))},
            id="genai-encoded-twice",
        ),
        pytest.param({**CHAT, "gen_ai.input.messages": repr(PARTS_IN), "gen_ai.output.messages": repr(PARTS_OUT)}, id="genai-python"),
        pytest.param(FLAT_OPENINFERENCE, id="openinference-flat"),
        pytest.param(FLAT_OPENLLMETRY, id="openllmetry-flat"),
        pytest.param(body({"messages": OPENAI_IN}, OPENAI_OUT), id="openai-chat"),
        pytest.param(body(ANTHROPIC_IN, ANTHROPIC_OUT), id="anthropic"),
        pytest.param(body(RESPONSES_IN, RESPONSES_OUT), id="openai-responses"),
        pytest.param(body(GEMINI_IN, GEMINI_OUT), id="gemini"),
        pytest.param(body(BEDROCK_IN, BEDROCK_OUT), id="bedrock"),
        pytest.param(body(LANGCHAIN_IN, LANGCHAIN_OUT), id="langchain"),
        pytest.param(
            {"langsmith.span.kind": "llm", "gen_ai.prompt": as_json(LANGCHAIN_IN), "gen_ai.completion": as_json(LANGCHAIN_OUT)},
            id="langsmith",
        ),
        pytest.param(
            {"mlflow.spanType": '"CHAT_MODEL"', "mlflow.spanInputs": as_json(ANTHROPIC_IN), "mlflow.spanOutputs": as_json(ANTHROPIC_OUT)},
            id="mlflow",
        ),
        pytest.param(
            {"langfuse.observation.type": "generation", "langfuse.observation.input": as_json(OPENAI_IN),
             "langfuse.observation.output": as_json(OPENAI_OUT["choices"][0]["message"])},  # type: ignore[index]
            id="langfuse",
        ),
        pytest.param(
            {"ai.operationId": "ai.streamText.doStream", "ai.prompt.messages": as_json(AI_SDK_IN), "ai.response.text": "One moment.",
             "ai.response.reasoning": "Within policy.",
             "ai.response.toolCalls": as_json([{"toolCallId": "c2", "toolName": "refund", "input": '{"order": "A-1"}'}])},
            id="ai-sdk",
        ),
        pytest.param(
            {"genkit:metadata:subtype": "model", "genkit:input": as_json({"messages": [
                {"role": "user", "content": [{"text": "Refund?"}]},
                {"role": "model", "content": [{"toolRequest": {"name": "look", "ref": "c1", "input": {}}}]},
                {"role": "tool", "content": [{"toolResponse": {"name": "look", "ref": "c1", "output": "42.5 EUR"}}]},
                {"role": "user", "content": [{"text": "Quick!"}]}]}),
             "genkit:output": as_json({"finishReason": "stop", "message": {"role": "model", "content": [
                 {"reasoning": "Within policy."}, {"text": "One moment."},
                 {"toolRequest": {"name": "refund", "ref": "c2", "input": {"order": "A-1"}}}]}})},
            id="genkit",
        ),
    ],
)  # fmt: skip
def test_every_shape_says_the_same(attributes: dict[str, Any]) -> None:
    """Only what came after the model's last own message is new; the reply is parted into words, thoughts and requests."""
    facts = read(attributes, name="call")

    assert (facts.kind, facts.input, facts.output, facts.thought) == ("llm", "Quick!", "One moment.", "Within policy.")
    assert [(result.call_id, result.result) for result in facts.tool_results] == [("c1", "42.5 EUR")]
    assert facts.tool_requests == [REQUEST]
    assert facts.finish_reason is not None or facts.usage is None


def test_strands_events() -> None:
    """Messages as span events with content blocks in JSON."""
    facts = read(
        {"gen_ai.operation.name": "chat", "gen_ai.system": "strands-agents"},
        events=[
            ("gen_ai.system.message", {"content": '[{"text": "Be kind."}]'}),
            ("gen_ai.user.message", {"content": '[{"text": "Refund?"}]'}),
            ("gen_ai.assistant.message", {"content": '[{"toolUse": {"toolUseId": "c1", "name": "look", "input": {}}}]'}),
            ("gen_ai.tool.message", {
                "content": '[{"toolResult": {"toolUseId": "c1", "content": [{"text": "42.5 EUR"}], "status": "error"}}]',
            }),
            ("gen_ai.choice", {
                "finish_reason": "tool_use",
                "message": '[{"reasoningContent": {"reasoningText": {"text": "Within policy."}}}, {"text": "One moment."}]',
            }),
        ],
    )  # fmt: skip

    assert (facts.input, facts.output, facts.thought, facts.finish_reason) == (None, "One moment.", "Within policy.", "tool_use")
    assert facts.tool_results == [ToolResult("c1", "42.5 EUR", True)]


def test_strands_newest_events() -> None:
    """Several events of one name, each with one of a span's attributes."""
    name = "gen_ai.client.inference.operation.details"
    facts = read(
        {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "strands-agents"},
        events=[
            (name, {"gen_ai.input.messages": as_json(PARTS_IN)}),
            (name, {"gen_ai.output.messages": as_json(PARTS_OUT)}),
        ],
    )

    assert (facts.input, facts.thought, facts.tool_requests) == ("Quick!", "Within policy.", [REQUEST])


def test_azure_events() -> None:
    """The message is JSON in an attribute of the event."""
    facts = read(
        {"gen_ai.operation.name": "chat", "gen_ai.system": "az.ai.inference"},
        events=[
            ("gen_ai.user.message", {"gen_ai.event.content": '{"role": "user", "content": "Refund?"}'}),
            ("gen_ai.choice", {"gen_ai.event.content": '{"message": {"content": "Yes."}, "finish_reason": "stop", "index": 0}'}),
        ],
    )

    assert (facts.input, facts.output, facts.finish_reason, facts.provider) == ("Refund?", "Yes.", "stop", "azure.ai.inference")


def test_content_events_of_1_27() -> None:
    """One event with the prompt, one with the completion."""
    facts = read(
        {"gen_ai.operation.name": "chat", "gen_ai.system": "openai"},
        events=[
            ("gen_ai.content.prompt", {"gen_ai.prompt": '{"role": "user", "content": "Refund?"}'}),
            ("gen_ai.content.completion", {"gen_ai.completion": '{"role": "assistant", "content": "Yes."}'}),
        ],
    )

    assert (facts.input, facts.output) == ("Refund?", "Yes.")


def test_content_events_of_a_whole_conversation() -> None:
    """Langtrace puts all messages into the one event, and all of the reply into the other."""
    told = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Refund?"}]
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    facts = read(
        {"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.tools": [as_json([{"name": "look"}])]},
        events=[
            ("gen_ai.content.prompt", {"gen_ai.prompt": as_json(told)}),
            ("gen_ai.content.completion", {"gen_ai.completion": as_json([{"role": "assistant", "content": [call]}])}),
        ],
    )

    assert (facts.input, facts.tool_requests, facts.tools_offered) == ("Refund?", [ToolRequest("c1", "look", {})], ["look"])


def test_tool_calls_written_as_a_text_are_requests() -> None:
    """Some put the calls of a reply, as OpenAI writes them, where its text belongs; the definition of a tool is a text."""
    calls = [{"function": {"name": "look", "arguments": '{"order": "A-1"}'}, "id": "c2", "type": "function"}]
    facts = read({**CHAT, "gen_ai.completion.0.content": as_json(calls), "gen_ai.completion.0.role": "assistant"})

    assert (facts.output, facts.tool_requests) == (None, [ToolRequest("c2", "look", {"order": "A-1"})])
    defined = as_json([{"type": "function", "function": {"name": "look", "parameters": {}}}])
    assert read({**CHAT, "gen_ai.completion.0.content": defined, "gen_ai.completion.0.role": "assistant"}).output == defined


def test_an_answer_is_taken_out_of_the_reply_it_stands_in() -> None:
    """What an agent gave back as an object of its framework, and a conversation that ends with a user's words."""
    agent = {"openinference.span.kind": "AGENT"}
    wrapped = {"content": {"parts": [{"text": "Booked."}], "role": "model"}, "finish_reason": "STOP"}
    assert read({**agent, "output.value": as_json(wrapped)}).output == "Booked."
    assert read({**agent, "output.value": as_json({"content": "Booked.", "content_type": "str"})}).output == "Booked."
    assert read({**agent, "output.value": '{"content":"Booked.","score":3}'}).output == '{"content":"Booked.","score":3}'
    thanks = [{"role": "user", "parts": [{"type": "text", "content": "Thanks!"}]}]
    assert read({"gen_ai.operation.name": "invoke_agent", "gen_ai.output.messages": as_json(thanks)}).output is None


def test_another_agents_words_are_new() -> None:
    """In a team, what another agent said under its name is news to this one; its own words are not."""
    told = [
        {"role": "assistant", "name": "me", "parts": [{"type": "text", "content": "Mine."}]},
        {"role": "assistant", "name": "other", "parts": [{"type": "text", "content": "Theirs."}]},
    ]

    assert read({**CHAT, "gen_ai.agent.name": "me", "gen_ai.input.messages": as_json(told)}).input == "Theirs."


def test_holes_are_survived() -> None:
    """The first messages dropped by an attribute limit, numbers with holes, and no kind left."""
    attributes = {
        "llm.model_name": "m",
        "llm.token_count.prompt": 5,
        "llm.input_messages.41.message.role": "assistant",
        "llm.input_messages.43.message.role": "user",
        "llm.input_messages.43.message.content": "Quick!",
        "llm.output_messages.0.message.content": "Yes.",
    }
    facts = read(attributes, name="ChatOpenAI", scope="openinference.instrumentation.langchain", dropped_attributes=9)

    assert (facts.kind, facts.input, facts.output) == ("llm", "Quick!", "Yes.")


@pytest.mark.parametrize(
    ("attributes", "wanted"),
    [
        ({"gen_ai.tool.definitions": '[{"type": "function", "name": "a"}, {"type": "function", "function": {"name": "b"}}]'}, ["a", "b"]),
        ({"gen_ai.tool.definitions": [{"name": "a"}, {"name": "b"}, {"name": "a"}]}, ["a", "b"]),
        ({"llm.tools.0.tool.json_schema": '{"function": {"name": "a"}}', "llm.tools.1.tool.json_schema": '{"name": "b"}'}, ["a", "b"]),
        ({"llm.request.functions.0.name": "a", "llm.request.functions.1.name": "b"}, ["a", "b"]),
        ({"ai.prompt.tools": ['{"type": "function", "name": "a"}', '{"type": "function", "name": "b"}']}, ["a", "b"]),
        ({"mlflow.chat.tools": '[{"type": "function", "function": {"name": "a"}}]'}, ["a"]),
        ({"model_request_parameters": '{"function_tools": [{"name": "a"}], "output_tools": [{"name": "b"}]}'}, ["a", "b"]),
        ({"llm.invocation_parameters": '{"tools": [{"name": "a"}]}'}, ["a"]),
        ({"input.value": as_json(ANTHROPIC_IN)}, ["look", "refund"]),
        ({"gcp.vertex.agent.llm_request": as_json(GEMINI_IN)}, ["look", "refund"]),
        ({"gen_ai.tool.definitions": "[nonsense"}, []),
    ],
)
def test_tools_offered(attributes: dict[str, Any], wanted: list[str]) -> None:
    """The names of the tools on offer, wherever an emitter lists them."""
    assert read({**CHAT, **attributes}).tools_offered == wanted


@pytest.mark.parametrize(
    ("attributes", "wanted"),
    [
        ({"gen_ai.response.finish_reasons": ["stop"]}, "stop"),
        ({"gen_ai.response.finish_reasons": '["tool_calls"]'}, "tool_calls"),
        ({"gen_ai.response.finish_reasons": "['length']"}, "length"),
        ({"gen_ai.response.finish_reasons": "stop"}, "stop"),
        ({"gen_ai.response.finish_reason": "SAFETY"}, "SAFETY"),
        ({"anthropic.message.stop_reason": "end_turn"}, "end_turn"),
        ({"llm.finish_reason": "FinishReason.MAX_TOKENS"}, "MAX_TOKENS"),
        ({"ai.response.finishReason": "tool-calls"}, "tool-calls"),
        ({"langfuse.observation.metadata.finish_reason": '"stop"'}, "stop"),
        ({"gen_ai.response.finish_reasons": []}, None),
        ({"gen_ai.output.messages": as_json(PARTS_OUT[:1])}, "tool_call"),
        ({"gen_ai.output.messages": as_json([{**PARTS_OUT[0], "finish_reason": ""}])}, "tool_calls"),
        ({"gen_ai.output.messages": '[{"role": "assistant", "parts": [{"type": "text", "content": "Yes."}]}]'}, "stop"),
        (
            {"gen_ai.output.messages": '[{"role": "assistant", "content": "Ye"}]', "gen_ai.request.max_tokens": 9},
            "length",
        ),
        ({"output.value": as_json({**RESPONSES_OUT, "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}})},
         "max_output_tokens"),
    ],
)  # fmt: skip
def test_finish_reason(attributes: dict[str, Any], wanted: str | None) -> None:
    """The provider's own word, wherever it stands; where nobody says it, what the reply itself shows."""
    assert read({**CHAT, **attributes}).finish_reason == wanted


def test_texts_are_bounded() -> None:
    """A long text is cut and says so; the whole stays with the span."""
    facts = read({**CHAT, "gen_ai.output.messages": as_json([{"role": "assistant", "parts": [{"type": "text", "content": "x" * 99_999}]}])})

    assert facts.output == "x" * 32_768
    assert facts.truncated
