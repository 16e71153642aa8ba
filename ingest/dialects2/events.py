"""Messages that travel as span events or log records: the per-message events, and the later event with all of them at once."""

from collections.abc import Iterable
from typing import Any

from ingest.model import Span

from .messages import Exchange, Message, read_message, read_messages, read_reply, read_told
from .replies import tool_names
from .values import first, mapping, parse, word

ROLES = {
    "gen_ai.system.message": "system", "gen_ai.user.message": "user", "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool", "gen_ai.choice": "assistant",
}  # fmt: skip
"""The per-message events and whose message each is."""

DETAILS = "gen_ai.client.inference.operation.details"
_OLD = {"gen_ai.content.prompt": "gen_ai.prompt", "gen_ai.content.completion": "gen_ai.completion"}


def read_events(exchange: Exchange, span: Span) -> list[str]:
    """Fill in what the events of a span say, and return the tools that they name as offered."""
    told: list[Message] = []
    said: list[Message] = []
    offered: list[str] = []
    for event in span.events:
        if event.name in ROLES:
            place = said if event.name == "gen_ai.choice" else told
            place.append(message_of(event.name, event.attributes))
        elif event.name == DETAILS:
            offered = read_details(exchange, event.attributes) or offered
        elif event.name in _OLD:
            value = event.attributes.get(_OLD[event.name])
            (told if event.name == "gen_ai.content.prompt" else said).extend(read_messages(value))
    if told:
        read_told(exchange, told)
    if said:
        read_reply(exchange, said)
    return offered


def read_details(exchange: Exchange, attributes: dict[str, Any]) -> list[str]:
    """Read the event that carries all messages at once."""
    if attributes.get("gen_ai.input.messages") is not None:
        read_told(exchange, read_messages(attributes["gen_ai.input.messages"]))
    if attributes.get("gen_ai.output.messages") is not None:
        read_reply(exchange, read_messages(attributes["gen_ai.output.messages"]))
    return tool_names(attributes.get("gen_ai.tool.definitions"))


def message_of(name: str, fields: dict[str, Any]) -> Message:
    """Return the message of one per-message event, from its attributes or from a log record's body."""
    whole = parse(fields.get("gen_ai.event.content"))
    fields = whole if isinstance(whole, dict) else fields
    inner = parse(fields.get("message")) if name == "gen_ai.choice" else None
    raw: dict[str, Any] = {"role": ROLES[name], **{key: value for key, value in fields.items() if value is not None}}
    if isinstance(inner, dict):
        raw = {"role": "assistant", **inner}
    elif inner is not None:
        raw = {"role": "assistant", "content": inner}
    if name == "gen_ai.tool.message":
        raw["role"] = "tool"
    message = read_message(raw)
    reason = word(fields.get("finish_reason"))
    message.finish_reason = message.finish_reason or reason
    if name == "gen_ai.choice":
        message.role = "assistant"
    return message


def event_values(events: Iterable[Any], name: str, *keys: str) -> Any:
    """Return the first value under any of the keys of the events of a name."""
    for event in events:
        if event.name == name:
            found = first(event.attributes, keys)
            if found is not None:
                return found
    return None


def body_of(value: Any) -> dict[str, Any]:
    """Return the body of a log record as a map."""
    return mapping(value)
