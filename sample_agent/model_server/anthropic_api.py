"""Anthropic's Messages API on the wire: requests read, answers, streams and errors written."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .policy.reading import Call, Conversation, Said, ToolAnswer, Turn
from .tokens import InputCount, count

ERROR_TYPES = {400: "invalid_request_error", 404: "not_found_error", 429: "rate_limit_error", 529: "overloaded_error"}
STREAMED_CHARS = 24

Body = dict[str, Any]


def read_request(body: Body) -> Conversation:
    """Return what a request's body says. Raises KeyError, TypeError or AttributeError for another shape."""
    system = body.get("system") or ""
    text = system if isinstance(system, str) else "".join(block["text"] for block in system)
    turns = tuple(_turns(body["messages"]))
    return Conversation(
        system=text,
        turns=turns,
        tools=tuple(tool["name"] for tool in body.get("tools") or ()),
        model=body["model"],
        wants_json="JSON schema" in text,
        max_tokens=body["max_tokens"],
    )


def _turns(messages: list[Body]) -> Iterator[Turn]:
    asked: dict[str, Call] = {}
    for message in messages:
        content = message["content"]
        blocks: list[Body] = [{"type": "text", "text": content}] if isinstance(content, str) else content
        calls = tuple(Call(block["id"], block["name"], block["input"]) for block in blocks if block["type"] == "tool_use")
        asked |= {call.id: call for call in calls}
        outcomes = tuple(
            ToolAnswer(asked.get(block["tool_use_id"]), _plain(block.get("content")), bool(block.get("is_error")))
            for block in blocks
            if block["type"] == "tool_result"
        )
        words = "\n".join(block["text"] for block in blocks if block["type"] == "text")
        yield Turn(message["role"], words, calls, outcomes)


def _plain(content: Any) -> str:
    if isinstance(content, list):
        return "".join(block.get("text", "") for block in content)
    return content or ""


def pieces_of(body: Body) -> list[tuple[str, bool]]:
    """Return a prompt in the order in which the real API caches it: tools, instructions, messages; with the marks of ``cache_control``."""
    system = body.get("system") or []
    blocks = [*(body.get("tools") or []), *([{"text": system}] if isinstance(system, str) else system)]
    for message in body["messages"]:
        content = message["content"]
        blocks += [{"text": content}] if isinstance(content, str) else content
    return [(_unmarked(block), "cache_control" in block) for block in blocks]


def _unmarked(block: Body) -> str:
    # The signature counts as nothing: it is not read by the model.
    return json.dumps({key: value for key, value in block.items() if key not in ("cache_control", "signature")}, ensure_ascii=False)


@dataclass(frozen=True)
class Rendered:
    """An answer with its id and token counts."""

    answer: Said
    id: str
    model: str
    read: InputCount
    is_cut: bool = False
    """Whether the answer ran into max_tokens."""


def message_of(rendered: Rendered) -> Body:
    """Return a whole message."""
    return {
        "id": f"msg_{rendered.id}",
        "type": "message",
        "role": "assistant",
        "model": rendered.model,
        "content": list(_blocks(rendered)),
        "stop_reason": _stop_reason(rendered),
        "stop_sequence": None,
        "usage": _usage(rendered),
    }


def _blocks(rendered: Rendered) -> Iterator[Body]:
    answer = rendered.answer
    if answer.thinking:
        signature = hashlib.sha256(f"{rendered.id}{answer.thinking}".encode()).hexdigest() * 2
        yield {"type": "thinking", "thinking": answer.thinking, "signature": signature}
    if answer.text:
        yield {"type": "text", "text": answer.text}
    for number, (name, arguments) in enumerate(answer.calls):
        yield {"type": "tool_use", "id": f"toolu_{rendered.id}{number}", "name": name, "input": arguments}


def _stop_reason(rendered: Rendered) -> str:
    if rendered.is_cut:
        return "max_tokens"
    return "tool_use" if rendered.answer.calls else "end_turn"


def _usage(rendered: Rendered) -> Body:
    answer, read = rendered.answer, rendered.read
    thinking = count(answer.thinking) if answer.thinking else 0
    return {
        "input_tokens": read.fresh,
        "cache_creation_input_tokens": read.written,
        "cache_read_input_tokens": read.read,
        "cache_creation": {"ephemeral_5m_input_tokens": read.written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": thinking + count(answer.text) + sum(count([name, arguments]) for name, arguments in answer.calls),
        "output_tokens_details": {"thinking_tokens": thinking},
        "service_tier": "standard",
    }


def stream_of(rendered: Rendered) -> Iterator[tuple[str, Body]]:
    """Yield the events of a streamed message by name, in the order of the real API."""
    whole = message_of(rendered)
    usage = whole["usage"]
    start = whole | {"content": [], "stop_reason": None, "usage": usage | {"output_tokens": 1}}
    yield "message_start", {"type": "message_start", "message": start}
    for index, block in enumerate(whole["content"]):
        yield "content_block_start", {"type": "content_block_start", "index": index, "content_block": _empty(block)}
        if index == 0:
            yield "ping", {"type": "ping"}
        for delta in _deltas(block):
            yield "content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta}
        yield "content_block_stop", {"type": "content_block_stop", "index": index}
    delta = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield "message_delta", {"type": "message_delta", "delta": delta, "usage": usage}
    yield "message_stop", {"type": "message_stop"}


def _empty(block: Body) -> Body:
    match block["type"]:
        case "thinking":
            return {"type": "thinking", "thinking": "", "signature": ""}
        case "tool_use":
            return block | {"input": {}}
    return {"type": "text", "text": ""}


def _deltas(block: Body) -> Iterator[Body]:
    match block["type"]:
        case "thinking":
            yield from ({"type": "thinking_delta", "thinking": part} for part in _cut(block["thinking"]))
            yield {"type": "signature_delta", "signature": block["signature"]}
        case "tool_use":
            yield from ({"type": "input_json_delta", "partial_json": part} for part in _cut(json.dumps(block["input"])))
        case _:
            yield from ({"type": "text_delta", "text": part} for part in _cut(block["text"]))


def _cut(text: str) -> Iterator[str]:
    yield from (text[start : start + STREAMED_CHARS] for start in range(0, len(text), STREAMED_CHARS))


def error_of(status: int, message: str) -> Body:
    """Return the body of an error."""
    return {"type": "error", "error": {"type": ERROR_TYPES.get(status, "api_error"), "message": message}, "request_id": None}
