"""Tokens in one meaning: input includes cache reads and writes, output includes reasoning, whatever the emitter's numbers mean.

Keys of one field are one row in order of precedence: the first present counts, 0 counts as present, two are never added.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from ingest.model import Usage

from .values import mapping, number

TOKEN_KEYS: dict[str, tuple[str, ...]] = {
    "tokens.input": (
        "gen_ai.usage.input_tokens", "llm.token_count.prompt", "ai.usage.inputTokens", "gen_ai.usage.prompt_tokens",
        "ai.usage.promptTokens", "llm.usage.prompt_tokens", "ai.usage.tokens",
    ),
    "tokens.output": (
        "gen_ai.usage.output_tokens", "llm.token_count.completion", "ai.usage.outputTokens", "gen_ai.usage.completion_tokens",
        "ai.usage.completionTokens", "llm.usage.completion_tokens",
    ),
    "tokens.cache_read": (
        "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens", "gen_ai.usage.cache_read_tokens",
        "llm.token_count.prompt_details.cache_read", "llm.token_count.prompt_details.cache_input",
        "ai.usage.inputTokenDetails.cacheReadTokens", "ai.usage.cachedInputTokens",
        "gen_ai.usage.details.cache_read_input_tokens", "gen_ai.usage.details.cache_read_tokens", "gen_ai.usage.details.cached_tokens",
        "gen_ai.usage.cached_tokens",
    ),
    "tokens.cache_write": (
        "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_input_tokens", "gen_ai.usage.cache_write_tokens", "llm.token_count.prompt_details.cache_write",
        "ai.usage.inputTokenDetails.cacheWriteTokens", "gen_ai.usage.details.cache_creation_input_tokens",
        "gen_ai.usage.details.cache_write_tokens",
    ),
    "tokens.reasoning": (
        "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens", "llm.usage.reasoning_tokens",
        "llm.token_count.completion_details.reasoning", "ai.usage.outputTokenDetails.reasoningTokens", "ai.usage.reasoningTokens",
        "gen_ai.usage.details.thinking_tokens", "gen_ai.usage.details.reasoning_tokens", "gen_ai.usage.details.thoughts_tokens",
    ),
    "tokens.total": (
        "gen_ai.usage.total_tokens", "llm.usage.total_tokens", "llm.token_count.total", "ai.usage.totalTokens",
    ),
    "tokens.uncached": ("ai.usage.inputTokenDetails.noCacheTokens", "gen_ai.usage.details.input_tokens"),
}  # fmt: skip

RAW_USAGE_KEYS: tuple[tuple[str, bool], ...] = (
    ("gen_ai.usage.raw", False),
    ("mlflow.chat.tokenUsage", True),
    ("langsmith.metadata.usage_metadata", True),
    ("metadata.usage_object", True),
    ("langwatch.metrics", True),
    ("mirascope.response.usage", False),
    ("langfuse.observation.usage_details", False),
)
"""JSON or ``repr`` of a usage object, read where the attributes lack a part; and whether its input is known to include cached tokens."""


class Count(msgspec.Struct, gc=False):
    """Numbers as an emitter states them."""

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    total: int | None = None
    uncached: int | None = None
    excludes_cache: bool | None = None
    """Whether ``input`` is known not to include cached tokens; None where the numbers have to tell."""
    excludes_reasoning: bool = False


def count_of(values: Mapping[str, Any]) -> Count:
    """Return the numbers found under the keys of ``TOKEN_KEYS``."""
    get = values.get
    return Count(
        get("tokens.input"), get("tokens.output"), get("tokens.cache_read"), get("tokens.cache_write"), get("tokens.reasoning"),
        get("tokens.total"), get("tokens.uncached"),
    )  # fmt: skip


def usage_of(count: Count) -> Usage | None:
    """Return the usage that stated numbers mean; None where nothing is stated."""
    total_input, total_output = count.input, count.output
    if total_input is None and count.uncached is not None:
        total_input = count.uncached + (count.cache_read or 0) + (count.cache_write or 0)
    elif total_input is not None and excludes_cache(count):
        total_input += (count.cache_read or 0) + (count.cache_write or 0)
    if total_output is not None and count.reasoning and _excludes_reasoning(count, total_input):
        total_output += count.reasoning
    if total_input is None and total_output is None:
        if count.total is None:
            return None
        # An embedding may state a total only; a call with both would not leave them out.
        total_input = count.total
    return Usage(total_input, total_output, count.cache_read, count.cache_write, count.reasoning)


def excludes_cache(count: Count) -> bool:
    """Decide whether the input leaves cached tokens out: by the emitter, by an explicit uncached number, or by arithmetic."""
    read, write = count.cache_read or 0, count.cache_write or 0
    cached = read + write
    if not cached or count.input is None:
        return False
    if count.excludes_cache is not None:
        return count.excludes_cache
    if count.uncached is not None and count.uncached in (count.input, count.input - cached):
        return count.uncached == count.input
    if cached > count.input:
        return True
    return count.total is not None and count.total == count.input + (count.output or 0) + cached


def _excludes_reasoning(count: Count, total_input: int | None) -> bool:
    if count.excludes_reasoning:
        return True
    if count.output is None or count.reasoning is None:
        return False
    if count.reasoning > count.output:
        return True
    return count.total is not None and count.total in (
        (total_input or 0) + count.output + count.reasoning,
        (count.input or 0) + count.output + count.reasoning,
    )


def fill_usage(known: Usage | None, other: Usage | None) -> Usage | None:
    """Return a usage with its gaps filled from another report of the same call; nothing is added up.

    Where a class is unknown here and the whole is smaller by just that class, the whole was told without it: the other's counts.
    """
    if known is None or other is None:
        return known or other
    mine, theirs = msgspec.structs.astuple(known), msgspec.structs.astuple(other)
    filled = Usage(*(a if a is not None else b for a, b in zip(mine, theirs, strict=True)))
    cached = (other.cache_read_tokens or 0) + (other.cache_write_tokens or 0)
    if known.cache_read_tokens is None and known.cache_write_tokens is None and _lacks(known.input_tokens, other.input_tokens, cached):
        filled.input_tokens = other.input_tokens
    if known.reasoning_tokens is None and _lacks(known.output_tokens, other.output_tokens, other.reasoning_tokens or 0):
        filled.output_tokens = other.output_tokens
    return filled


def _lacks(mine: int | None, whole: int | None, part: int) -> bool:
    """Tell a number that leaves out just the part that the other report has and this one does not know of."""
    return part > 0 and mine is not None and whole is not None and mine + part == whole


# --- usage objects ------------------------------------------------------------------------------------------------

_OBJECT_KEYS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("input", ("prompt_tokens", "input_tokens", "promptTokenCount", "prompt_token_count", "inputTokens", "promptTokens")),
    (
        "output",
        ("completion_tokens", "output_tokens", "candidatesTokenCount", "candidates_token_count", "outputTokens", "completionTokens"),
    ),
    (
        "cache_read",
        (
            "cache_read_input_tokens", "cacheReadInputTokens", "cachedContentTokenCount", "cached_content_token_count",
            "cachedContentTokens", "cachedInputTokens", "cache_read_tokens",
        ),
    ),
    ("cache_write", ("cache_creation_input_tokens", "cacheWriteInputTokens", "cacheCreationInputTokens", "cache_write_tokens")),
    ("reasoning", ("reasoning_tokens", "thoughtsTokenCount", "thoughts_token_count", "thoughtsTokens", "reasoningTokens")),
    ("total", ("total_tokens", "totalTokenCount", "total_token_count", "totalTokens", "total")),
)  # fmt: skip

_DETAILS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("cache_read", ("prompt_tokens_details", "input_tokens_details", "input_token_details"), ("cached_tokens", "cache_read")),
    (
        "cache_write",
        ("prompt_tokens_details", "input_tokens_details", "input_token_details"),
        ("cache_write_tokens", "cache_creation_tokens", "cache_creation"),
    ),
    (
        "reasoning",
        ("completion_tokens_details", "output_tokens_details", "output_token_details"),
        ("reasoning_tokens", "thinking_tokens", "reasoning"),
    ),
)  # fmt: skip

_EXCLUSIVE_PAIRS = (
    ("input_tokens", "cache_read_input_tokens"), ("input_tokens", "cache_creation_input_tokens"),
    ("inputTokens", "cacheReadInputTokens"), ("inputTokens", "cacheWriteInputTokens"),
)  # fmt: skip
"""An input beside a cache number of its own level: Anthropic's and Bedrock's way, which leaves cached tokens out."""


def usage_of_object(value: Any, includes_cache: bool = False) -> Usage | None:
    """Return the usage that a provider's usage object means: OpenAI's, Anthropic's, Gemini's, Bedrock's, LangChain's, Langfuse's."""
    raw = mapping(value) or _printed(value)
    if not raw:
        return None
    if "input" in raw or "output" in raw:
        return _usage_of_buckets(raw)
    count = Count()
    for field, keys in _OBJECT_KEYS:
        setattr(count, field, _first(raw, keys))
    for field, objects, keys in _DETAILS:
        if getattr(count, field) is None:
            setattr(count, field, _detail(raw, objects, keys))
    if includes_cache:
        count.excludes_cache = False
    elif any(a in raw and b in raw for a, b in _EXCLUSIVE_PAIRS):
        count.excludes_cache = not any(isinstance(raw.get(key), dict) for key in ("input_tokens_details", "input_token_details"))
    count.excludes_reasoning = "thoughtsTokenCount" in raw or "thoughts_token_count" in raw
    return usage_of(count)


