"""A tool execution: its name, arguments, result and failure."""

from typing import Any

from ingest.model import Facts

from .events import tool_events
from .messages import joined, read_message, read_messages
from .parts import function_response, result_text
from .printed import is_printed, printed_words
from .reading import Reading
from .values import arguments_of, mapping, show, truth, unwrap, word

_PREFIXES = (
    "execute_tool ", "anthropic.custom_tool_use ", "anthropic.tool_use ", "anthropic.mcp_tool_use ", "tools/call ",
    "MCP send tools/call ", "tool.",
)  # fmt: skip
_SUFFIXES = (".tool", ".run", ".task")


def plain_tool_name(name: str) -> str:
    """Return a tool's name from its span's."""
    for prefix in _PREFIXES:
        if name.startswith(prefix) and len(name) > len(prefix):
            return name[len(prefix) :]
    for suffix in _SUFFIXES:
        if name.endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return name


_PRINTED_MESSAGE = ("content='", 'content="')
"""How LangChain prints the message that a tool gave."""


def read_tool(reading: Reading, facts: Facts) -> None:
    """Fill in a tool execution."""
    values = reading.values
    facts.tool_name = reading.word("tool_name") or plain_tool_name(reading.span.name)
    facts.tool_call_id = reading.word("tool_call_id")
    arguments = _first(values, ("tool_arguments", "body.input", "tool_arguments_late"))
    result = _first(values, ("tool_result", "body.output"))
    if (arguments is None or result is None) and reading.span.events:
        told, answered = tool_events(reading.span.events)
        arguments = told if arguments is None else arguments
        result = answered if result is None else result
    if arguments is None and "messages.input" in values:
        arguments = _asked_in(values["messages.input"])
    if result is None and "messages.output" in values:
        result = _answered_in(values["messages.output"])
    if arguments is not None:
        facts.tool_arguments = arguments_of(plain_arguments(unwrap(arguments)))
    if isinstance(result, str) and result.startswith(_PRINTED_MESSAGE) and is_printed(result):
        result = printed_words(result) or result
    facts.tool_result = result_text(result) if result is not None else None
    if facts.tool_call_id is None:
        facts.tool_call_id = _id_inside(arguments)
    if not facts.failed and result is not None and says_failed(result):
        facts.failed = True
        facts.error_message = facts.tool_result
    if facts.failed:
        # What failed gave nothing; some say so with an empty object.
        facts.tool_result = facts.tool_result if facts.tool_result != "{}" else None
        # A name of the failure is no account of it where the result gives one.
        told = facts.error_message if facts.error_message != facts.error_type else None
        facts.tool_error = told or _complaint(result) or facts.tool_result or facts.error_type or "failed"


def _complaint(result: Any) -> str | None:
    """Return the words of a result that is nothing but an error."""
    found = function_response(unwrap(result))
    return show(found["error"]) if isinstance(found, dict) and found.keys() == {"error"} else None


def _asked_in(value: Any) -> Any:
    """Return the arguments in a message that asks for the tool, which Strands puts on the tool itself; any other value as it is."""
    requests = [request for message in read_messages(value) for request in message.requests]
    return requests[0].arguments if requests else value


def _answered_in(value: Any) -> Any:
    results = [result for message in read_messages(value) for result in message.results]
    return results[0].result if results else value


def _first(values: dict[str, Any], fields: tuple[str, ...]) -> Any:
    for field in fields:
        if field in values:
            return values[field]
    return None


def _id_inside(arguments: Any) -> str | None:
    """Return the call id that LangChain's callback hands a tool beside its arguments."""
    if not isinstance(arguments, str) or '"tool_call_id"' not in arguments:
        return None
    return word(mapping(mapping(arguments).get("kwargs")).get("tool_call_id"))


def says_failed(result: Any) -> bool:
    """Tell whether a result says of itself that it is an error, as MCP's, Anthropic's and LangChain's do."""
    if isinstance(result, str) and '"is_error"' not in result and '"isError"' not in result and '"error"' not in result:
        return False
    found = unwrap(result)
    if not isinstance(found, dict):
        return False
    inner = mapping(found.get("output")) or found
    message = mapping(inner.get("kwargs")) or mapping(inner.get("data")) or inner
    is_message = message.get("type") in ("tool", "ToolMessage")
    flagged = truth(found.get("is_error")) is True or truth(found.get("isError")) is True or found.get("error") is True
    if found.keys() == {"error"} and isinstance(found["error"], str) and found["error"]:
        # ADK's way of failing, and of those who write their tools by hand: nothing but what went wrong.
        return True
    return flagged or (is_message and message.get("status") == "error")


