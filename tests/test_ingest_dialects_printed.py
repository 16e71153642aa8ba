"""Objects as Python prints them, read whole: Haystack sends its messages and tools so."""

import pytest

from ingest.dialects.printed import printed_object
from ingest.model import ToolRequest, ToolResult, Usage

from .dialect_spans import as_json, read

ASKED = (
    "ChatMessage(_role=<ChatRole.ASSISTANT: 'assistant'>, _content=[TextContent(text=\"Let's see.\"), "
    "ToolCall(tool_name='look', arguments={'order': 'A-1'}, id='c1', extra=None)], _name=None, "
    "_meta={'model': 'm-1', 'finish_reason': 'tool_calls', 'usage': {'prompt_tokens': 9, 'completion_tokens': 4}})"
)
QUESTION = "ChatMessage(_role=<ChatRole.USER: 'user'>, _content=[TextContent(text='Refund?')], _name=None, _meta={})"
SYSTEM = "ChatMessage(_role=<ChatRole.SYSTEM: 'system'>, _content=[TextContent(text='Be brief.')], _name=None, _meta={})"
ANSWERED = (
    "ChatMessage(_role=<ChatRole.TOOL: 'tool'>, _content=[ToolCallResult(result='late', "
    "origin=ToolCall(tool_name='look', arguments={}, id='c1', extra=None), error=True)], _name=None, _meta={})"
)
OFFERED = "Tool(name='look', description='Looks.', parameters={'type': 'object'}, function=<function look at 0x7f84e08f4fe0>)"
CALL = {"openinference.span.kind": "LLM"}


def test_a_printed_reply_is_a_reply() -> None:
    """Its words, requests, model, finish reason and usage are what the object holds."""
    facts = read({**CALL, "output.value": as_json({"replies": [ASKED]})})

    assert (facts.output, facts.tool_requests) == ("Let's see.", [ToolRequest("c1", "look", {"order": "A-1"})])
    assert (facts.response_model, facts.finish_reason, facts.usage) == ("m-1", "tool_calls", Usage(9, 4))


def test_printed_messages_have_roles() -> None:
    """Instructions are no question, the model's own words end what is new, an answer knows its request and that it failed."""
    first = read({**CALL, "input.value": as_json({"messages": [SYSTEM, QUESTION], "tools": [OFFERED]})})
    second = read({**CALL, "input.value": as_json({"messages": [SYSTEM, QUESTION, ASKED, ANSWERED]})})

    assert (first.input, first.tools_offered) == ("Refund?", ["look"])
    assert (second.input, second.tool_results) == (None, [ToolResult("c1", "late", True)])


def test_a_pipelines_question_and_answer() -> None:
    """A key alone names a component: the state, or the text, is what it leads to."""
    chain = {"openinference.span.kind": "CHAIN"}
    asked = read({**chain, "input.value": as_json({"data": {"agent": {"messages": [SYSTEM, QUESTION]}}})})

    assert asked.input == "Refund?"
    assert read({**chain, "input.value": as_json({"data": {"prompt": {"q": "Refund?"}}})}).input == "Refund?"
    assert read({**chain, "input.value": as_json({"args": [], "kwargs": {}})}).input is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a plain text",
        ASKED[:-9],
        "Message(role=__import__('os').system('true'))",
        "Message(role='user', content=[x for x in ()])",
        "Message(role=" + "(" * 5_000,
        "Message(role=" + "-" * 15_000 + "1)",
        "Message(role='user', content='" + "x" * 30_000 + "')",
        "Message(role={1: " * 500 + "1" + "})" * 500,
    ],
)
def test_what_is_no_whole_object_is_a_text(text: str) -> None:
    """Only literals are read; what was cut, is code, or is too large stays what it is."""
    assert printed_object(text) is None or "role" in (printed_object(text) or {})


@pytest.mark.parametrize(
    "field",
    ["-" * 19_000 + "1", "not " * 4_000 + "1", "[" * 19_000, "1+" * 9_000 + "1", "a" + ".b" * 9_000, "f" + "()" * 9_000, "lambda:" * 2_000,
     "{1:" * 6_000, "1 if 1 else " * 1_500 + "1", "1<" * 9_000 + "1", "9" * 19_000, "f'" + "{" * 1_000 + "'", "<a: '" * 3_000],
)  # fmt: skip
def test_what_only_looks_printed_is_left_alone(field: str) -> None:
    """However deep, it is no object, nothing of it is run, and the process lives on."""
    assert printed_object(f"A(x={field})") is None
