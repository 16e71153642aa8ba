"""OpenLIT: the newest GenAI keys, but Anthropic's input count without the cache."""

from ingest.model import Facts, Span

from .dialect import Dialect
from .values import show


def _is_ours(span: Span) -> bool:
    return span.resource.attributes.get("telemetry.sdk.name") == "openlit" and span.name.split(" ", 1)[0] in _OPERATIONS


_OPERATIONS = frozenset({"chat", "embeddings", "execute_tool", "invoke_agent", "generate_content", "text_completion", "create_agent"})


def _excludes_cache(span: Span, facts: Facts) -> bool | None:
    provider = str(span.attributes.get("gen_ai.provider.name") or span.attributes.get("gen_ai.system") or "").lower()
    return True if provider == "anthropic" or span.scope.name.endswith(".anthropic") else None


def _refine(span: Span, facts: Facts) -> None:
    if facts.kind == "llm":
        facts.thought = facts.thought or show(span.attributes.get("gen_ai.content.reasoning"))
        # The keys of a tool on a call's span name what the reply asked for.
        facts.tool_name = None


DIALECT = Dialect(
    name="openlit",
    order=10,
    scope_prefixes=("openlit.",),
    recognises=_is_ours,
    excludes_cache=_excludes_cache,
    refine=_refine,
)
