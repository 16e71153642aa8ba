"""The fallback provider, through OpenAI's own client: chat completions, which many others speak as well."""

import json
from typing import Any

from openai import DefaultHttpxClient, OpenAI
from openai.types.chat import ChatCompletion

from tracer import llm_call

from ..observe import Observe
from .failures import CLIENT_ERRORS, failure_of, reading
from .settings import ModelSettings
from .telling import tell_answer, tell_failure, trace_headers
from .tls import tls
from .types import Complete, Message, ModelReply, ModelRequest, Part, Text, Tokens, ToolOutcome, ToolRequest, json_schema_of

NAME = "openai"


def openai_client(settings: ModelSettings) -> OpenAI:
    """Return a client of the fallback endpoint."""
    endpoint = settings.fallback
    return OpenAI(
        api_key=endpoint.key or "offline",
        base_url=endpoint.url or "https://api.openai.com/v1",
        timeout=settings.timeout_s,
        max_retries=0,
        http_client=DefaultHttpxClient(verify=tls()),
    )


def openai_provider(client: OpenAI, settings: ModelSettings, observe: Observe) -> Complete:
    """Return a callable that asks ``request.model`` once; raises ModelUnavailable."""

    def ask(request: ModelRequest) -> ModelReply:
        body = wire_of(request)
        try:
            return _ask(client, request, body, settings.stream, observe)
        except CLIENT_ERRORS as error:
            raise failure_of(error, NAME) from error

    return ask


def _ask(client: OpenAI, request: ModelRequest, body: dict[str, Any], stream: bool, observe: Observe) -> ModelReply:
    content = {key: body[key] for key in ("messages", "tools") if key in body}
    with llm_call(request.model, provider=NAME, max_tokens=request.max_tokens, **content) as call:
        try:
            with reading():
                reply = reply_of(_completion(client, body, stream, call))
        except CLIENT_ERRORS as error:
            tell_failure(observe, request, failure_of(error, NAME))
            raise
        tell_answer(observe, request, reply)
        return reply


def _completion(client: OpenAI, body: dict[str, Any], stream: bool, call: Any) -> ChatCompletion:
    if not stream:
        completion: ChatCompletion = client.chat.completions.create(**body, extra_headers=trace_headers())
        call.record(completion)
        return completion
    with client.chat.completions.stream(**body, stream_options={"include_usage": True}, extra_headers=trace_headers()) as events:
        for _ in call.stream(event.chunk for event in events if event.type == "chunk"):
            pass
        return events.get_final_completion()


def wire_of(request: ModelRequest) -> dict[str, Any]:
    """Return the body of a chat completion for a request."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": request.system}]
    for message in request.messages:
        messages += _assistant(message) if message.role == "assistant" else _user(message)
    body: dict[str, Any] = {"model": request.model, "max_completion_tokens": request.max_tokens, "messages": messages}
    if request.tools:
        body["tools"] = [
            {"type": "function", "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters}}
            for tool in request.tools
        ]
    if request.schema is not None:
        shape = {"name": request.schema.__name__, "schema": json_schema_of(request.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": shape}
    return body


def _assistant(message: Message) -> list[dict[str, Any]]:
    words = "".join(part.text for part in message.parts if isinstance(part, Text))
    calls = [
        {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": json.dumps(part.arguments)}}
        for part in message.parts
        if isinstance(part, ToolRequest)
    ]
    return [{"role": "assistant", "content": words or None, **({"tool_calls": calls} if calls else {})}]


def _user(message: Message) -> list[dict[str, Any]]:
    outcomes = [
        {"role": "tool", "tool_call_id": part.request_id, "content": part.content}
        for part in message.parts
        if isinstance(part, ToolOutcome)
    ]
    words = [{"type": "text", "text": part.text} for part in message.parts if isinstance(part, Text)]
    return [*outcomes, *([{"role": "user", "content": words}] if words else [])]


def reply_of(completion: ChatCompletion) -> ModelReply:
    """Return an answer in our own words; words before a tool request are its reason."""
    if not completion.choices:
        raise ValueError("an answer without a choice says nothing")
    choice = completion.choices[0]
    usage = completion.usage
    if usage is None:
        raise ValueError("an answer without usage cannot be accounted for")
    read = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else None
    thought = usage.completion_tokens_details.reasoning_tokens if usage.completion_tokens_details else None
    requests = tuple(_tool_request(call) for call in choice.message.tool_calls or ())
    text = choice.message.content or ""
    parts: tuple[Part, ...] = (*((Text(text),) if text else ()), *requests)
    return ModelReply(
        text=text,
        thinking=(),
        tool_requests=requests,
        tokens=Tokens(usage.prompt_tokens, usage.completion_tokens, cache_read=read or 0, reasoning=thought or 0),
        model=completion.model,
        provider=NAME,
        finish_reason=choice.finish_reason,
        response_id=completion.id,
        parts=parts,
    )


def _tool_request(call: Any) -> ToolRequest:
    try:
        arguments = json.loads(call.function.arguments)
    except json.JSONDecodeError:
        arguments = None
    # Arguments that are no object are passed on under a name that no tool takes, so that the tool refuses them by name.
    return ToolRequest(call.id, call.function.name, arguments if isinstance(arguments, dict) else {"unreadable": call.function.arguments})
