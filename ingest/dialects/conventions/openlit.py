"""OpenLIT. On Anthropic's calls it leaves cached tokens out of input and cost; a call carries the tool that it asked for."""

from ingest.dialects.dialect import Dialect
from ingest.dialects.reading import Reading
from ingest.dialects.values import MOST_ITEMS, arguments_of, listing, word
from ingest.model import Facts, Span, ToolRequest


def _claims(span: Span) -> bool:
    return span.resource.attributes.get("telemetry.sdk.name") == "openlit"


def _excludes_cache(reading: Reading) -> bool | None:
    return True if _is_anthropic(reading) else None


def _is_anthropic(reading: Reading) -> bool:
    return reading.span.scope.name == "openlit.instrumentation.anthropic" or reading.word("provider") == "anthropic"


_LANGGRAPH = "openlit.instrumentation.langgraph"
_MACHINERY = frozenset({"model", "agent", "tools"})
"""How LangGraph's ready-made agents call their nodes, which OpenLIT takes for agents."""


def _kind(reading: Reading) -> str | None:
    scope, operation = reading.span.scope.name, reading.word("operation")
    if scope == _OPENAI_AGENTS and operation == "invoke_agent":
        return _kind_of_invocation(reading)
    if scope != _LANGGRAPH:
        return None
    if operation == "invoke_agent" and reading.word("agent_name") in _MACHINERY:
        return "chain"
    return "agent" if operation == "invoke_workflow" else None


_OPENAI_AGENTS = "openlit.instrumentation.openai_agents"


def _kind_of_invocation(reading: Reading) -> str | None:
    """Tell guardrails, hand-offs and turns from agents: OpenLIT calls them all invocations of agents."""
    if "guardrail" in reading.values:
        return "guardrail"
    if "gen_ai.agent.source" in reading.span.attributes:
        return "handoff"
    return None if reading.word("agent_name") is not None else "chain"


def _asked(reading: Reading) -> list[ToolRequest]:
    """Return the tools that a call asked for, which it carries as if it were their execution: several with commas between."""
    names = (reading.word("tool_name") or "").split(_BETWEEN)
    ids = (reading.word("tool_call_id") or "").split(_BETWEEN)
    told = reading.values.get("tool_arguments")
    several = listing(f"[{told}]") if isinstance(told, str) else []
    arguments = [told] if len(names) == 1 else several
    ids = ids if len(ids) == len(names) else []
    arguments = arguments if len(arguments) == len(names) else []
    return [
        ToolRequest(ids[place] or None if ids else None, name, arguments_of(arguments[place]) if arguments else None)
        for place, name in enumerate(names[:MOST_ITEMS])
        if name
    ]


_BETWEEN = ", "


def _refine(reading: Reading, facts: Facts) -> None:
    if facts.kind == "llm" and not facts.tool_requests and "tool_name" in reading.values:
        facts.tool_requests = _asked(reading)
    elif facts.kind == "handoff":
        facts.handoff_to, facts.agent_name = facts.agent_name, word(reading.span.attributes.get("gen_ai.agent.source"))
    elif facts.kind == "agent" and facts.agent_name is None:
        facts.agent_name = reading.span.name.removeprefix("invoke_workflow ")
    usage = facts.usage
    if usage is not None and (usage.cache_read_tokens or usage.cache_write_tokens) and _is_anthropic(reading):
        facts.cost_nanos = None


DIALECT = Dialect(
    name="openlit",
    rank=100,
    scope_prefixes=("openlit.",),
    claims=_claims,
    kind=_kind,
    refine=_refine,
    input_excludes_cache=_excludes_cache,
)
