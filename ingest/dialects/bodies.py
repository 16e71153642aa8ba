"""Whole requests and replies of model APIs, as some emitters record them in one attribute: OpenAI's, Anthropic's, Gemini's ..."""

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from ingest.model import Usage

from .messages import Exchange, read_fresh, read_message, read_messages
from .parts import Message
from .printed import is_opaque, is_printed, printed_fields, printed_object
from .tokens import fill_usage, usage_of_object
from .values import MOST_ITEMS, listing, mapping, parse, show, unwrap, word

_MOST_DEPTH = 6


def request_messages(value: Any, depth: int = 0) -> Any:
    """Return the conversation inside a recorded request: a list of messages, or the one text; None where there is none."""
    body = unwrap(value)
    if not isinstance(body, dict):
        return body if isinstance(body, list) or (isinstance(body, str) and body) else None
    if depth > _MOST_DEPTH:
        return None
    if "role" in body and ("content" in body or "parts" in body):
        return [body]
    for key in ("messages", "contents", "input", "prompt", "prompts", "inputs", "kwargs", "request", "data", "query", "question", "text"):
        found = body.get(key)
        if found:
            inner = request_messages(found, depth + 1)
            if inner is not None:
                return inner
    arguments = body.get("args")
    return request_messages(arguments[0], depth + 1) if isinstance(arguments, list) and len(arguments) == 1 else None


def hear_request(exchange: Exchange, value: Any, own_name: str | None) -> None:
    """Take in what a recorded request tells the model."""
    messages = request_messages(value)
    if messages is not None:
        exchange.hear(read_fresh(messages, own_name))


_ITEMS = frozenset({"message", "function_call", "function_call_output", "reasoning"})


def opened_request(text: str) -> list[Any] | None:
    """Return the request of the Responses API that an emitter sent as the words of a user; None where they are words."""
    found = parse(text)
    if not isinstance(found, list) or not found:
        return None
    are_items = all(isinstance(one, dict) and (("role" in one and "content" in one) or one.get("type") in _ITEMS) for one in found)
    return found if are_items else None


def tools_in_request(value: Any) -> list[str]:
    """Return the names of the tools that a recorded request offers."""
    body = mapping(value)
    for holder in (body, body.get("kwargs"), body.get("config"), body.get("invocation_params"), body.get("request")):
        inner = mapping(holder)
        found = inner.get("tools") or inner.get("functions")
        if found:
            return tool_names(found)
    return []


def tool_names(value: Any) -> list[str]:
    """Return the names in a list of tool definitions, in any maker's form."""
    if isinstance(value, str):
        return list(_names_in_text(value)) if len(value) <= _MOST_CACHED else _names(unwrap(value))
    return _names(value)


_MOST_CACHED = 30_000


@lru_cache(maxsize=256)
def _names_in_text(text: str) -> tuple[str, ...]:
    # One process offers the same tools on every call.
    return tuple(_names(unwrap(text)))


_LONE_TOOL = frozenset({"name", "function", "toolSpec", "json_schema", "function_declarations", "functionDeclarations"})
"""Keys of one definition, or of what holds it; other maps lead from names to definitions."""


def _names(value: Any) -> list[str]:
    if isinstance(value, dict):
        # Pydantic AI's request parameters; a map from name to definition; or one definition alone.
        listed = [tool for key in ("function_tools", "output_tools", "tools") for tool in listing(value.get(key))]
        value = listed or ([value] if not _LONE_TOOL.isdisjoint(value) else list(value))
    names: list[str] = []
    for tool in value if isinstance(value, list) else ():
        names.extend(_names_of_tool(tool))
        if len(names) >= MOST_ITEMS:
            break
    return list(dict.fromkeys(names))[:MOST_ITEMS]


def _names_of_tool(tool: Any, depth: int = 0) -> Iterable[str]:
    if depth > _MOST_DEPTH:
        return ()
    if isinstance(tool, str):
        if tool[:1] in ("{", "["):
            return _names_in_text(tool) if len(tool) <= _MOST_CACHED else _names(parse(tool))
        if is_printed(tool):
            return (said for field, said in itertools.islice(printed_fields(tool), 1) if field == "name")
        return (tool,) if tool and len(tool) <= 200 else ()
    if not isinstance(tool, dict):
        return ()
    for key in ("function_declarations", "functionDeclarations"):
        if key in tool and isinstance(tool[key], list):
            return (name for inner in tool[key] for name in _names_of_tool(inner, depth + 1))
    for key in ("json_schema", "tool", "function", "toolSpec"):
        inner = tool.get(key)
        if inner is not None and not (key == "tool" and isinstance(inner, str) and inner[:1] != "{"):
            return _names_of_tool(inner, depth + 1)
    name = word(tool.get("name")) or word(tool.get("type"))
    return (name,) if name else ()


