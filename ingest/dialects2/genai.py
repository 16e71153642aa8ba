"""OpenTelemetry's own GenAI conventions, every version of them, and the MCP spans of the same family."""

from ingest.model import Facts, Span

from .dialect import Dialect

_MARKS = (
    "gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.system", "gen_ai.request.model", "gen_ai.tool.name", "gen_ai.agent.name",
    "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "mcp.method.name", "gen_ai.guardrail.name", "gen_ai.conversation.id",
)  # fmt: skip


def _kind(span: Span) -> str | None:
    attributes = span.attributes
    if attributes.get("mcp.method.name") == "tools/call":
        return "tool"
    if "gen_ai.operation.name" in attributes:
        return None
    if attributes.get("gen_ai.handoff.to_agent"):
        return "handoff"
    if "gen_ai.guardrail.name" in attributes:
        return "guardrail"
    # Versions before 1.27 had no operation: a call is what has a provider and a model, or usage.
    old = "gen_ai.system" in attributes and "gen_ai.request.model" in attributes
    return "llm" if old and "gen_ai.agent.name" not in attributes else None


def _refine(span: Span, facts: Facts) -> None:
    if facts.kind == "llm":
        facts.operation = facts.operation or "chat"


DIALECT = Dialect("gen-ai", 90, marks=_MARKS, kind_of=_kind, flattened=None, refine=_refine)