_PRINTED = re.compile(
    r"\b(prompt_tokens|completion_tokens|total_tokens|input_tokens|output_tokens|cached_tokens|reasoning_tokens|"
    r"cache_creation_input_tokens|cache_read_input_tokens)'?[=:] ?(\d{1,12})\b"
)
_PRINTED_CHARS = 20_000


def _printed(value: Any) -> dict[str, Any]:
    """Read the numbers of a usage object that was sent as Python prints it."""
    if not isinstance(value, str) or "_tokens" not in value:
        return {}
    found: dict[str, Any] = {}
    for name, digits in _PRINTED.findall(value[-_PRINTED_CHARS:]):
        found.setdefault(name, int(digits))
    if "cached_tokens" in found:
        found["prompt_tokens_details"] = {"cached_tokens": found["cached_tokens"]}
    return found


def _first(raw: dict[str, Any], keys: tuple[str, ...]) -> int | None:
    for key in keys:
        if key in raw:
            found = number(raw[key])
            if found is not None:
                return found
    return None


def _detail(raw: dict[str, Any], objects: tuple[str, ...], keys: tuple[str, ...]) -> int | None:
    for name in objects:
        inner = raw.get(name)
        if isinstance(inner, str):
            inner = mapping(inner)
        if isinstance(inner, dict):
            found = _first(inner, keys)
            if found is not None:
                return found
    return None


def _usage_of_buckets(raw: dict[str, Any]) -> Usage:
    """Read Langfuse's flat buckets, which exclude each other: the sums of what is called input and output."""
    sums: dict[str, int] = {}
    parts: dict[str, int] = {}
    for key, value in raw.items():
        found = number(value)
        if found is None or not isinstance(key, str):
            continue
        side = "input" if "input" in key or "prompt" in key else "output" if "output" in key or "completion" in key else None
        if side is None:
            continue
        sums[side] = sums.get(side, 0) + found
        part = _bucket(key)
        if part is not None:
            parts[part] = parts.get(part, 0) + found
    return Usage(sums.get("input"), sums.get("output"), parts.get("read"), parts.get("write"), parts.get("reasoning"))


def _bucket(key: str) -> str | None:
    if "reasoning" in key or "thinking" in key or "thoughts" in key:
        return "reasoning"
    if "creation" in key or "write" in key:
        return "write"
    return "read" if "cache" in key else None
