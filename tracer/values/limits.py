"""Where values are cut, and how it shows."""

from collections.abc import Callable
from typing import Any

MARK_CHARS = 64
"""No mark is longer."""


def cut_text(text: str, max_chars: int) -> str:
    """Return a text of at most ``max_chars``, with a mark at its end that tells what is missing."""
    if len(text) <= max_chars:
        return text
    kept = max(0, max_chars - MARK_CHARS)
    return f"{text[:kept]}…[cut: {len(text) - kept:,} of {len(text):,} characters]"


def encodable(text: str) -> str:
    """Return the text with lone surrogates replaced: no wire has a place for them."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def lengths_of(value: Any) -> list[int]:
    """Return the lengths of all texts in a value."""
    if isinstance(value, str | bytes):
        return [len(value)]
    if isinstance(value, dict):
        return [length for item in value.values() for length in lengths_of(item)]
    return [length for item in value for length in lengths_of(item)] if isinstance(value, list | tuple) else []


def fitting_chars(lengths: list[int], most_bytes: int) -> int:
    """Return where texts of such lengths have to be cut for all of them to fit: the longest give way first."""
    left, most = most_bytes, max(lengths, default=0)
    for position, length in enumerate(ordered := sorted(lengths)):
        share = left // (len(ordered) - position)
        if length > share:
            return share
        left -= length
    return most


def map_texts(value: Any, change: Callable[[str], str]) -> Any:
    """Return a value with all its texts changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: map_texts(item, change) for key, item in value.items()}
    return [map_texts(item, change) for item in value] if isinstance(value, list | tuple) else value
