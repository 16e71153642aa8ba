"""OpenAI's chat completions on the wire: requests read, answers, streams and errors written."""

import json
from collections.abc import Iterator
from typing import Any

from .anthropic_api import Rendered
from .policy.reading import Call, Conversation, ToolAnswer, Turn, read_object
from .tokens import count

STREAMED_CHARS = 24
CREATED_S = 1_767_225_600
"""A fixed moment, so that equal runs have equal bodies."""

Body = dict[str, Any]


def read_request(body: Body) -> Conversation:
    """Return what a request's body says. Raises KeyError, TypeError or AttributeError for another shape."""
    messages = body["messages"]
    system = "\n".join(_words(message) for message in messages if message["role"] in ("system", "developer"))
    return Conversation(
        system=system,
        turns=tuple(_turns([message for message in messages if message["role"] not in ("system", "developer")])),
        tools=tuple(tool["function"]["name"] for tool in body.get("tools") or ()),
        model=body["model"],
        wants_json=bool(body.get("response_format")) or "JSON schema" in system,
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens") or 4096,
    )


def _turns(messages: list[Body]) -> Iterator[Turn]:
    asked: dict[str, Call] = {}
    answered: list[ToolAnswer] = []
    for message in messages:
        if message["role"] == "tool":
            content = _words(message)
            answered.append(ToolAnswer(asked.get(message["tool_call_id"]), content, '"error"' in content[:20]))
            continue
        if answered:
            yield Turn("user", "", (), tuple(answered))
            answered = []
        calls = tuple(_call(call) for call in message.get("tool_calls") or ())
        asked |= {call.id: call for call in calls}
        yield Turn(message["role"], _words(message), calls)
    if answered:
        yield Turn("user", "", (), tuple(answered))


def _call(call: Body) -> Call:
    return Call(call["id"], call["function"]["name"], read_object(call["function"]["arguments"]))


def _words(message: Body) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)


def pieces_of(body: Body) -> list[tuple[str, bool]]:
    """Return a prompt in order; all of it may be a prefix of the next, for this API keeps prefixes unasked."""
    blocks = [*(body.get("tools") or []), *body["messages"]]
    return [(json.dumps(block, ensure_ascii=False), True) for block in blocks]


def completion_of(rendered: Rendered) -> Body:
    """Return a whole completion."""
    message: Body = {"role": "assistant", "content": _content(rendered), "refusal": None}
    if rendered.answer.calls:
        message["tool_calls"] = list(_calls(rendered))
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(rendered)}
    return _frame(rendered, "chat.completion") | {"choices": [choice], "usage": _usage(rendered)}


def _content(rendered: Rendered) -> str | None:
    answer = rendered.answer
    # These models keep their reasoning to themselves, but say before a tool call why they make it.
    return (answer.text or answer.thinking or None) if answer.calls else answer.text


def _calls(rendered: Rendered) -> Iterator[Body]:
    for number, (name, arguments) in enumerate(rendered.answer.calls):
        function = {"name": name, "arguments": json.dumps(arguments)}
        yield {"id": f"call_{rendered.id}{number}", "type": "function", "function": function}


def _finish_reason(rendered: Rendered) -> str:
    if rendered.is_cut:
        return "length"
    return "tool_calls" if rendered.answer.calls else "stop"


def _usage(rendered: Rendered) -> Body:
    written = count(_content(rendered) or "") + sum(count([name, arguments]) for name, arguments in rendered.answer.calls)
    return {
        "prompt_tokens": rendered.read.total,
        "completion_tokens": written,
        "total_tokens": rendered.read.total + written,
        "prompt_tokens_details": {"cached_tokens": rendered.read.read, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _frame(rendered: Rendered, kind: str) -> Body:
    return {"id": f"chatcmpl-{rendered.id}", "object": kind, "created": CREATED_S, "model": rendered.model}


def stream_of(rendered: Rendered, with_usage: bool) -> Iterator[Body]:
    """Yield the chunks of a streamed completion; with ``include_usage`` the last one has no choice and the usage."""
    frame = _frame(rendered, "chat.completion.chunk") | ({"usage": None} if with_usage else {})
    yield frame | {"choices": [_choice({"role": "assistant", "content": ""})]}
    content = _content(rendered) or ""
    for start in range(0, len(content), STREAMED_CHARS):
        yield frame | {"choices": [_choice({"content": content[start : start + STREAMED_CHARS]})]}
    for index, call in enumerate(_calls(rendered)):
        head = call | {"index": index, "function": call["function"] | {"arguments": ""}}
        yield frame | {"choices": [_choice({"tool_calls": [head]})]}
        arguments = call["function"]["arguments"]
        for start in range(0, len(arguments), STREAMED_CHARS):
            part = {"index": index, "function": {"arguments": arguments[start : start + STREAMED_CHARS]}}
            yield frame | {"choices": [_choice({"tool_calls": [part]})]}
    yield frame | {"choices": [_choice({}, _finish_reason(rendered))]}
    if with_usage:
        yield frame | {"choices": [], "usage": _usage(rendered)}


def _choice(delta: Body, finish_reason: str | None = None) -> Body:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def error_of(status: int, message: str) -> Body:
    """Return the body of an error."""
    kind = {400: "invalid_request_error", 401: "invalid_request_error", 429: "rate_limit_exceeded"}.get(status, "server_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": kind if status == 429 else None}}
