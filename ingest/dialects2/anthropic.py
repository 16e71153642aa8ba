"""The Anthropic SDK's own spans, and those the platform delivers of its half of a call."""

from ingest.model import Facts, Span

from .dialect import Dialect
from .values import word

_PLATFORM = "com.anthropic.claude-platform"


def _kind(span: Span) -> str | None:
    if span.name in ("anthropic.messages.create", "anthropic.beta.messages.create", "anthropic.messages.stream"):
        return "llm"
    if span.name.endswith(".tool_runner"):
        return "agent"
    if span.name.startswith(("anthropic.custom_tool_use ", "anthropic.tool_use ", "anthropic.mcp_tool_use ")):
        return "tool"
    if span.name.endswith("count_tokens") or span.name == "anthropic.test":
        return "other"
    return None


def _includes_cache(span: Span, facts: Facts) -> bool | None:
    return False


def _refine(span: Span, facts: Facts) -> None:
    if span.scope.name == _PLATFORM and facts.kind == "llm":
        facts.server_half = span.kind == 2
    if facts.kind == "llm":
        facts.provider = facts.provider or "anthropic"
        facts.finish_reason = facts.finish_reason or word(span.attributes.get("anthropic.message.stop_reason"))


DIALECT = Dialect(
    name="anthropic",
    order=6,
    scopes=(_PLATFORM,),
    scope_prefixes=("com.anthropic.sdk.",),
    kind_of=_kind,
    excludes_cache=_includes_cache,
    refine=_refine,
)
