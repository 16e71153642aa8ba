"""Strands Agents: the classic form with messages as span events, and the newer with attributes."""

from ingest.model import Facts, Span

from .dialect import Dialect
from .events import event_values
from .messages import result_text
from .values import json_or_text


def _is_ours(span: Span) -> bool:
    attributes = span.attributes
    return attributes.get("gen_ai.system") == "strands-agents" or attributes.get("gen_ai.provider.name") == "strands-agents"


def _kind(span: Span) -> str | None:
    return "chain" if span.name.startswith(("invoke_graph", "invoke_swarm", "execute_event_loop_cycle")) else None


def _refine(span: Span, facts: Facts) -> None:
    if facts.kind != "tool":
        return
    # On a tool's span the message holds the arguments and the choice the result.
    if facts.tool_arguments is None:
        facts.tool_arguments = json_or_text(event_values(span.events, "gen_ai.tool.message", "content"))
    if facts.tool_result is None:
        facts.tool_result = result_text(event_values(span.events, "gen_ai.choice", "message", "tool.result"))
    if span.attributes.get("gen_ai.tool.status") == "error":
        facts.failed = True
        facts.tool_error = facts.tool_error or facts.tool_result or facts.error_message


DIALECT = Dialect(
    name="strands",
    order=9,
    scopes=("strands.telemetry.tracer",),
    recognises=_is_ours,
    kind_of=_kind,
    refine=_refine,
)
