"""Token counts brought to one meaning: input includes what was read from and written to the cache, output the reasoning.

Keys of one row are spellings of one number: the first present counts and none are added up. Whether an emitter's input
includes cached tokens is settled by the emitter where that is known, else by the numbers themselves.
"""

from typing import Any

from ingest.model import Usage

from .values import first_number, mapping, number

INPUT = (
    "gen_ai.usage.input_tokens", "llm.token_count.prompt", "ai.usage.inputTokens", "gen_ai.usage.prompt_tokens",
    "ai.usage.promptTokens", "llm.usage.prompt_tokens", "ai.usage.tokens",
)  # fmt: skip
OUTPUT = (
    "gen_ai.usage.output_tokens", "llm.token_count.completion", "ai.usage.outputTokens", "gen_ai.usage.completion_tokens",
    "ai.usage.completionTokens", "llm.usage.completion_tokens",
)  # fmt: skip
CACHE_READ = (
    "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens", "gen_ai.usage.cache_read_tokens",
    "llm.token_count.prompt_details.cache_read", "llm.token_count.prompt_details.cache_input",
    "ai.usage.inputTokenDetails.cacheReadTokens", "ai.usage.cachedInputTokens", "gen_ai.usage.details.cache_read_input_tokens",
    "gen_ai.usage.details.cache_read_tokens", "gen_ai.usage.details.cached_tokens",
)  # fmt: skip
CACHE_WRITE = (
    "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation_input_tokens",
    "gen_ai.usage.cache_write_input_tokens", "gen_ai.usage.cache_write_tokens", "llm.token_count.prompt_details.cache_write",
    "ai.usage.inputTokenDetails.cacheWriteTokens", "gen_ai.usage.details.cache_creation_input_tokens",
    "gen_ai.usage.details.cache_write_tokens",
)  # fmt: skip
REASONING = (
    "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens", "llm.usage.reasoning_tokens",
    "llm.token_count.completion_details.reasoning", "ai.usage.outputTokenDetails.reasoningTokens", "ai.usage.reasoningTokens",
    "gen_ai.usage.details.thinking_tokens", "gen_ai.usage.details.reasoning_tokens", "gen_ai.usage.details.thoughts_tokens",
)  # fmt: skip
TOTAL = (
    "gen_ai.usage.total_tokens", "llm.usage.total_tokens", "llm.token_count.total", "ai.usage.totalTokens",
)  # fmt: skip
UNCACHED = ("ai.usage.inputTokenDetails.noCacheTokens", "gen_ai.usage.details.input_tokens")


class Counts:
    """The numbers of one call as stated, before they are given one meaning."""

    __slots__ = ("input", "output", "read", "reasoning", "total", "uncached", "write")

    def __init__(self) -> None:
        self.input: int | None = None
        self.output: int | None = None
        self.read: int | None = None
        self.write: int | None = None
        self.reasoning: int | None = None
        self.total: int | None = None
        self.uncached: int | None = None

    def usage(self, excludes_cache: bool | None = None) -> Usage | None:
        """Return the usage; ``excludes_cache`` says what the emitter's input means where that is known. None for no numbers."""
        whole_input, output = self.input, self.output
        if whole_input is None and output is None:
            return None
        cached = (self.read or 0) + (self.write or 0)
        if whole_input is not None and cached and (self._excludes(cached) if excludes_cache is None else excludes_cache):
            whole_input += cached
        if output is not None and self.reasoning and self._leaves_reasoning_out():
            output += self.reasoning
        return Usage(whole_input, output, self.read, self.write, self.reasoning)

    def _excludes(self, cached: int) -> bool:
        stated = self.input or 0
        if self.uncached is not None and self.uncached in (stated, stated - cached):
            return self.uncached == stated
        if cached > stated:
            return True
        return self.total is not None and self.output is not None and self.total == stated + self.output + cached

    def _leaves_reasoning_out(self) -> bool:
        if self.reasoning is not None and self.output is not None and self.reasoning > self.output:
            return True
        stated = (self.input or 0) + (self.output or 0)
        return self.total is not None and self.total == stated + (self.reasoning or 0) and self.total != stated

    def fill(self, other: "Counts") -> None:
        """Take what is not stated yet from another source of the same meaning."""
        for name in Counts.__slots__:
            if getattr(self, name) is None:
                setattr(self, name, getattr(other, name))


