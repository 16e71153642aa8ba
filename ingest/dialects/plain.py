"""Messages exactly as the GenAI conventions write them, which most are: decoded in one go, or told from their head alone.

What differs in a single key is left to ``messages``, which reads all shapes and reads these just the same, in twice the time.
"""

from typing import Any, Literal

import msgspec

from ingest.model import ToolRequest

from .parts import Message, add_result, read_said
from .values import UNREADABLE, arguments_of, word

_MOST_PARTS = 2_000


class _Part(msgspec.Struct, tag_field="type", forbid_unknown_fields=True, gc=False):
    """A part of a message."""


class _Text(_Part, tag="text"):
    content: str


class _Reasoning(_Part, tag="reasoning"):
    content: str


class _Call(_Part, tag="tool_call"):
    name: str
    id: str | None = None
    arguments: Any = None


class _Answer(_Part, tag="tool_call_response"):
    id: str | None = None
    response: Any = None
    result: Any = None
    """What ``response`` was called in earlier versions of the conventions."""


class _Message(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    role: Literal["user", "assistant", "system", "tool"]
    parts: list[_Text | _Reasoning | _Call | _Answer]
    name: str | None = None
    finish_reason: str | None = None


_decode_message = msgspec.json.Decoder(_Message).decode


def read_plain(item: Any) -> Message | None:
    """Return a message that is still unread; None where it is written in any other way."""
    if type(item) is not msgspec.Raw:
        return None
    try:
        found = _decode_message(item)
    except UNREADABLE:
        return None
    if len(found.parts) > _MOST_PARTS or (found.role == "tool" and not _are_answers(found.parts)):
        return None
    name = word(found.name) if found.name is not None and found.role == "assistant" else None
    message = Message(found.role, name, finish_reason=None if found.finish_reason is None else word(found.finish_reason))
    for part in found.parts:
        if type(part) is _Text:
            read_said(message, part.content)
        elif type(part) is _Reasoning:
            message.think(part.content)
        elif type(part) is _Answer:
            add_result(message, word(part.id), part.result if part.response is None else part.response)
        elif type(part) is _Call:
            name = word(part.name)
            message.ask(ToolRequest(word(part.id), name, arguments_of(part.arguments)) if name is not None else None)
    return message


def _are_answers(parts: list[_Text | _Reasoning | _Call | _Answer]) -> bool:
    for part in parts:
        if type(part) is not _Answer:
            return False
    return bool(parts)


_Anything = msgspec.Raw | msgspec.UnsetType
_UNSET = msgspec.UNSET


class _Head(msgspec.Struct, gc=False):
    """Who said a message, and the keys that frameworks put around one."""

    role: Any = None
    name: Any = None
    lc: _Anything = _UNSET
    message: _Anything = _UNSET
    data: _Anything = _UNSET


_decode_head = msgspec.json.Decoder(_Head).decode


def _head(item: Any) -> _Head:
    if type(item) is msgspec.Raw:
        try:
            return _decode_head(item)
        except UNREADABLE:
            pass
    return _NO_HEAD


_NO_HEAD = _Head()


def has_role(item: Any) -> bool:
    """Tell whether something unread is a message with a role."""
    # Most begin with it, and to find the end of one takes a reading of all of it.
    if type(item) is msgspec.Raw and bytes(memoryview(item)[:_BEGINNING]).startswith(_BEGINS):
        return True
    return _head(item).role is not None


_BEGINS = (b'{"role": "', b'{"role":"')
_BEGINNING = len(_BEGINS[0])


def is_plainly_own(item: Any, own_name: str | None) -> bool:
    """Tell from its head alone that an unread message is the model's own: to read it whole would only tell the same."""
    head = _head(item)
    is_bare = head.lc is _UNSET and head.message is _UNSET and head.data is _UNSET
    return is_bare and head.role == "assistant" and (head.name is None or own_name is None)
