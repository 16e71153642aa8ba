"""What was said and passed, as bounded text: plain values as JSON, conversations in the JSON schema of the GenAI conventions."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from .content_parts import ITEM_ROLES, parts_of, read_item, read_message_parts
from .limits import encodable
from .plain import Walk, cut, dump, field, fit, is_small, sequence

_ROLES = {"human": "user", "ai": "assistant", "model": "assistant", "developer": "system", "function": "tool"}


def text_of(value: Any, max_chars: int) -> tuple[str, bool]:
    """Return a value as text of at most ``max_chars`` and whether it was cut: strings as they are, everything else as JSON.

    Never raises, never changes or consumes the value: an iterator is named, not read.
    """
    if type(value) is str:
        text, was_cut = cut(value, max_chars)
        return encodable(text), was_cut
    try:
        # Nearly all are small and plain: they need no walk.
        if is_small(value, max_chars):
            with suppress(ValueError, RecursionError):
                text = encodable(dump(value))
                if len(text) <= max_chars:
                    return text, False
        walk = Walk(max_chars)
        plain = walk.of(value)
        text, was_cut = (plain, False) if isinstance(plain, str) else fit(plain, max_chars)
        text, was_shortened = cut(encodable(text), max_chars)
        return text, was_cut or was_shortened or walk.was_cut
    except Exception:  # the value is the host's: whatever it does, recording it must not fail
        return f"<{type(value).__name__}>", False


def messages_text(messages: Any, max_chars: int) -> tuple[str, bool]:
    """Return a conversation as ``gen_ai.input.messages`` has it, and whether it was cut.

    Takes a text, one message or a list of messages in the shape of Anthropic, OpenAI (chat or responses), LangChain or the conventions.
    """
    try:
        walk = Walk(max_chars)
        text, was_cut = fit(to_messages(messages, walk), max_chars)
        return encodable(text), was_cut or walk.was_cut
    except Exception:  # as above
        return text_of(messages, max_chars)


def to_messages(messages: Any, walk: Walk) -> list[dict[str, Any]]:
    """Return messages in the conventions' schema."""
    if messages is None:
        return []
    if not isinstance(messages, (list, tuple)):
        return [_message(messages, walk)]
    # The newest are read first: what they say matters most when room runs out.
    return [_message(message, walk) for message in reversed(sequence(messages))][::-1]


def _message(message: Any, walk: Walk) -> dict[str, Any]:
    if isinstance(message, str):
        return {"role": "user", "parts": parts_of(message, walk)}
    kind, role = field(message, "type"), field(message, "role")
    if not isinstance(role, str):
        if kind in ITEM_ROLES:
            return {"role": ITEM_ROLES[kind], "parts": [read_item(message, walk)]}
        role = kind if isinstance(kind, str) and kind in _NAMED_BY_TYPE else "user"
    parts = read_message_parts(message, walk)
    if parts and all(part.get("type") == "tool_call_response" for part in parts):
        # Anthropic's API has the user answer for the tools.
        role = "tool"
    found = {"role": _ROLES.get(role, walk.text(role)), "parts": parts}
    for name in ("name", "finish_reason"):
        if isinstance(field(message, name), str):
            found[name] = walk.text(field(message, name))
    return found


_NAMED_BY_TYPE = frozenset({"human", "ai", "system", "tool", "function"})
"""LangChain's messages have their role for a type."""


def system_text(system: Any, max_chars: int) -> tuple[str, bool]:
    """Return instructions as ``gen_ai.system_instructions`` has them, parts without a role, and whether they were cut."""
    try:
        walk = Walk(max_chars)
        text, was_cut = fit(parts_of(system, walk), max_chars)
        return encodable(text), was_cut or walk.was_cut
    except Exception:  # as above
        return text_of(system, max_chars)


def tools_text(tools: Any, max_chars: int) -> tuple[str, bool]:
    """Return the tools offered as ``gen_ai.tool.definitions`` has them, and whether they were cut.

    Takes Anthropic's, OpenAI's chat and responses' definitions, functions, and plain names.
    """
    try:
        walk = Walk(max_chars)
        offered = sequence(tools) if isinstance(tools, (list, tuple)) else [tools]
        text, was_cut = fit([_definition(tool, walk) for tool in offered], max_chars)
        return encodable(text), was_cut or walk.was_cut
    except Exception:  # as above
        return text_of(tools, max_chars)


def _definition(tool: Any, walk: Walk) -> dict[str, Any]:
    inner = field(tool, "function") if isinstance(field(tool, "function"), Mapping) else tool
    name = inner if isinstance(inner, str) else field(inner, "name") or field(inner, "__name__")
    if not isinstance(name, str):
        plain = walk.of(tool)
        return plain if isinstance(plain, dict) else {"type": "function", "name": str(plain)}
    kind = field(tool, "type")
    # Anthropic calls a tool of the caller's "custom", or nothing at all.
    is_function = not isinstance(kind, str) or kind == "custom" or not isinstance(tool, Mapping)
    found: dict[str, Any] = {"type": "function" if is_function else walk.text(kind), "name": walk.text(name)}
    description = field(inner, "description") or (field(inner, "__doc__") if callable(inner) else None)
    if isinstance(description, str):
        found["description"] = walk.text(description)
    for spelling in ("input_schema", "parameters"):
        schema = field(inner, spelling)
        if isinstance(schema, Mapping):
            found["parameters"] = walk.of(schema)
            break
    return found
