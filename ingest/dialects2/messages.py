"""Messages of a model's conversation, in whatever shape they were recorded, read into what a step needs of them.

One reader serves all shapes, because emitters mix them: GenAI parts, OpenAI's messages and items, Anthropic's and Bedrock's
blocks, Gemini's contents, LangChain's serialised objects, the AI SDK's parts, and flattened attributes unflattened before.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from ingest.model import ToolRequest, ToolResult

from .values import TEXT_CHARS, json_or_text, mapping, numbered, parse, show, truth, word

_MOST_DEPTH = 6
_MOST_PARTS = 2_000

_OWN = frozenset({"assistant", "model", "ai", "aimessage", "aimessagechunk", "developer_assistant", "thinking"})
_TOOLISH = frozenset({"tool", "function", "toolmessage", "ipython"})
_SYSTEM = frozenset({"system", "developer", "systemmessage"})


class Message(msgspec.Struct):
    """One message: its texts, thoughts, and the tools it asks for or answers."""

    role: str = ""
    texts: list[str] = []
    thoughts: list[str] = []
    requests: list[ToolRequest] = []
    results: list[ToolResult] = []
    finish_reason: str | None = None

    @property
    def is_own(self) -> bool:
        """Tell whether the model itself said it."""
        return self.role in _OWN or (bool(self.requests) and self.role not in ("user", "tool"))


def read_messages(value: Any) -> list[Message]:
    """Return the messages of a list, of JSON of one, of one message, or of a plain text."""
    found = parse(value)
    if isinstance(found, dict):
        inner = next((found[key] for key in ("messages", "items") if isinstance(found.get(key), list)), None)
        found = inner if inner is not None else [found]
    if isinstance(found, str):
        return [Message("", [found])] if found else []
    if not isinstance(found, list):
        return []
    # LangChain nests one list a prompt.
    if len(found) == 1 and isinstance(found[0], list):
        found = found[0]
    return [read_message(one) for one in found]


def read_message(raw: Any) -> Message:
    """Return one message."""
    message = Message()
    raw = parse(raw) if isinstance(raw, str) and raw[:1] in '{["' else raw
    if isinstance(raw, str):
        message.texts = [raw] if raw else []
    elif isinstance(raw, list):
        # A pair of role and content, or bare parts.
        if len(raw) == 2 and isinstance(raw[0], str) and raw[0].lower() in (_OWN | _TOOLISH | _SYSTEM | {"human", "user"}):
            message.role = raw[0].lower()
            _read_content(message, raw[1], 0)
        else:
            _read_content(message, raw, 0)
    elif isinstance(raw, dict):
        _read_map(message, _unwrapped(raw))
    return message


def _unwrapped(raw: dict[str, Any]) -> dict[str, Any]:
    """Take a message out of what frameworks put around it."""
    if isinstance(raw.get("kwargs"), dict) and "lc" in raw:
        kind = raw.get("id")
        return {"type": str(kind[-1]) if isinstance(kind, list) and kind else "", **raw["kwargs"]}
    if isinstance(raw.get("message"), dict) and not raw.get("parts"):
        inner = raw["message"]
        return {**inner, **{key: raw[key] for key in ("finish_reason", "role") if key in raw and key not in inner}}
    if isinstance(raw.get("data"), dict) and raw.get("type") in ("human", "ai", "system", "tool"):
        return {"type": raw["type"], **raw["data"]}
    if isinstance(raw.get("message"), str) and "content" not in raw and "parts" not in raw:
        return {**raw, "content": raw["message"]}
    return raw


def _read_map(message: Message, raw: dict[str, Any]) -> None:
    role = raw.get("role")
    kind = raw.get("type") if isinstance(raw.get("type"), str) else ""
    message.role = str(role).lower().rsplit(".", 1)[-1] if role else _role_of_type(kind or "", raw)
    message.finish_reason = word(raw.get("finish_reason"))
    if kind in _PARTS and "parts" not in raw and (kind not in ("text", "tool", "function") or not role):
        _read_part(message, raw, 0)
        return
    if message.role in _TOOLISH:
        _read_tool_message(message, raw)
        return
    if message.role == "thinking":
        text = show(raw.get("content"))
        if text:
            message.thoughts.append(text)
        message.role = "assistant"
        return
    for key in ("reasoning_content", "reasoning", "thinking"):
        _add_thought(message, raw.get(key))
    for key in ("parts", "content", "contents", "blocks"):
        if raw.get(key) is not None:
            _read_content(message, raw[key], 0)
    _read_calls(message, raw)


def _role_of_type(kind: str, raw: dict[str, Any]) -> str:
    low = kind.lower()
    for word_, role in (("human", "user"), ("ai", "assistant"), ("system", "system"), ("tool", "tool"), ("function", "tool")):
        if low == word_ or low in (f"{word_}message", f"{word_}messagechunk"):
            return role
    return {"function_call": "assistant", "reasoning": "assistant", "function_call_output": "tool"}.get(low, "")


def _read_tool_message(message: Message, raw: dict[str, Any]) -> None:
    before = len(message.results)
    for key in ("parts", "content", "contents"):
        value = parse(raw.get(key))
        if isinstance(value, list):
            for part in value[:_MOST_PARTS]:
                if isinstance(part, dict) and str(part.get("type", "")) in _RESULTS:
                    _read_part(message, part, 0)
    if len(message.results) == before:
        value = next((raw[key] for key in ("content", "parts", "contents", "response", "result") if raw.get(key) is not None), None)
        call_id = word(raw.get("tool_call_id")) or word(raw.get("id")) or word(raw.get("call_id"))
        failed = raw.get("status") == "error" or truth(raw.get("is_error")) is True
        message.results.append(ToolResult(call_id, result_text(value), failed, word(raw.get("name"))))


def _read_calls(message: Message, raw: dict[str, Any]) -> None:
    known = {request.call_id for request in message.requests if request.call_id}
    for call in numbered(parse(raw.get("tool_calls"))):
        request = _request(call)
        # One request can stand twice in a message, once among the contents for its order.
        if request is not None and (request.call_id is None or request.call_id not in known):
            message.requests.append(request)
    single = raw.get("function_call")
    name = raw.get("function_call_name")
    if isinstance(single, dict):
        request = _request(single)
        if request is not None:
            message.requests.append(request)
    elif name:
        message.requests.append(ToolRequest(None, str(name), json_or_text(raw.get("function_call_arguments_json"))))


def _request(call: Any) -> ToolRequest | None:
    call = parse(call)
    if not isinstance(call, dict):
        return None
    call = call["tool_call"] if isinstance(call.get("tool_call"), dict) else call
    function = call.get("function")
    inner = function if isinstance(function, dict) else call
    name = next((found for key in ("name", "toolName", "tool_name") if (found := word(inner.get(key)))), None)
    if name is None:
        return None
    call_id = next((found for key in ("id", "call_id", "toolCallId", "toolUseId", "tool_call_id") if (found := word(call.get(key)))), None)
    arguments = next((inner[key] for key in ("arguments", "args", "input", "parameters") if inner.get(key) is not None), None)
    return ToolRequest(call_id, name, json_or_text(arguments))


def _read_content(message: Message, value: Any, depth: int) -> None:
    if isinstance(value, str) and value[:1] in "[{":
        decoded = parse(value)
        if _is_parts(decoded):
            value = decoded
    if isinstance(value, str):
        if value:
            message.texts.append(value)
    elif isinstance(value, dict):
        entries = numbered(value)
        for entry in entries or [value]:
            _read_part(message, entry, depth)
    elif isinstance(value, list):
        for entry in value[:_MOST_PARTS]:
            _read_part(message, entry, depth)


def _is_parts(value: Any) -> bool:
    """Tell parts from an answer that happens to be JSON."""
    entries = value if isinstance(value, list) else [value]
    return bool(entries) and all(isinstance(entry, dict) and (str(entry.get("type", "")) in _PARTS or _shape(entry)) for entry in entries)


def _shape(part: dict[str, Any]) -> str | None:
    """Name the kind of a part that has its kind for a key, as Bedrock's and Gemini's have."""
    return next((key for key in _SHAPES if key in part), None)


_SHAPES = (
    "toolUse", "toolResult", "reasoningContent", "functionCall", "functionResponse", "function_call", "function_response",
    "message_content", "tool_call",
)  # fmt: skip


def _read_part(message: Message, part: Any, depth: int) -> None:
    if isinstance(part, str):
        if part:
            message.texts.append(part)
        return
    if not isinstance(part, dict) or depth > _MOST_DEPTH:
        return
    kind = str(part.get("type") or part.get("kind") or part.get("part_kind") or "")
    read = _PARTS.get(kind)
    if read is None:
        shape = _shape(part)
        if shape is not None and part[shape]:
            _read_shape(message, part, shape, depth)
            return
        read = _read_text
    read(message, part)


def _read_shape(message: Message, part: dict[str, Any], shape: str, depth: int) -> None:
    inner = part[shape]
    if shape == "message_content":
        _read_part(message, {**inner, **({"tool_call": part["tool_call"]} if "tool_call" in part else {})}, depth + 1)
    elif shape in ("toolUse", "functionCall", "function_call", "tool_call"):
        _read_request(message, {"tool_call": inner} if isinstance(inner, dict) else part)
    elif shape in ("toolResult", "functionResponse", "function_response"):
        _read_result(message, inner if isinstance(inner, dict) else part)
    elif shape == "reasoningContent":
        _add_thought(message, inner)


def _read_text(message: Message, part: dict[str, Any]) -> None:
    value = next((part[key] for key in ("content", "text", "refusal", "value") if part.get(key) is not None), None)
    if isinstance(value, dict):
        value = value.get("text", value.get("value"))
    if isinstance(value, list):
        value = result_text(value)
    if truth(part.get("thought")) is True:
        _add_thought(message, value)
    elif isinstance(value, str) and value:
        message.texts.append(value)


def _read_thought(message: Message, part: dict[str, Any]) -> None:
    for key in ("content", "thinking", "text", "reasoningText", "reasoning", "summary"):
        if part.get(key):
            _add_thought(message, part[key])
            return


def _add_thought(message: Message, value: Any) -> None:
    text = thought_text(value)
    if text:
        message.thoughts.append(text)


def thought_text(value: Any, depth: int = 0) -> str | None:
    """Return reasoning as text: OpenAI's summaries and Bedrock's wrappers taken off."""
    if isinstance(value, str) and value[:1] in "[{":
        value = parse(value)
    if isinstance(value, str):
        return value if value.strip() else None
    if depth > _MOST_DEPTH:
        return None
    if isinstance(value, list):
        texts = [text for one in value[:_MOST_PARTS] if (text := thought_text(one, depth + 1))]
        return "\n\n".join(texts) or None
    if isinstance(value, dict):
        keys = ("text", "thinking", "reasoningText", "content", "summary", "reasoning")
        return next((text for key in keys if (text := thought_text(value.get(key), depth + 1))), None)
    return None


def _read_request(message: Message, part: dict[str, Any]) -> None:
    request = _request(part)
    if request is not None:
        message.requests.append(request)
    elif isinstance(part.get("tool_call"), dict):
        inner = _request(part["tool_call"])
        if inner is not None:
            message.requests.append(inner)


_RESULT_IDS = ("tool_use_id", "tool_call_id", "call_id", "toolUseId", "toolCallId", "id")


def _read_result(message: Message, part: dict[str, Any]) -> None:
    call_id = next((found for key in _RESULT_IDS if (found := word(part.get(key)))), None)
    value = next((part[key] for key in ("response", "result", "output", "content") if part.get(key) is not None), None)
    named = word(part.get("name")) or word(part.get("toolName"))
    failed = truth(part.get("is_error")) is True or truth(part.get("isError")) is True or part.get("status") == "error"
    if isinstance(value, dict) and str(value.get("type", "")).startswith("error"):
        failed = True
    message.results.append(ToolResult(call_id, result_text(value), failed, named))


def _read_nothing(message: Message, part: dict[str, Any]) -> None:
    """Pass over a part without words: a picture, a file."""


_PartReader = Callable[[Message, dict[str, Any]], None]

_RESULTS = frozenset({
    "tool_call_response", "tool_result", "function_call_output", "toolResult", "tool-result", "tool-return", "tool_return",
    "server_tool_call_response", "retry-prompt", "web_search_tool_result", "mcp_tool_result",
})  # fmt: skip

_PARTS: dict[str, _PartReader] = {
    **dict.fromkeys(("text", "input_text", "output_text", "refusal"), _read_text),
    **dict.fromkeys(("reasoning", "thinking", "reasoningContent", "thought", "redacted_thinking"), _read_thought),
    **dict.fromkeys(
        ("tool_call", "tool_use", "function_call", "toolUse", "tool-call", "server_tool_call", "server_tool_use", "mcp_tool_use"),
        _read_request,
    ),
    **dict.fromkeys(_RESULTS, _read_result),
    **dict.fromkeys(("blob", "uri", "file", "image", "image_url", "input_image", "audio", "input_audio", "document"), _read_nothing),
}


def result_text(value: Any) -> str | None:
    """Return what a tool answered as text, without the blocks and objects that carry it."""
    value = parse(value) if isinstance(value, str) and value[:1] in '["{' else value
    if isinstance(value, list) and value and all(isinstance(one, dict) and isinstance(_block_text(one), str) for one in value):
        return "\n".join(str(_block_text(one)) for one in value)
    if isinstance(value, dict):
        if set(value) == {"result"} or set(value) == {"output"}:
            return result_text(next(iter(value.values())))
        if value.get("type") in ("text", "error-text", "json", "error-json") and "value" in value:
            return show(value["value"])
        if value.get("type") in ("tool", "ToolMessage"):
            inner = mapping(value.get("data")) or mapping(value.get("kwargs")) or value
            return result_text(inner.get("content"))
        if "lc" in value and isinstance(value.get("kwargs"), dict):
            return result_text(value["kwargs"].get("content"))
    return show(value)


def _block_text(block: dict[str, Any]) -> Any:
    if block.get("type") in (None, "text", "input_text", "output_text"):
        found = block.get("text", block.get("content"))
        return found if found is not None else show(block.get("json"))
    return None


class Exchange(msgspec.Struct):
    """What is new in one model call: what it was told since its own last words, and its reply."""

    asked: str | None = None
    results: list[ToolResult] = []
    said: str | None = None
    thought: str | None = None
    requests: list[ToolRequest] = []
    finish_reason: str | None = None


def read_told(exchange: Exchange, messages: Sequence[Message]) -> None:
    """Fill in what the model was told after its own last message."""
    fresh: list[Message] = []
    for message in reversed(messages):
        if message.is_own:
            break
        fresh.append(message)
    fresh.reverse()
    texts = [text for message in fresh if message.role not in _SYSTEM for text in message.texts]
    exchange.asked = exchange.asked or joined(texts)
    exchange.results = exchange.results or [_bounded(result) for message in fresh for result in message.results]


def read_reply(exchange: Exchange, messages: Iterable[Message]) -> None:
    """Fill in what the model replied."""
    replies = list(messages)
    exchange.said = exchange.said or joined([text for message in replies for text in message.texts])
    exchange.thought = exchange.thought or joined([text for message in replies for text in message.thoughts])
    if not exchange.requests:
        exchange.requests = [request for message in replies for request in message.requests]
    if exchange.finish_reason is None:
        exchange.finish_reason = next((message.finish_reason for message in replies if message.finish_reason), None)


def joined(texts: Sequence[str]) -> str | None:
    """Return texts as one, bounded; None for none."""
    whole = "\n\n".join(texts) if len(texts) != 1 else texts[0]
    return whole[:TEXT_CHARS] or None


def _bounded(result: ToolResult) -> ToolResult:
    if result.result is not None and len(result.result) > TEXT_CHARS:
        return ToolResult(result.call_id, result.result[:TEXT_CHARS], result.is_error, result.name)
    return result
