"""Vercel AI SDK, classic form (4 to 6; 7 in its legacy mode). Version 7 otherwise follows the GenAI conventions."""

from typing import Any

from ingest.dialects.bodies import request_messages
from ingest.dialects.dialect import Dialect
from ingest.dialects.messages import Exchange, last_words
from ingest.dialects.parts import Message, read_calls
from ingest.dialects.providers import provider_of
from ingest.dialects.reading import Reading
from ingest.dialects.tokens import count_of, fill_usage, usage_of
from ingest.dialects.values import mapping, number, show
from ingest.model import Facts, Usage

_OUTER = frozenset({"ai.generateText", "ai.streamText", "ai.generateObject", "ai.streamObject"})
_KINDS = {"ai.toolCall": "tool", "ai.embed": "chain", "ai.embedMany": "chain", "ai.rerank": "rerank", **dict.fromkeys(_OUTER, "agent")}


def _kind(reading: Reading) -> str | None:
    operation = reading.word("ai.operation") or reading.span.name
    if operation.endswith((".doGenerate", ".doStream")):
        return "llm"
    if operation.endswith(".doEmbed"):
        return "embedding"
    return _KINDS.get(operation)


def _excludes_cache(reading: Reading) -> bool | None:
    """Decide for 4 and 5, which pass the provider's own number on; 6 and later state the uncached part beside the whole."""
    if "tokens.uncached" in reading.values:
        return None
    provider = provider_of(reading.word("provider")) or ""
    return True if provider in ("anthropic", "aws.bedrock") else None


def _refine(reading: Reading, facts: Facts) -> None:
    if facts.kind == "llm":
        _read_reply(reading, facts)
        _read_provider_metadata(reading, facts)
    elif facts.kind == "agent":
        _read_outer(reading, facts)


def _read_reply(reading: Reading, facts: Facts) -> None:
    values = reading.values
    message = Message(role="assistant")
    text = show(values.get("ai.text")) or show(values.get("ai.object"))
    if text:
        message.texts.append(text)
    message.think(values.get("ai.reasoning"))
    read_calls(message, {"tool_calls": values.get("ai.calls")})
    exchange = Exchange(said=facts.output, thought=facts.thought, requests=facts.tool_requests)
    exchange.reply([message])
    facts.output, facts.thought, facts.tool_requests = exchange.said, exchange.thought, exchange.requests


def _read_provider_metadata(reading: Reading, facts: Facts) -> None:
    """Find cache reads and writes where 4 and 5 leave them: in the provider's own words."""
    if facts.usage is None or facts.usage.cache_write_tokens is not None or "ai.metadata" not in reading.values:
        return
    metadata = mapping(reading.values["ai.metadata"])
    said = mapping(metadata.get("openai"))
    # Version 4 states OpenAI's details here only; they are parts of the numbers.
    parts = Usage(None, None, _first(said, "cachedPromptTokens"), None, _first(said, "reasoningTokens"))
    facts.usage = fill_usage(facts.usage, parts)
    for value in (metadata.get("anthropic"), metadata.get("bedrock")):
        inner = mapping(value)
        raw = {**mapping(inner.get("usage")), **inner}
        read, write = _first(raw, "cacheReadInputTokens", "cache_read_input_tokens"), _first(raw, *_WRITES)
        if read is None and write is None:
            continue
        count = count_of(reading.values)
        count.cache_read = count.cache_read if count.cache_read is not None else read
        count.cache_write = write
        count.excludes_cache = _excludes_cache(reading)
        facts.usage = usage_of(count) or Usage()


_WRITES = ("cacheCreationInputTokens", "cacheWriteInputTokens", "cache_creation_input_tokens")


def _first(raw: dict[str, Any], *keys: str) -> int | None:
    return next((found for key in keys if (found := number(raw.get(key))) is not None), None)


def _read_outer(reading: Reading, facts: Facts) -> None:
    values = reading.values
    asked = request_messages(values.get("body.input"))
    facts.input = last_words(asked) if asked is not None else facts.input
    facts.output = show(values.get("ai.text")) or show(values.get("ai.object")) or facts.output


DIALECT = Dialect(
    name="ai_sdk",
    rank=70,
    scopes=("ai",),
    markers=("ai.operationId",),
    keys={
        "ai.operation": ("ai.operationId",),
        "ai.text": ("ai.response.text", "ai.result.text"),
        "ai.object": ("ai.response.object", "ai.result.object"),
        "ai.reasoning": ("ai.response.reasoning",),
        "ai.calls": ("ai.response.toolCalls", "ai.result.toolCalls"),
        "ai.metadata": ("ai.response.providerMetadata",),
        "finish_reasons": ("ai.finishReason",),
    },
    kind=_kind,
    refine=_refine,
    input_excludes_cache=_excludes_cache,
)
