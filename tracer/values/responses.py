"""A model's reply in one shape, read from the clients' own objects or their dicts by shape alone."""

from dataclasses import dataclass
from typing import Any, TypeVar

from .content_parts import Part, parts_of, read_item, read_message_parts
from .plain import Walk, field, sequence

_T = TypeVar("_T")

_MOST_CHARS = 1_000_000
"""Of one text in a reply: what is recorded is cut far below, this bounds what is copied."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model replied. None, or empty, is what the reply does not say; a count is never guessed.

    ``input_tokens`` is everything the model read, cached or not, of which ``cache_read_tokens`` and ``cache_write_tokens`` are parts;
    ``output_tokens`` includes ``reasoning_tokens``. ``finish_reasons`` are the provider's own words, one a candidate, and ``messages`` the
    candidates in the schema of ``gen_ai.output.messages``.
    """

    model: str | None = None
    id: str | None = None
    finish_reasons: tuple[str, ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    messages: tuple[dict[str, Any], ...] = ()
    thoughts: tuple[str, ...] = ()


def read_response(response: Any) -> Reply:
    """Return what a response says: Anthropic's Message, OpenAI's ChatCompletion or Response, LiteLLM's ModelResponse, or a dict of one.

    Never raises and never changes the response; of anything else the reply is empty, of a text it is that text, and a reply is itself.
    """
    if isinstance(response, Reply):
        return response
    try:
        if isinstance(response, str):
            return Reply(messages=_one({"role": "assistant", "parts": parts_of(response, Walk(_MOST_CHARS))}))
        if isinstance(field(response, "choices"), (list, tuple)):
            return _read_chat(response)
        if isinstance(field(response, "output"), (list, tuple)):
            return _read_items(response)
        if isinstance(field(response, "content"), (list, tuple)) or field(response, "stop_reason") is not None:
            return _read_message(response)
    except Exception:  # the object is the client's, its fields may run its code
        return Reply()
    return Reply()


def _read_message(response: Any) -> Reply:
    """Read Anthropic's reply, whose input count leaves out what came from the cache and went into it."""
    usage = field(response, "usage")
    uncached, read, written = (
        count(usage, name) for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    )  # fmt: skip
    reason = word(response, "stop_reason")
    message = _candidate("assistant", parts_of(field(response, "content"), Walk(_MOST_CHARS)), reason)
    return Reply(
        model=word(response, "model"),
        id=word(response, "id"),
        finish_reasons=_one(reason),
        input_tokens=None if uncached is None else uncached + (read or 0) + (written or 0),
        output_tokens=count(usage, "output_tokens"),
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=count(field(usage, "output_tokens_details"), "thinking_tokens"),
        messages=_one(message),
        thoughts=_thoughts([message]),
    )


def _read_chat(response: Any) -> Reply:
    """Read OpenAI's chat completion and everything made in its image."""
    walk = Walk(_MOST_CHARS)
    usage = field(response, "usage")
    read_details = field(usage, "prompt_tokens_details")
    choices = sequence(field(response, "choices"))
    messages = [_choice(choice, walk) for choice in choices]
    return Reply(
        model=word(response, "model"),
        id=word(response, "id"),
        finish_reasons=tuple(reason for choice in choices if (reason := word(choice, "finish_reason")) is not None),
        input_tokens=count(usage, "prompt_tokens"),
        output_tokens=count(usage, "completion_tokens"),
        cache_read_tokens=_first(
            (read_details, "cached_tokens"), (usage, "cache_read_input_tokens"), (usage, "prompt_cache_hit_tokens")
        ),
        cache_write_tokens=_first(
            (read_details, "cache_write_tokens"), (read_details, "cache_creation_tokens"), (usage, "cache_creation_input_tokens")
        ),
        reasoning_tokens=count(field(usage, "completion_tokens_details"), "reasoning_tokens"),
        messages=tuple(messages),
        thoughts=_thoughts(messages),
    )  # fmt: skip


def _choice(choice: Any, walk: Walk) -> dict[str, Any]:
    message = field(choice, "message")
    text = field(choice, "text")
    parts = parts_of(text, walk) if message is None and isinstance(text, str) else read_message_parts(message, walk)
    return _candidate(word(message, "role") or "assistant", parts, word(choice, "finish_reason"))


def _read_items(response: Any) -> Reply:
    """Read OpenAI's Response: one candidate, spread over items."""
    walk = Walk(_MOST_CHARS)
    usage = field(response, "usage")
    read_details = field(usage, "input_tokens_details")
    reason = word(field(response, "incomplete_details"), "reason") or word(response, "status")
    parts = [part for item in sequence(field(response, "output")) for part in _item_parts(item, walk)]
    message = _candidate("assistant", parts, reason)
    return Reply(
        model=word(response, "model"),
        id=word(response, "id"),
        finish_reasons=_one(reason),
        input_tokens=count(usage, "input_tokens"),
        output_tokens=count(usage, "output_tokens"),
        cache_read_tokens=count(read_details, "cached_tokens"),
        cache_write_tokens=count(read_details, "cache_write_tokens"),
        reasoning_tokens=count(field(usage, "output_tokens_details"), "reasoning_tokens"),
        messages=_one(message),
        thoughts=_thoughts([message]),
    )


def _item_parts(item: Any, walk: Walk) -> list[Part]:
    return parts_of(field(item, "content"), walk) if field(item, "type") == "message" else [read_item(item, walk)]


def _candidate(role: str, parts: list[Part], reason: str | None) -> dict[str, Any]:
    # The schema wants a reason; the empty word says that none was given.
    return {"role": role, "parts": parts, "finish_reason": reason or ""}


def _thoughts(messages: list[dict[str, Any]]) -> tuple[str, ...]:
    parts = [part for message in messages for part in message["parts"]]
    return tuple(part["content"] for part in parts if part.get("type") == "reasoning" and part.get("content"))


def _one(value: _T | None) -> tuple[_T, ...]:
    return () if value is None else (value,)


def _first(*places: tuple[Any, str]) -> int | None:
    return next((found for holder, name in places if (found := count(holder, name)) is not None), None)


def word(holder: Any, name: str) -> str | None:
    """Return a field that is a text with something in it, else None."""
    value = field(holder, name)
    return str.__str__(value)[:1_000] if isinstance(value, str) and value else None


def count(holder: Any, name: str) -> int | None:
    """Return a field that is a whole number from 0, else None: what is not a count is unknown."""
    value = field(holder, name)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return int(value) if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62 else None