def read_counts(attributes: dict[str, Any]) -> Counts:
    """Return the numbers that a span's own attributes state."""
    counts = Counts()
    counts.input = first_number(attributes, INPUT)
    counts.output = first_number(attributes, OUTPUT)
    if counts.input is None and counts.output is None:
        return counts
    counts.read = first_number(attributes, CACHE_READ)
    counts.write = first_number(attributes, CACHE_WRITE)
    counts.reasoning = first_number(attributes, REASONING)
    counts.total = first_number(attributes, TOTAL)
    counts.uncached = first_number(attributes, UNCACHED)
    return counts


def _of(raw: dict[str, Any], *keys: str) -> int | None:
    return next((found for key in keys if (found := number(raw.get(key))) is not None), None)


def raw_counts(value: Any) -> Counts:
    """Return the numbers of a provider's usage object, whichever provider's it is, with the cache already included in input."""
    raw = mapping(value)
    counts = Counts()
    if not raw:
        return counts
    if "prompt_tokens" in raw or "completion_tokens" in raw:
        _read_openai(counts, raw)
    elif any(key in raw for key in ("promptTokenCount", "prompt_token_count", "candidates_token_count", "candidatesTokenCount")):
        _read_gemini(counts, raw)
    elif "inputTokens" in raw or "outputTokens" in raw:
        _read_camel(counts, raw)
    elif "input_tokens" in raw or "output_tokens" in raw:
        _read_snake(counts, raw)
    return counts


def _details(raw: dict[str, Any], *keys: str) -> dict[str, Any]:
    return next((found for key in keys if (found := mapping(raw.get(key)))), {})


def _read_openai(counts: Counts, raw: dict[str, Any]) -> None:
    inside = _details(raw, "prompt_tokens_details", "input_tokens_details")
    counts.input, counts.output = _of(raw, "prompt_tokens"), _of(raw, "completion_tokens")
    counts.read = _of(inside, "cached_tokens", "cache_read_tokens")
    counts.write = _of(inside, "cache_write_tokens", "cache_creation_tokens")
    # LiteLLM puts Anthropic's counts beside OpenAI's; its input includes them.
    counts.read = counts.read if counts.read is not None else _of(raw, "cache_read_input_tokens")
    counts.write = counts.write if counts.write is not None else _of(raw, "cache_creation_input_tokens")
    counts.reasoning = _of(_details(raw, "completion_tokens_details", "output_tokens_details"), "reasoning_tokens")


def _read_gemini(counts: Counts, raw: dict[str, Any]) -> None:
    counts.input = _of(raw, "promptTokenCount", "prompt_token_count")
    thoughts = _of(raw, "thoughtsTokenCount", "thoughts_token_count")
    spoken = _of(raw, "candidatesTokenCount", "candidates_token_count")
    counts.output = None if spoken is None and thoughts is None else (spoken or 0) + (thoughts or 0)
    counts.read = _of(raw, "cachedContentTokenCount", "cached_content_token_count")
    counts.reasoning = thoughts


def _read_camel(counts: Counts, raw: dict[str, Any]) -> None:
    counts.input, counts.output = _of(raw, "inputTokens"), _of(raw, "outputTokens")
    counts.read, counts.write = _of(raw, "cacheReadInputTokens"), _of(raw, "cacheWriteInputTokens")
    cached = (counts.read or 0) + (counts.write or 0)
    if counts.input is not None:
        # Bedrock's input leaves the cache out.
        counts.input += cached
    counts.reasoning = _of(raw, "thoughtsTokens", "reasoningTokens")


def _read_snake(counts: Counts, raw: dict[str, Any]) -> None:
    counts.input, counts.output = _of(raw, "input_tokens"), _of(raw, "output_tokens")
    inside = _details(raw, "input_tokens_details", "input_token_details", "prompt_tokens_details")
    after = _details(raw, "output_tokens_details", "output_token_details", "completion_tokens_details")
    counts.reasoning = _of(after, "reasoning_tokens", "thinking_tokens", "reasoning")
    counts.read = _of(inside, "cached_tokens", "cache_read")
    counts.write = _of(inside, "cache_write_tokens", "cache_creation", "cache_creation_tokens")
    if not inside:
        # Anthropic's: the input leaves the cache out.
        counts.read, counts.write = _of(raw, "cache_read_input_tokens"), _of(raw, "cache_creation_input_tokens")
        if counts.input is not None:
            counts.input += (counts.read or 0) + (counts.write or 0)
