"""The parts of a message: texts, thoughts, tool requests and tool results, whatever their makers call them."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from ingest.model import ToolRequest, ToolResult

from .printed import printed_fields
from .values import MASK, TEXT_CHARS, arguments_of, mapping, numbered, parse, show, truth, unwrap, word

_MOST_DEPTH = 6
_MOST_PARTS = 2_000


class Message(msgspec.Struct, gc=False):
    """One message: its texts, thoughts, and the tools it asks for or answers."""

    role: str = ""
    name: str | None = None
    """Who of several agents said it, where the message tells."""
    texts: list[str] = []
    thoughts: list[str] = []
    requests: list[ToolRequest] = []
    results: list[ToolResult] = []
    finish_reason: str | None = None

    @property
    def is_own(self) -> bool:
        """Tell whether a model said it."""
        return self.role == "assistant" or (bool(self.requests) and self.role not in ("user", "tool"))

    def think(self, value: Any) -> None:
        """Add a thought, if there is one."""
        text = thought_text(value)
        if text:
            self.thoughts.append(text)

    def ask(self, request: ToolRequest | None) -> None:
        """Add a tool request. One can stand twice in a message, once among the contents for its order."""
        if request is None:
            return
        if request.call_id is None or not self.requests or all(request.call_id != known.call_id for known in self.requests):
            self.requests.append(request)


def is_parts(value: Any) -> bool:
    """Tell a list of parts, or one part, from an answer that happens to be JSON."""
    entries = value if isinstance(value, list) else [value]
    return bool(entries) and all(isinstance(entry, dict) and _is_part(entry) for entry in entries)


def _is_part(entry: dict[str, Any]) -> bool:
    if _kind(entry) in _READERS or _shape(entry) is not None or _is_call(entry):
        return True
    return len(entry) == 1 and isinstance(entry.get("text"), str)


def _is_call(entry: dict[str, Any]) -> bool:
    """Tell a tool call as OpenAI writes it, which some put among the contents, from the definition of a tool."""
    function = entry.get("function")
    return isinstance(function, dict) and "arguments" in function


def _kind(part: dict[str, Any]) -> str:
    kind = part.get("type") or part.get("kind") or part.get("part_kind")
    return kind if isinstance(kind, str) else ""


_SHAPES = (
    "toolUse", "toolResult", "reasoningContent", "functionCall", "functionResponse", "function_call", "function_response",
    "message_content", "tool_call", "toolRequest", "toolResponse", "reasoning",
)  # fmt: skip


_BESIDE_REASONING = frozenset({"reasoning", "type", "id", "metadata", "signature"})


def _shape(part: dict[str, Any]) -> str | None:
    """Name the kind of a part that has its kind for a key, as Bedrock's and Gemini's have."""
    shape = next((key for key in _SHAPES if part.get(key) is not None), None)
    # An answer in JSON may have a field of that name too.
    return None if shape == "reasoning" and not part.keys() <= _BESIDE_REASONING else shape


def read_part(message: Message, part: Any, depth: int = 0) -> None:
    """Add a part to a message."""
    if isinstance(part, str):
        if part:
            message.texts.append(part)
        return
    if not isinstance(part, dict) or depth > _MOST_DEPTH:
        return
    read = _READERS.get(_kind(part))
    if read is not None:
        read(message, part)
        return
    shape = _shape(part)
    if shape is None and _is_call(part):
        message.ask(read_request(part))
    elif shape is None:
        _read_text(message, part)
    elif shape == "message_content":
        # OpenInference: the request that belongs to a content stands beside it.
        inner = part[shape]
        read_part(message, {**inner, "tool_call": part.get("tool_call")} if isinstance(inner, dict) else inner, depth + 1)
    elif shape in ("toolResult", "functionResponse", "function_response", "toolResponse"):
        _read_answer(message, part[shape] if isinstance(part[shape], dict) else part)
    elif shape in ("reasoningContent", "reasoning"):
        message.think(part[shape])
    else:
        message.ask(read_request(part[shape]))


def _read_answer(message: Message, part: dict[str, Any]) -> None:
    """Read a function's response as Gemini's API defines it: an error under a key of its own, where there is no output."""
    said = part.get("response")
    if isinstance(said, dict) and said.keys() == {"error"}:
        part = {**part, "response": said["error"], "is_error": True}
    read_result(message, part)


_REASONING, _CALL = "ResponseReasoningItem(", "ResponseFunctionToolCall("
_UNREAD = ('{"reasoningContent"', _REASONING, _CALL)
"""How what is no text begins that an emitter did not know and sent as one: Bedrock's blocks, printed items of the Responses API."""


