"""What was said and passed, put on spans: bounded text, with a visible mark where it was cut."""

from collections.abc import Mapping
from json.encoder import encode_basestring
from typing import Any

from .. import semconv
from ..values.content import messages_text, text_of

Attributes = dict[str, Any]


def put_text(attributes: Attributes, name: str, value: Any, max_chars: int) -> None:
    """Put a value as text: strings as they are, everything else as JSON."""
    if type(value) is str and len(value) <= max_chars and value.isascii():
        attributes[name] = value
        return
    text = _plain_text(value)
    if text is not None and len(text) <= max_chars:
        attributes[name] = text
    else:
        _put(attributes, name, text_of(value, max_chars))


def _plain_text(value: Any) -> str | None:
    """Return the text of what most calls take and give, a short way: None for all else, and for what needs care."""
    if type(value) is not dict or len(value) > _FEW:
        return None
    parts = []
    for key, item in value.items():
        if type(key) is not str:
            return None
        if type(item) is str:
            parts.append(f"{encode_basestring(key)}:{encode_basestring(item)}")
        elif type(item) is int and -_SAFE < item < _SAFE:
            parts.append(f"{encode_basestring(key)}:{item}")
        else:
            return None
    text = ",".join(parts)
    return f"{{{text}}}" if text.isascii() else None


_FEW = 12
_SAFE = 1 << 53
"""From here on, other readers of JSON lose digits."""


def put_asked(attributes: Attributes, name: str, value: Any, max_chars: int) -> None:
    """Put what somebody was asked as the conventions' input messages: a conversation as it is, any other value as one from the user."""
    if _is_conversation(value):
        _put(attributes, name, messages_text(value, max_chars))
    else:
        text, was_cut = text_of(value, max_chars)
        _put(attributes, name, (f'[{{"role":"user","parts":[{{"type":"text","content":{encode_basestring(text)}}}]}}]', was_cut))


def put_answered(attributes: Attributes, name: str, value: Any, max_chars: int) -> None:
    """Put what somebody answered as the conventions' output messages."""
    text, was_cut = text_of(value, max_chars)
    said = f'[{{"role":"assistant","parts":[{{"type":"text","content":{encode_basestring(text)}}}],"finish_reason":"stop"}}]'
    _put(attributes, name, (said, was_cut))


def _is_conversation(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, Mapping) and "role" in one for one in value)


def _put(attributes: Attributes, name: str, text: tuple[str, bool]) -> None:
    attributes[name], was_cut = text
    if was_cut:
        attributes[semconv.CONTENT_TRUNCATED] = True
