"""Messages that travel as span events or log records: one a message, or one with the keys of a span."""

from collections.abc import Sequence
from typing import Any

from ingest.model import Event

from .messages import Exchange, read_fresh, read_message, read_messages
from .parts import Message
from .values import mapping, parse, show, word

DETAILS = "gen_ai.client.inference.operation.details"
"""An event with the attributes of a span; Strands sends several, each with one of the keys."""

_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
    "gen_ai.choice": "choice",
}

PROMPT, COMPLETION = "gen_ai.content.prompt", "gen_ai.content.completion"


def is_message_event(name: str) -> bool:
    """Tell whether an event of this name holds a message."""
    return name in _ROLES or name in (PROMPT, COMPLETION)


def message_of(name: str, body: Any, attributes: dict[str, Any]) -> tuple[str, Message]:
    """Return an event's role (``choice`` for the reply) and message. The message is its body, or among its attributes."""
    role = _ROLES.get(name, "choice" if name == COMPLETION else "user")
    raw = _raw_message(body, attributes, name)
    message = read_message({**raw, "role": "assistant" if role == "choice" else role} if isinstance(raw, dict) else raw)
    message.role = "assistant" if role == "choice" else role
    return role, message


def _raw_message(body: Any, attributes: dict[str, Any], name: str) -> Any:
    content = parse(attributes.get("gen_ai.event.content"))
    raw = parse(body)
    if not isinstance(raw, dict):
        raw = content if isinstance(content, dict) else {"content": raw} if raw else dict(attributes)
    elif "content" not in raw and "message" not in raw and "tool_calls" not in raw:
        raw = {**attributes, **raw}
    single = raw.get("gen_ai.prompt" if name == PROMPT else "gen_ai.completion")
    if single is not None:
        return parse(single)
    inner = parse(raw.get("message"))
    if isinstance(inner, dict):
        # OpenLLMetry puts the tools that were asked for beside the message.
        beside = {"tool_calls": raw["tool_calls"]} if "tool_calls" in raw else {}
        return {**beside, **inner, "finish_reason": raw.get("finish_reason")}
    if inner is not None:
        # Strands: a list of content blocks, or a text.
        return {"content": inner, "finish_reason": raw.get("finish_reason")}
    return {key: value for key, value in raw.items() if key != "name" or isinstance(value, str)}


def listed_messages(name: str, attributes: dict[str, Any]) -> list[Any] | None:
    """Return the messages of an event that holds a whole conversation or all of a reply, still unread; None for any other event."""
    if name not in (PROMPT, COMPLETION):
        return None
    found = parse(attributes.get("gen_ai.prompt" if name == PROMPT else "gen_ai.completion"))
    whole = isinstance(found, list) and any(isinstance(one, dict) and "role" in one for one in found)
    return found if whole else None


def hear_events(exchange: Exchange, events: Sequence[tuple[str, Any, dict[str, Any]]]) -> None:
    """Take in messages sent as events, each a (name, body, attributes), in their order."""
    fresh: list[Message] = []
    replies: list[Message] = []
    for name, body, attributes in events:
        listed = listed_messages(name, attributes)
        if listed is not None:
            if name == PROMPT:
                fresh = read_fresh(listed)
            else:
                replies.extend(read_messages(listed))
            continue
        role, message = message_of(name, body, attributes)
        if role == "choice":
            replies.append(message)
        elif role == "assistant":
            fresh.clear()
        else:
            fresh.append(message)
    exchange.hear(fresh)
    exchange.reply(replies)


def span_events(events: Sequence[Event]) -> list[tuple[str, Any, dict[str, Any]]]:
    """Return the events of a span that hold messages."""
    return [(event.name, None, event.attributes) for event in events if is_message_event(event.name)]


def listed_events(value: Any) -> list[tuple[str, Any, dict[str, Any]]]:
    """Return the events that Pydantic AI's first format lists in one attribute."""
    found = parse(value)
    listed = [mapping(item) for item in found] if isinstance(found, list) else []
    return [(name, item, {}) for item in listed if (name := word(item.get("event.name"))) and is_message_event(name)]


def tool_events(events: Sequence[Event]) -> tuple[Any, str | None]:
    """Return the arguments and the result that events on a tool span hold: on it, the tool's message is what it was told."""
    arguments: Any = None
    result: str | None = None
    for event in events:
        if event.name == "gen_ai.tool.message":
            arguments = event.attributes.get("content")
        elif event.name == "gen_ai.choice":
            result = show(event.attributes.get("message"))
    return arguments, result
