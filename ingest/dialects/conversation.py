"""A model call as the model saw it: its whole conversation and the tools it was offered, out of the stored span.

``normalise`` keeps of a call what is new in it; this reads all of it again, for the one call that somebody looks at.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from ingest.model import Facts, LogRecord, Span

from .bodies import request_messages
from .events import DETAILS, PROMPT, is_message_event, listed_events, listed_messages, message_of, span_events
from .merge import merge_logs
from .messages import joined, read_message, read_messages
from .normalise import normalise, normalise_log
from .parts import Message
from .printed import is_printed, printed_object
from .reading import Reading, gather
from .registry import TABLES, recognise
from .values import MOST_ITEMS, listing, mapping, parse, unwrap, word

_MOST_DEPTH = 6
_SYSTEM_KEYS = ("gen_ai.system_instructions", "gen_ai.system.instructions", "gen_ai.request.instructions")


class Definition(msgspec.Struct, frozen=True):
    """A tool as it was described to the model."""

    name: str
    description: str | None = None
    parameters: Any = None


class Conversation(msgspec.Struct):
    """What one model call was told and replied, in order."""

    system: str | None
    messages: list[Message]
    reply: Message | None
    tools: list[Definition]
    whole: bool
    """False where the span holds only what is new in the call, or nothing."""


def read_conversation(span: Span, records: Sequence[LogRecord] = ()) -> Conversation:
    """Return the conversation of a model call from its span and its log records. Total: never raises on account of them."""
    try:
        return _read(span, records)
    except Exception:
        # A span that defeats a reader was reported when it came in; what it says stays to be seen as it is.
        return Conversation(None, [], None, [], whole=False)


def _read(span: Span, records: Sequence[LogRecord]) -> Conversation:
    reading = _reading(span, records)
    facts = merge_logs(normalise(span), [normalise_log(record) for record in records])
    messages = _told(reading, records)
    system = _system(reading, span)
    if system is not None and any(message.role == "system" for message in messages):
        system = None
    whole = bool(messages)
    return Conversation(system, messages or _new_only(facts), _reply(facts), _tools(reading), whole)


def _reading(span: Span, records: Sequence[LogRecord]) -> Reading:
    table = TABLES[recognise(span).name]
    reading = gather(span, span.attributes, table)
    said = [event.attributes for event in span.events if event.name == DETAILS]
    said += [{**mapping(record.body), **record.attributes} for record in records if record.event_name == DETAILS]
    for attributes in said:
        for field, value in gather(span, attributes, table).values.items():
            reading.values.setdefault(field, value)
        for key in _SYSTEM_KEYS:
            if key in attributes:
                reading.values.setdefault(_SYSTEM_KEYS[0], attributes[key])
    return reading


def _told(reading: Reading, records: Sequence[LogRecord]) -> list[Message]:
    """Return what the model was told, from the first place that has it."""
    values = reading.values
    if "messages.input" in values and (found := read_messages(values["messages.input"])):
        return found
    if "input" in reading.flat:
        return [read_message(entry.get("prompt") or entry) for entry in reading.entries("input")]
    sent = span_events(reading.span.events) or [
        (record.event_name, record.body, record.attributes) for record in records if is_message_event(record.event_name)
    ]
    sent = sent or (listed_events(values["pydantic.events"]) if "pydantic.events" in values else [])
    if sent:
        whole = next((listed for name, _, attributes in sent if name == PROMPT and (listed := listed_messages(name, attributes))), None)
        return read_messages(whole) if whole else [message for role, message in (message_of(*one) for one in sent) if role != "choice"]
    body = request_messages(values["body.input"]) if "body.input" in values else None
    return read_messages(body) if body is not None else []


def _new_only(facts: Facts) -> list[Message]:
    """Return what little the facts know of the conversation: what is new in this call."""
    told = [Message(role="user", texts=[facts.input])] if facts.input else []
    return told + ([Message(role="tool", results=facts.tool_results)] if facts.tool_results else [])


def _reply(facts: Facts) -> Message | None:
    if not (facts.output or facts.thought or facts.tool_requests):
        return None
    texts, thoughts = ([text] if text else [] for text in (facts.output, facts.thought))
    return Message(role="assistant", texts=texts, thoughts=thoughts, requests=facts.tool_requests, finish_reason=facts.finish_reason)


def _system(reading: Reading, span: Span) -> str | None:
    """Return the instructions that stand beside the messages."""
    for value in (*(span.attributes.get(key) for key in _SYSTEM_KEYS), reading.values.get(_SYSTEM_KEYS[0])):
        if value and (found := _text(value)):
            return found
    request = mapping(reading.values.get("body.input"))
    request = mapping(request.get("kwargs")) or request
    config = mapping(request.get("config"))
    for value in (*(request.get(key) for key in ("system", "instructions")), config.get("system_instruction")):
        if value and (found := _text(value)):
            return found
    return None


def _text(value: Any) -> str | None:
    return joined([text for message in read_messages(value) for text in message.texts])


# --- tools --------------------------------------------------------------------------------------------------------


def _tools(reading: Reading) -> list[Definition]:
    """Return the definitions of the tools offered, from the first place that has any."""
    values = reading.values
    if "tools" in values and (found := definitions(values["tools"])):
        return found
    if "tools" in reading.flat:
        return definitions([parse(entry.get("tool")) if "tool" in entry else entry for entry in reading.entries("tools")])
    for field in ("parameters", "body.input"):
        request = mapping(values.get(field))
        for holder in (request, *(mapping(request.get(key)) for key in ("kwargs", "config", "invocation_params", "request"))):
            if found := definitions(holder.get("tools") or holder.get("functions")):
                return found
    return []


def definitions(value: Any) -> list[Definition]:
    """Return tool definitions in any maker's form, each name once."""
    value = unwrap(value)
    if isinstance(value, dict):
        listed = [tool for key in ("function_tools", "output_tools", "tools") for tool in listing(value.get(key))]
        value = listed or ([value] if "name" in value or "function" in value else _named(value))
    found: dict[str, Definition] = {}
    for tool in value if isinstance(value, list) else ():
        for one in _of_tool(tool, 0):
            found.setdefault(one.name, one)
        if len(found) >= MOST_ITEMS:
            break
    return list(found.values())


def _named(tools: dict[str, Any]) -> list[Any]:
    return [{"name": name, **tool} if isinstance(tool, dict) else {"name": name} for name, tool in tools.items()]


def _of_tool(tool: Any, depth: int) -> list[Definition]:
    tool = parse(tool)
    if isinstance(tool, str) and is_printed(tool):
        tool = printed_object(tool)
    if isinstance(tool, str) and tool and len(tool) <= 200:
        return [Definition(tool)]
    if not isinstance(tool, dict) or depth > _MOST_DEPTH:
        return []
    for key in ("function_declarations", "functionDeclarations"):
        if isinstance(tool.get(key), list):
            return [one for inner in tool[key] for one in _of_tool(inner, depth + 1)]
    for key in ("json_schema", "tool", "function", "toolSpec"):
        inner = parse(tool.get(key))
        if isinstance(inner, dict):
            return _of_tool(inner, depth + 1)
    name = word(tool.get("name")) or word(tool.get("type"))
    if name is None:
        return []
    described = tool.get("description")
    schema = next((tool[key] for key in _SCHEMAS if tool.get(key) is not None), None)
    return [Definition(name, described if isinstance(described, str) and described else None, parse(schema))]


_SCHEMAS = ("parameters", "input_schema", "inputSchema", "parameters_json_schema", "parametersJsonSchema")