class ReplyBody(msgspec.Struct, gc=False):
    """What a recorded reply says beside its messages."""

    usage: Usage | None = None
    model: str | None = None
    response_id: str | None = None
    finish_reason: str | None = None


_THOUGHTS = ('"thinking"', '"reasoning', '"thought"')


def read_reply_body(exchange: Exchange, value: Any, known: bool = False) -> ReplyBody:
    """Take in a recorded reply; where its words are ``known`` already, only what else it says."""
    body = ReplyBody()
    found = unwrap(value)
    if isinstance(found, str) and exchange.requests:
        # The reply is known, tools and all; how a framework prints it ("assistant: ") is nothing that was said.
        return body
    if known and isinstance(found, dict) and "id" in found and not (isinstance(value, str) and any(sign in value for sign in _THOUGHTS)):
        _note(body, found)
        return body
    exchange.reply(_replies(found, body, 0))
    exchange.finish_reason = exchange.finish_reason or body.finish_reason
    return body


_USAGE_KEYS = ("usage", "usage_metadata", "usageMetadata", "token_usage")


def _note(body: ReplyBody, raw: dict[str, Any]) -> None:
    body.model = body.model or word(raw.get("model")) or word(raw.get("model_name")) or word(raw.get("model_version"))
    body.response_id = body.response_id or word(raw.get("id") if not isinstance(raw.get("id"), list) else None)
    body.finish_reason = body.finish_reason or finish_of(raw)
    for key in _USAGE_KEYS:
        if raw.get(key):
            # LangChain's usage_metadata includes cached tokens, Gemini's of the same name does so by other keys.
            body.usage = fill_usage(body.usage, usage_of_object(raw[key], includes_cache=key == "usage_metadata"))


def finish_of(raw: dict[str, Any]) -> str | None:
    """Return why a recorded reply, or one of its candidates, ended."""
    for key in ("finish_reason", "stop_reason", "finishReason", "stopReason"):
        found = word(raw.get(key))
        if found:
            return found.removeprefix("FinishReason.")
    status = raw.get("status")
    if isinstance(status, str) and raw.get("object") in ("response", None) and isinstance(raw.get("output"), list):
        return word(mapping(raw.get("incomplete_details")).get("reason")) or status
    return None


def _replies(raw: Any, body: ReplyBody, depth: int) -> list[Message]:
    if isinstance(raw, str):
        printed = printed_object(raw) if is_printed(raw) else None
        if printed is not None and "role" in printed:
            return [_one(printed, body)]
        return [Message(role="assistant", texts=[raw])] if raw and raw not in ("null", "None") and not is_opaque(raw) else []
    if isinstance(raw, list):
        return _from_list(raw, body, depth)
    if not isinstance(raw, dict) or depth > _MOST_DEPTH:
        return []
    if isinstance(raw.get("raw"), dict):
        # Genkit keeps the provider's reply beside what it made of it; the provider counts more closely.
        _note(body, raw["raw"])
    _note(body, raw)
    for key, read in _REPLY_SHAPES:
        if raw.get(key):
            return read(raw, body, depth)
    if any(key in raw for key in ("content", "parts", "tool_calls", "role", "text", "type", "kwargs")):
        return [_one(raw, body)]
    if depth == 0 and body.usage is None and body.response_id is None and (text := show(raw)):
        # An object of no maker's shape is what the model was asked to write.
        return [Message(role="assistant", texts=[text])]
    return []


_PRINTED_REASON = re.compile(r"\b(?:finish|stop)_reason='(\w{2,40})'")
_PRINTED_CHARS = 20_000


