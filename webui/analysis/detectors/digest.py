"""When two calls are the same: names and arguments without what differs by nature from one attempt to the next."""

import re
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import msgspec

from ingest.model import Step, ToolCall

from .model import Call, Rules

_VOLATILE = re.compile(
    r"(?:^|[_-])(?:request|correlation|trace|span|message|idempotency|transaction|call|event)[_-]?(?:id|key)$"
    r"|(?:^|[_-])(?:ts|timestamp|nonce|uuid|guid|salt|random|now|attempt|retry|retries)$"
)
"""Keys whose values are new on every attempt. What a caller moves on by (``page``, ``cursor``, any other ``..._id``) is not among them:
who asks for the next page repeats nothing."""

_POLLS = re.compile(r"(?:^|_)(?:poll|status|wait|sleep|progress|heartbeat|ping|watch|await)(?:_|$)")
"""Tools that are asked again by design, by their names."""

_MOST_CHARS = 20_000
_MOST_DEPTH = 12

@lru_cache(maxsize=10_000)
def _is_volatile(key: str) -> bool:
    return _VOLATILE.search(key.lower()) is not None


@lru_cache(maxsize=10_000)
def _polls(name: str) -> bool:
    return _POLLS.search(name.lower()) is not None


_encode = msgspec.json.Encoder(order="sorted").encode


def call_of(step: Step, rules: Rules) -> Call | None:
    """Return the call that a step is; None for a step that calls nothing."""
    if step.tool is not None:
        return _tool_call(step, step.tool, rules)
    if step.kind in ("agent", "handoff"):
        told = step.input is not None
        return Call(step, step.name, _digest(step.name, step.input), step.output, step.status == "error", False, told)
    return None


def _tool_call(step: Step, tool: ToolCall, rules: Rules) -> Call:
    polls = tool.name in rules.polling or _polls(tool.name)
    answer = tool.error if tool.error is not None else tool.result
    told = tool.arguments is not None or answer is not None
    return Call(step, tool.name, _digest(tool.name, _plain(tool.arguments, 0)), answer, tool.error is not None, polls, told)


def _plain(value: Any, depth: int) -> Any:
    """Return arguments without volatile keys, letters small and blanks alike."""
    if isinstance(value, str):
        return " ".join(value[:_MOST_CHARS].lower().split())
    if depth >= _MOST_DEPTH:
        return "..."
    if isinstance(value, dict):
        return {name: _plain(item, depth + 1) for key, item in value.items() if not _is_volatile(name := str(key))}
    if isinstance(value, list):
        return [_plain(item, depth + 1) for item in value]
    return value


def _digest(*parts: Any) -> str:
    try:
        data = _encode(parts)
    except (TypeError, ValueError, RecursionError, OverflowError):
        data = repr(parts)[:_MOST_CHARS].encode("utf-8", "replace")
    return blake2b(data, digest_size=8).hexdigest()
