"""Vercel's AI SDK: the classic form (scope ``ai``) and the newer one (scope ``gen_ai``, ``step N``)."""

from ingest.model import Facts, Span

from .dialect import Dialect
from .values import first_word, mapping, number, word

_INNER = {"doGenerate": "llm", "doStream": "llm", "doEmbed": "embedding", "doRerank": "rerank"}
_OUTER = frozenset({"ai.generateText", "ai.streamText", "ai.generateObject", "ai.streamObject"})


def _kind(span: Span) -> str | None:
    operation = word(span.attributes.get("ai.operationId")) or span.name.split(" ", 1)[0]
    if operation in _OUTER:
        return "agent"
    if operation == "ai.toolCall":
        return "tool"
    if operation in ("ai.embed", "ai.embedMany"):
        return "chain"
    if operation == "ai.rerank":
        return "rerank"
    return _INNER.get(operation.rsplit(".", 1)[-1])


def _excludes_cache(span: Span, facts: Facts) -> bool | None:
    attributes = span.attributes
    if "ai.usage.inputTokenDetails.noCacheTokens" in attributes:
        return None
    # Releases 4 and 5 hand Anthropic's number through, which leaves the cache out; 6 states the parts.
    is_anthropic = "anthropic" in str(attributes.get("ai.model.provider") or attributes.get("gen_ai.system") or "").lower()
    parted = any(key.startswith("ai.usage.inputTokenDetails.") for key in attributes)
    return True if is_anthropic and not parted and "ai.operationId" in attributes else None


def _refine(span: Span, facts: Facts) -> None:
    attributes = span.attributes
    if facts.kind == "agent":
        facts.operation = facts.operation or "invoke_agent"
        facts.agent_name = facts.agent_name or first_word(attributes, ("ai.telemetry.functionId", "resource.name"))
    if facts.kind in ("llm", "embedding"):
        facts.operation = "chat" if facts.kind == "llm" else "embeddings"
        _read_metadata(span, facts)


def _read_metadata(span: Span, facts: Facts) -> None:
    """Read the cache writes that only the provider's metadata states, in releases before 6."""
    usage = facts.usage
    if usage is None or usage.cache_write_tokens is not None or "ai.response.providerMetadata" not in span.attributes:
        return
    about = mapping(mapping(span.attributes["ai.response.providerMetadata"]).get("anthropic"))
    written = number(about.get("cacheCreationInputTokens"))
    if written is not None:
        usage.cache_write_tokens = written
        if _excludes_cache(span, facts) and usage.input_tokens is not None:
            usage.input_tokens += written


DIALECT = Dialect(
    name="ai-sdk",
    order=7,
    scopes=("ai",),
    marks=("ai.operationId",),
    kind_of=_kind,
    excludes_cache=_excludes_cache,
    refine=_refine,
)