_WRAPPERS = frozenset({"args", "kwargs", "sanitize_inputs_outputs"})


def plain_arguments(value: Any) -> Any:
    """Take arguments out of what frameworks put around them."""
    if not isinstance(value, dict):
        return value
    if "kwargs" in value and value.keys() <= _WRAPPERS:
        if not value.get("args"):
            return value["kwargs"]
        return value["args"][0] if isinstance(value["args"], list) and len(value["args"]) == 1 and not value["kwargs"] else value
    if "args" in value and value.keys() <= _WRAPPERS:
        lone = value["args"][0] if isinstance(value["args"], list) and len(value["args"]) == 1 else None
        return unwrap(lone) if isinstance(lone, str) and lone[:1] == "{" else value["args"]
    if "inputs" in value and ("tags" in value or "metadata" in value or "input_str" in value):
        return value["inputs"] if value["inputs"] is not None else value.get("input_str")
    if "input_str" in value:
        return unwrap(value["input_str"])
    return value


_MOST_WRAPPED = 4

_QUESTIONS = ("task", "input", "question", "query", "prompt", "user_input", "message")
"""What an agent's or a chain's input calls the text that it is about."""

_OF_REPLIES = frozenset({"role", "content_type", "finish_reason", "usage_metadata", "response_metadata"})
"""One of these stands beside the content in what frameworks give back as a reply."""


_AROUND_STATE = ("outputs", "update", "output", "input")


def conversation_in(value: Any) -> list[Any] | None:
    """Return the messages in a state that is handed from node to node, as LangGraph's is; None where there are none."""
    found = plain_arguments(unwrap(value))
    for _ in range(_MOST_WRAPPED):
        if isinstance(found, list) and _is_talk(found):
            return found
        if isinstance(found, list) and len(found) == 1:
            found = found[0]
        elif isinstance(found, dict):
            state = found.get("messages", found.get("replies"))
            if isinstance(state, list):
                return state or None
            if isinstance(found.get("new_message"), dict):
                # What an ADK runner was called with.
                return [found["new_message"]]
            # One key alone names a component of a pipeline, or a node of a graph.
            inside = (found[key] for key in (_AROUND_STATE if len(found) > 1 else found) if isinstance(found.get(key), dict | list))
            found = next(inside, None)
    return None


def _is_talk(found: list[Any]) -> bool:
    """Tell a bare list of messages by its first."""
    first = found[0] if found else None
    return isinstance(first, dict) and isinstance(first.get("role"), str) and ("content" in first or "parts" in first)


def plain_text(value: Any) -> str | None:
    """Return what a span of another kind was asked or answered as text: a lone text without what it stands in."""
    found = plain_arguments(unwrap(value))
    said = _said_in(found) if isinstance(found, dict) else None
    text = said if said is not None else _unwrapped(found)
    if text in ({}, []):
        # Called with nothing.
        return None
    if isinstance(text, str):
        return printed_words(text) if is_printed(text) else text or None
    return show(text)


def _said_in(found: dict[str, Any]) -> str | None:
    if isinstance(found.get("raw"), str) and "pydantic" in found:
        # What a task or a crew of CrewAI gave.
        return str(found["raw"])
    if isinstance(found.get("message"), dict) and "role" in found["message"]:
        return joined(read_message(found["message"]).texts)
    lone = next((found[key] for key in _QUESTIONS if isinstance(found.get(key), str) and found[key]), None)
    if lone is not None:
        return str(lone)
    return joined(read_message(found).texts) if "content" in found and not _OF_REPLIES.isdisjoint(found) else None


def _lone_text(found: Any) -> str | None:
    """Return the text at the end of maps of one key each."""
    for _ in range(_MOST_WRAPPED):
        found = next(iter(found.values())) if isinstance(found, dict) and len(found) == 1 else found
    return found if isinstance(found, str) else None


def _unwrapped(found: Any) -> Any:
    for _ in range(_MOST_WRAPPED):
        if isinstance(found, dict) and "outputs" in found and ("kwargs" in found or len(found) == 1):
            found = found["outputs"]
        elif isinstance(found, dict) and len(found) == 1 and (text := _lone_text(found)) is not None:
            return text
        elif isinstance(found, list) and len(found) == 1 and isinstance(found[0], str):
            return found[0]
        else:
            break
    return found
