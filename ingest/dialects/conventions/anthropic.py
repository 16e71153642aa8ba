"""Spans that Anthropic's SDK makes by itself, and those that its platform delivers into the caller's trace."""

from ingest.dialects.dialect import Dialect
from ingest.dialects.reading import Reading
from ingest.model import Facts

_PLATFORM = "com.anthropic.claude-platform"
_SERVER = 2


def _kind(reading: Reading) -> str | None:
    name = reading.span.name
    if name.startswith("anthropic.messages.count_tokens") or name == "anthropic.test":
        return "other"
    if name.startswith(("anthropic.sessions.", "anthropic.environment.", "anthropic.messages.batches", "anthropic.beta.messages.batches")):
        return "chain" if reading.word("operation") is None else None
    if name in ("anthropic.messages.create", "anthropic.messages.stream", "anthropic.messages.parse"):
        return "llm"
    if name.startswith(("anthropic.custom_tool_use", "anthropic.tool_use", "anthropic.mcp_tool_use")):
        return "tool"
    return None


def _refine(reading: Reading, facts: Facts) -> None:
    span = reading.span
    facts.server_half = span.scope.name == _PLATFORM and span.kind == _SERVER
    facts.provider = facts.provider or ("anthropic" if facts.kind == "llm" else None)
    if facts.kind == "other":
        facts.usage = None


DIALECT = Dialect(
    name="anthropic",
    rank=60,
    scopes=(_PLATFORM,),
    scope_prefixes=("com.anthropic.sdk.",),
    kind=_kind,
    refine=_refine,
    input_excludes_cache=lambda reading: False,
)
