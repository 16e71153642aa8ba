"""The primary provider, through Anthropic's own client. Its retries are off: one place retries, ``retry.py``."""

from collections.abc import Iterable
from typing import Any

from anthropic import Anthropic, DefaultHttpxClient
from anthropic.types import Message as WireMessage

from tracer import llm_call

from ..observe import Observe
from .failures import CLIENT_ERRORS, failure_of, reading
from .settings import ModelSettings
from .telling import tell_answer, tell_failure, trace_headers
from .tls import tls
from .types import PLAIN_ROLES, Complete, Message, ModelReply, ModelRequest, Part, Text, Thinking, Tokens, ToolOutcome, ToolRequest

NAME = "anthropic"

CACHED = {"cache_control": {"type": "ephemeral"}}
"""Marks where a prefix ends that the next call will repeat."""


def anthropic_client(settings: ModelSettings) -> Anthropic:
    """Return a client of the primary endpoint."""
    endpoint = settings.primary
    # Without an address and a key the client would look for credentials of the person at the keyboard.
    return Anthropic(
        api_key=endpoint.key or "offline",
        base_url=endpoint.url or "https://api.anthropic.com",
        timeout=settings.timeout_s,
        max_retries=0,
        http_client=DefaultHttpxClient(verify=tls()),
    )


def anthropic_provider(client: Anthropic, settings: ModelSettings, observe: Observe) -> Complete:
    """Return a callable that asks ``request.model`` once; raises ModelUnavailable."""

    def ask(request: ModelRequest) -> ModelReply:
        body = wire_of(request, settings.thinking_tokens)
        try:
            return _ask(client, request, body, settings.stream, observe)
        except CLIENT_ERRORS as error:
            raise failure_of(error, NAME) from error

    return ask


def _ask(client: Anthropic, request: ModelRequest, body: dict[str, Any], stream: bool, observe: Observe) -> ModelReply:
    content = {key: body[key] for key in ("messages", "system", "tools") if key in body}
    with llm_call(request.model, provider=NAME, max_tokens=body["max_tokens"], **content) as call:
        try:
            with reading():
                reply = reply_of(_message(client, body, stream, call))
        except CLIENT_ERRORS as error:
            tell_failure(observe, request, failure_of(error, NAME))
            raise
        tell_answer(observe, request, reply)
        return reply


def _message(client: Anthropic, body: dict[str, Any], stream: bool, call: Any) -> WireMessage:
    if not stream:
        message: WireMessage = client.messages.create(**body, extra_headers=trace_headers())
        call.record(message)
        return message
    with client.messages.stream(**body, extra_headers=trace_headers()) as events:
        for _ in call.stream(events):
            pass
        return events.get_final_message()


def wire_of(request: ModelRequest, thinking_tokens: int) -> dict[str, Any]:
    """Return the body of the Messages API for a request, with cache marks after the instructions and after the last message."""
    messages = [_wire_message(message) for message in request.messages]
    messages[-1]["content"][-1] |= CACHED
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": request.max_tokens,
        "system": [{"type": "text", "text": request.system, **CACHED}],
        "messages": messages,
    }
    if request.tools:
        body["tools"] = [{"name": tool.name, "description": tool.description, "input_schema": tool.parameters} for tool in request.tools]
    if thinking_tokens and may_think(request):
        body["thinking"] = {"type": "adaptive", "display": "summarized"}
        body["max_tokens"] += thinking_tokens
    return body


def may_think(request: ModelRequest) -> bool:
    """Say whether thinking may be switched on: within a tool loop the API wants the loop's earlier thinking back, signed."""
    if request.role in PLAIN_ROLES:
        return False
    last = next((message for message in reversed(request.messages) if message.role == "assistant"), None)
    if last is None or not any(isinstance(part, ToolRequest) for part in last.parts):
        return True
    return isinstance(last.parts[0], Thinking) and bool(last.parts[0].signature)


def _wire_message(message: Message) -> dict[str, Any]:
    blocks = [block for part in message.parts if (block := _wire_part(part)) is not None]
    return {"role": message.role, "content": blocks or [{"type": "text", "text": "(nothing)"}]}


def _wire_part(part: Part) -> dict[str, Any] | None:
    match part:
        case Text(text):
            return {"type": "text", "text": text} if text.strip() else None
        case Thinking(text, signature):
            # What another provider thought carries no signature, and is not accepted back.
            return {"type": "thinking", "thinking": text, "signature": signature} if signature else None
        case ToolRequest(id, name, arguments):
            return {"type": "tool_use", "id": id, "name": name, "input": arguments}
        case ToolOutcome(request_id, _, content, is_error):
            return {"type": "tool_result", "tool_use_id": request_id, "content": content, "is_error": is_error}


def reply_of(message: WireMessage) -> ModelReply:
    """Return an answer in our own words. Input counts what was read from the cache and written to it, as ``Tokens`` says."""
    if not message.stop_reason:  # a stream that broke off
        raise ValueError("the answer has no end")
    parts = tuple(_parts(message.content))
    usage = message.usage
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    details = usage.output_tokens_details
    return ModelReply(
        text="".join(part.text for part in parts if isinstance(part, Text)),
        thinking=tuple(part.text for part in parts if isinstance(part, Thinking)),
        tool_requests=tuple(part for part in parts if isinstance(part, ToolRequest)),
        tokens=Tokens(usage.input_tokens + read + written, usage.output_tokens, read, written, details.thinking_tokens if details else 0),
        model=message.model,
        provider=NAME,
        finish_reason=message.stop_reason,
        response_id=message.id,
        parts=parts,
    )


def _parts(blocks: Iterable[Any]) -> Iterable[Part]:
    for block in blocks:
        if block.type == "text":
            yield Text(block.text)
        elif block.type == "thinking":
            yield Thinking(block.thinking, block.signature)
        elif block.type == "tool_use":
            yield ToolRequest(block.id, block.name, dict(block.input))
