"""A provider's raw request and reply, recorded whole by some emitters: OpenAI's, Anthropic's, Gemini's, LangChain's."""

from typing import Any

import msgspec

from .messages import Exchange, Message, read_message, read_messages, read_reply, read_told
from .tokens import Counts, raw_counts
from .values import listing, mapping, parse, word


class Reply(msgspec.Struct):
    """What a raw reply says besides its messages."""

    messages: list[Message] = []
    finish_reason: str | None = None
    model: str | None = None
    response_id: str | None = None
    counts: Counts | None = None


def read_request(exchange: Exchange, value: Any) -> list[str]:
    """Fill in what a raw request told the model and return the names of the tools that it offered."""
    raw = parse(value)
    if not isinstance(raw, dict):
        read_told(exchange, read_messages(raw))
        return []
    inner = next((raw[key] for key in ("kwargs", "request", "inputs") if isinstance(raw.get(key), dict)), None)
    if inner is not None and not any(key in raw for key in ("messages", "contents", "prompt")):
        raw = inner
    for key in ("messages", "input", "contents", "prompt", "prompts", "query", "question"):
        if raw.get(key):
            read_told(exchange, read_messages(raw[key]))
            break
    return tool_names(raw.get("tools")) or tool_names(mapping(raw.get("config")).get("tools"))


def tool_names(value: Any) -> list[str]:
    """Return the names of offered tools from their definitions, in any provider's shape."""
    found: dict[str, None] = {}
    raw = parse(value)
    if isinstance(raw, dict):
        # MLflow and some others number them, or map names to definitions.
        raw = list(raw.values()) if all(isinstance(one, dict) for one in raw.values()) else [raw]
    for one in (raw if isinstance(raw, list) else [])[:1000]:
        tool = parse(one)
        if isinstance(tool, str):
            found[tool[:200]] = None
            continue
        if not isinstance(tool, dict):
            continue
        tool = tool["toolSpec"] if isinstance(tool.get("toolSpec"), dict) else tool
        inside = next((tool[key] for key in ("function_declarations", "functionDeclarations") if isinstance(tool.get(key), list)), None)
        if inside is not None:
            found.update(dict.fromkeys(tool_names(inside)))
            continue
        function = tool["function"] if isinstance(tool.get("function"), dict) else tool
        name = word(function.get("name")) or word(function.get("title"))
        if name:
            found[name] = None
    return list(found)


def read_raw_reply(exchange: Exchange, value: Any) -> Reply:
    """Fill in what a raw reply says, and return what it says besides."""
    raw = parse(value)
    reply = Reply()
    if isinstance(raw, dict):
        _read_map(reply, raw, 0)
    elif raw not in (None, ""):
        reply.messages = read_messages(raw)
    read_reply(exchange, reply.messages)
    if exchange.finish_reason is None:
        exchange.finish_reason = reply.finish_reason
    return reply


def _read_map(reply: Reply, raw: dict[str, Any], depth: int) -> None:
    reply.model = reply.model or word(raw.get("model")) or word(raw.get("modelVersion")) or word(raw.get("model_version"))
    reply.response_id = reply.response_id or word(raw.get("id")) or word(raw.get("responseId")) or word(raw.get("response_id"))
    usage = next((raw[key] for key in ("usage", "usageMetadata", "usage_metadata") if mapping(raw.get(key))), None)
    if usage is not None and reply.counts is None:
        reply.counts = raw_counts(usage)
    if isinstance(raw.get("choices"), list):
        _read_choices(reply, raw["choices"])
    elif isinstance(raw.get("candidates"), list):
        _read_candidates(reply, raw["candidates"])
    elif isinstance(raw.get("output"), list) and _has_items(raw["output"]):
        _read_items(reply, raw)
    elif isinstance(raw.get("generations"), list):
        _read_generations(reply, raw["generations"])
    elif isinstance(raw.get("parts"), list) or "content" in raw or "tool_calls" in raw:
        _read_plain(reply, raw)
    elif depth < 3:
        _read_wrapped(reply, raw, depth)