def _read_unread(message: Message, text: str) -> None:
    if text.startswith(_CALL):
        message.ask(read_request(dict(printed_fields(text))))
    elif text.startswith(_REASONING):
        message.think("\n\n".join(said for name, said in printed_fields(text) if name == "text"))
    else:
        message.think(text)


def read_said(message: Message, text: str) -> None:
    """Add what an emitter sent as a text: nearly always one."""
    if text.startswith(_UNREAD):
        _read_unread(message, text)
    elif text and text != MASK:
        message.texts.append(text)


def _read_text(message: Message, part: dict[str, Any]) -> None:
    value = next((part[key] for key in ("content", "text", "refusal", "value") if part.get(key) is not None), None)
    if isinstance(value, dict):
        value = value.get("text", value.get("value"))
    elif isinstance(value, list):
        value = result_text(value)
    if truth(part.get("thought")) is True:
        message.think(value)
    elif isinstance(value, str):
        read_said(message, value)


def _read_thought(message: Message, part: dict[str, Any]) -> None:
    for key in ("content", "thinking", "text", "reasoningText", "reasoningContent", "reasoning", "summary"):
        if part.get(key):
            message.think(part[key])
            return


def thought_text(value: Any, depth: int = 0) -> str | None:
    """Return reasoning as text: OpenAI's summaries and Bedrock's wrappers taken off."""
    if isinstance(value, str) and value[:1] in "[{":
        value = parse(value)
    if isinstance(value, str):
        return value if value and not value.isspace() else None
    if depth > _MOST_DEPTH:
        return None
    if isinstance(value, list):
        texts = [text for one in value[:_MOST_PARTS] if (text := thought_text(one, depth + 1))]
        return "\n\n".join(texts) or None
    if isinstance(value, dict):
        keys = ("text", "thinking", "reasoningText", "reasoningContent", "content", "summary", "reasoning")
        return next((text for key in keys if key in value and (text := thought_text(value[key], depth + 1))), None)
    return None


def _first(raw: dict[str, Any], keys: tuple[str, ...]) -> Any:
    for key in keys:
        value = raw.get(key)
        if value is not None:
            return value
    return None