def _one(raw: dict[str, Any], body: ReplyBody) -> Message:
    inner = raw["kwargs"] if isinstance(raw.get("kwargs"), dict) else raw["data"] if isinstance(raw.get("data"), dict) else raw
    # The provider's own words before LangChain's.
    for said in (inner.get("response_metadata"), inner.get("generation_info"), inner.get("meta"), inner if inner is not raw else None):
        if isinstance(said, dict):
            _note(body, said)
    if isinstance(raw.get("raw"), str):
        # smolagents keeps the reply as Python prints it, and tells less of its usage beside it.
        body.usage = fill_usage(body.usage, usage_of_object(raw["raw"]))
        printed = _PRINTED_REASON.search(raw["raw"], 0, _PRINTED_CHARS)
        body.finish_reason = body.finish_reason or (printed.group(1) if printed else None)
    content = raw.get("content")
    if isinstance(content, dict) and "parts" in content:
        # Gemini's reply holds a message as its content.
        return read_message(content)
    return read_message(raw)


def _from_list(raw: Sequence[Any], body: ReplyBody, depth: int) -> list[Message]:
    if depth > _MOST_DEPTH:
        return []
    if raw and all(isinstance(one, dict) and "role" not in one and "type" in one for one in raw):
        # Items of the Responses API, or bare content blocks: one reply.
        return read_messages(list(raw))
    # Of a whole conversation the last message is the reply.
    spoken = [one for one in raw if isinstance(one, dict) and one.get("role") in ("user", "tool", "system", "human")]
    return [message for one in (raw[-1:] if spoken else raw) for message in _replies(_opened(one), body, depth + 1)]


def _opened(one: Any) -> Any:
    """Return a reply that was encoded once too often; one that is JSON in its own right, as structured output is, stays a text."""
    found = parse(one)
    return found if found is one or (isinstance(found, dict) and not _REPLY_KEYS.isdisjoint(found)) else one


_REPLY_KEYS = frozenset({"role", "choices", "candidates", "generations", "tool_calls", "kwargs", "parts", "message"})

_Shape = Callable[[dict[str, Any], ReplyBody, int], list[Message]]
"""Reads the messages of a reply of one shape."""


def _from_choices(raw: dict[str, Any], body: ReplyBody, depth: int) -> list[Message]:
    replies: list[Message] = []
    for choice in listing(raw["choices"]):
        choice = mapping(choice)
        body.finish_reason = body.finish_reason or finish_of(choice)
        inner = choice.get("message") or choice.get("delta")
        replies.append(read_message(inner if inner else choice.get("text") or {}))
    return replies


def _from_candidates(raw: dict[str, Any], body: ReplyBody, depth: int) -> list[Message]:
    replies: list[Message] = []
    for candidate in listing(raw["candidates"]):
        candidate = mapping(candidate)
        body.finish_reason = body.finish_reason or finish_of(candidate)
        replies.append(read_message(candidate.get("content") or candidate.get("message") or {}))
    return replies


def _from_generations(raw: dict[str, Any], body: ReplyBody, depth: int) -> list[Message]:
    output = raw.get("llm_output")
    if isinstance(output, dict):
        _note(body, output)
    replies: list[Message] = []
    for generation in listing(raw["generations"]):
        for one in generation if isinstance(generation, list) else [generation]:
            one = mapping(one)
            information = one.get("generation_info")
            if isinstance(information, dict):
                _note(body, information)
            inner = one.get("message")
            replies.append(_one(inner, body) if isinstance(inner, dict) else read_message(one.get("text") or {}))
    return replies


def _inside(key: str) -> _Shape:
    def read(raw: dict[str, Any], body: ReplyBody, depth: int) -> list[Message]:
        found = unwrap(raw[key])
        if key == "messages":
            found = listing(found)[-1:]
        return _replies(found, body, depth + 1)

    return read


_REPLY_SHAPES: tuple[tuple[str, _Shape], ...] = (
    ("choices", _from_choices),
    ("candidates", _from_candidates),
    ("generations", _from_generations),
    ("output", _inside("output")),
    ("outputs", _inside("outputs")),
    ("messages", _inside("messages")),
    ("replies", _inside("replies")),
    ("message", _inside("message")),
    ("update", _inside("update")),
    ("message_data", _inside("message_data")),
    ("combined_chunk_content", _inside("combined_chunk_content")),
    ("result", _inside("result")),
    ("response", _inside("response")),
)
"""Where a reply holds its messages, most telling first. ``message_data`` and ``combined_chunk_content`` are Logfire's."""