def _has_items(items: list[Any]) -> bool:
    return all(isinstance(item, dict) and "type" in item for item in items)


def _read_choices(reply: Reply, choices: list[Any]) -> None:
    for choice in choices:
        if isinstance(choice, dict):
            message = read_message(choice.get("message") or choice.get("delta") or {"role": "assistant", "content": choice.get("text")})
            message.finish_reason = message.finish_reason or word(choice.get("finish_reason"))
            reply.messages.append(message)
            reply.finish_reason = reply.finish_reason or message.finish_reason


def _read_candidates(reply: Reply, candidates: list[Any]) -> None:
    for candidate in candidates:
        if isinstance(candidate, dict):
            reply.messages.append(read_message(candidate.get("content")))
            reason = candidate.get("finish_reason") or candidate.get("finishReason")
            reply.finish_reason = reply.finish_reason or word(reason)


def _read_items(reply: Reply, raw: dict[str, Any]) -> None:
    """Read the items of OpenAI's Responses API, whose finish reason is the status or why it is incomplete."""
    reply.messages.extend(read_message(item) for item in raw["output"])
    reason = mapping(raw.get("incomplete_details")).get("reason")
    reply.finish_reason = reply.finish_reason or word(reason) or word(raw.get("status"))


def _read_generations(reply: Reply, generations: list[Any]) -> None:
    for one in generations[0] if generations and isinstance(generations[0], list) else generations:
        if not isinstance(one, dict):
            continue
        message = one.get("message")
        reply.messages.append(read_message(message if message else {"role": "assistant", "content": one.get("text")}))
        inner = mapping(mapping(message).get("kwargs")) or mapping(message)
        about = mapping(inner.get("response_metadata")) | mapping(one.get("generation_info"))
        reply.finish_reason = reply.finish_reason or next((word(about[key]) for key in _REASONS if about.get(key)), None)
        reply.model = reply.model or word(about.get("model_name")) or word(about.get("model"))
        usage = mapping(inner.get("usage_metadata"))
        if usage and reply.counts is None:
            reply.counts = _langchain_counts(usage)


_REASONS = ("finish_reason", "stop_reason", "finishReason", "stopReason", "done_reason")


def _langchain_counts(usage: dict[str, Any]) -> Counts:
    """Read LangChain's own usage, whose input includes the cache."""
    return raw_counts({**usage, "input_tokens_details": mapping(usage.get("input_token_details")) or {"cached_tokens": None}})


def _read_plain(reply: Reply, raw: dict[str, Any]) -> None:
    reply.messages.append(read_message({"role": "assistant", **raw}))
    about = mapping(raw.get("response_metadata")) | raw
    reason = next((about[key] for key in _REASONS if about.get(key)), None)
    reply.finish_reason = reply.finish_reason or word(reason)


def _read_wrapped(reply: Reply, raw: dict[str, Any], depth: int) -> None:
    """Look into what frameworks put around a reply."""
    for key in ("message", "response", "output", "outputs", "result", "value", "kwargs", "llm_response", "content_blocks"):
        inner = parse(raw.get(key))
        if isinstance(inner, dict):
            if isinstance(raw.get("usage"), dict) and "usage" not in inner:
                inner = {**inner, "usage": raw["usage"]}
            _read_map(reply, inner, depth + 1)
            return
        if isinstance(inner, list):
            reply.messages.extend(_own(read_messages(inner)))
            return
        if isinstance(inner, str) and inner:
            reply.messages.append(Message("assistant", [inner]))
            return
    text = raw.get("combined_chunk_content")
    if isinstance(text, str) and text:
        reply.messages.append(Message("assistant", [text]))
    for message in listing(raw.get("messages"))[-1:]:
        reply.messages.append(read_message(message))


def _own(messages: list[Message]) -> list[Message]:
    """Return the reply of a list that may repeat the conversation before it."""
    last = max((place for place, message in enumerate(messages) if message.role in ("user", "human", "tool")), default=-1)
    return messages[last + 1 :]