def _first_word(raw: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        if key in raw:
            found = word(raw[key])
            if found is not None:
                return found
    return None


_CALL_IDS = ("id", "call_id", "toolCallId", "toolUseId", "tool_call_id", "tool_use_id", "ref")


def read_request(call: Any) -> ToolRequest | None:
    """Return a tool request in any maker's spelling; None where it names no tool."""
    call = parse(call)
    if not isinstance(call, dict):
        return None
    if isinstance(call.get("tool_call"), dict):
        call = call["tool_call"]
    inner = call["function"] if isinstance(call.get("function"), dict) else call
    name = _first_word(inner, ("name", "toolName", "tool_name"))
    if name is None:
        return None
    # Responses items carry an id of their own beside the call's.
    keys = ("call_id", *_CALL_IDS) if call.get("type") == "function_call" else _CALL_IDS
    call_id = _first_word(call, keys)
    arguments = _first(inner, ("arguments", "args", "input", "parameters"))
    if arguments is None:
        # GenAI puts a server tool's body under a field named like the part's type.
        arguments = call.get("server_tool_call")
    return ToolRequest(call_id, name, arguments_of(arguments))


def _read_request_part(message: Message, part: dict[str, Any]) -> None:
    message.ask(read_request(part))


def read_calls(message: Message, raw: dict[str, Any]) -> None:
    """Add the requests that stand beside a message's content."""
    for key in ("tool_calls", "toolCalls"):
        if key in raw:
            for call in numbered(parse(raw[key]))[:_MOST_PARTS]:
                message.ask(read_request(call))
    single = parse(raw.get("function_call"))
    if isinstance(single, dict):
        message.ask(read_request(single))
    elif raw.get("function_call_name"):
        name = word(raw["function_call_name"])
        if name is not None:
            message.ask(ToolRequest(None, name, arguments_of(raw.get("function_call_arguments_json"))))


_RESULT_IDS = ("tool_use_id", "tool_call_id", "call_id", "toolUseId", "toolCallId", "ref", "id")
_FAILURES = ("is_error", "isError", "error")
_RESULTS_OF = ("response", "result", "output", "content", "server_tool_call_response")


def read_result(message: Message, part: dict[str, Any]) -> None:
    """Add a tool result to a message."""
    call_id = _first_word(part, _RESULT_IDS)
    if call_id is None and isinstance(part.get("origin"), dict):
        # Haystack hands the request back with its answer.
        call_id = _first_word(part["origin"], _RESULT_IDS)
    value = _first(part, _RESULTS_OF)
    named = _first_word(part, ("name", "toolName"))
    failed = part.get("status") == "error" or any(truth(part.get(flag)) is True for flag in _FAILURES)
    add_result(message, call_id, value, failed, named)


def add_result(message: Message, call_id: str | None, value: Any, failed: bool = False, named: str | None = None) -> None:
    """Add what a tool answered, whatever carries it."""
    if isinstance(value, dict) and str(value.get("type", "")).startswith("error"):
        failed = True
    text = result_text(value)
    message.results.append(ToolResult(call_id, text[:TEXT_CHARS] if text else text, failed, named))


def result_text(value: Any, depth: int = 0) -> str | None:
    """Return what a tool answered as text, without the blocks and objects that carry it."""
    if isinstance(value, str) and value[:1] in _OPENING and depth < _MOST_DEPTH:
        # What a tool answers stands on its own span and in what the model is told next.
        return _text_inside(value, depth) if len(value) <= _REMEMBERED_CHARS else _plain_result(unwrap(value), depth)
    return _plain_result(value, depth)


_OPENING = ("[", '"', "{")
_REMEMBERED_CHARS = 4_000


@lru_cache(maxsize=1_000)
def _text_inside(text: str, depth: int) -> str | None:
    return _plain_result(unwrap(text), depth)


def _plain_result(value: Any, depth: int) -> str | None:
    if isinstance(value, list) and value and all(isinstance(one, dict) and isinstance(_block_text(one), str) for one in value):
        return "\n".join(str(_block_text(one)) for one in value)
    if isinstance(value, dict) and depth < _MOST_DEPTH:
        value = function_response(value)
    if isinstance(value, dict) and depth < _MOST_DEPTH:
        if len(value) == 1 and not _AROUND_RESULT.isdisjoint(value):
            return result_text(next(iter(value.values())), depth + 1)
        if value.keys() == {"output", "kwargs"}:
            # LangChain's callback, as OpenLLMetry records it.
            return result_text(value["output"], depth + 1)
        if "raw_output" in value and "tool_name" in value:
            # LlamaIndex: the answer as it was, beside blocks made of it.
            return result_text(value["raw_output"], depth + 1)
        if value.get("type") in ("text", "error-text", "json", "error-json") and ("value" in value or "text" in value):
            return show(value.get("value", value.get("text")))
        if value.get("type") in ("tool", "ToolMessage") or ("lc" in value and isinstance(value.get("kwargs"), dict)):
            inner = mapping(value.get("data")) or mapping(value.get("kwargs")) or value
            return result_text(inner.get("content"), depth + 1)
        if set(value) <= _ANSWER and isinstance(value.get("content"), list):
            return result_text(value["content"], depth + 1)
    return show(value)


_AROUND_RESULT = frozenset({"result", "output", "outputs"})
_GEMINI_ANSWER = frozenset({"id", "name", "response", "will_continue", "scheduling", "parts"})


def function_response(value: Any) -> Any:
    """Return what is in Gemini's envelope around a tool's answer; any other value as it is."""
    if isinstance(value, dict) and "response" in value and "name" in value and value.keys() <= _GEMINI_ANSWER:
        return value["response"]
    return value


_ANSWER = frozenset({"content", "isError", "is_error", "_meta", "meta", "structuredContent"})
"""The keys of an MCP tool's answer."""


def _block_text(block: dict[str, Any]) -> Any:
    if block.get("type") in (None, "text", "input_text", "output_text") and len(block) <= 4:
        found = block.get("text", block.get("content"))
        return found if found is not None else show(block.get("json"))
    return None


def _read_nothing(message: Message, part: dict[str, Any]) -> None:
    """Pass over a part without words: a picture, a file."""


_READERS: dict[str, Callable[[Message, dict[str, Any]], None]] = {
    **dict.fromkeys(("text", "input_text", "output_text", "refusal"), _read_text),
    **dict.fromkeys(("reasoning", "thinking", "reasoningContent", "thought", "redacted_thinking"), _read_thought),
    **dict.fromkeys(
        (
            "tool_call", "tool_use", "function_call", "toolUse", "tool-call", "server_tool_call", "server_tool_use", "mcp_tool_use",
            "mcp_call",
        ),
        _read_request_part,
    ),
    **dict.fromkeys(
        (
            "tool_call_response", "tool_call_result", "tool_result", "function_call_output", "toolResult", "tool-result", "tool-return",
            "tool_return", "server_tool_call_response", "retry-prompt", "web_search_tool_result", "mcp_tool_result", "function_result",
            "function_response",
        ),
        read_result,
    ),
    **dict.fromkeys(("blob", "uri", "file", "image", "image_url", "input_image", "audio", "input_audio", "document"), _read_nothing),
}  # fmt: skip
