"""Google's Agent Development Kit, in both of its schemas."""

from ingest.model import Facts, Span

from .dialect import Dialect
from .values import word


def _kind(span: Span) -> str | None:
    name = span.name
    if name == "call_llm" or name.startswith("generate_content"):
        return "llm"
    if name.startswith(("agent_run", "invoke_agent")):
        return "agent"
    if name.startswith(("invocation", "invoke_workflow")):
        return "chain"
    if span.attributes.get("gen_ai.tool.name") == "(merged tools)" or name == "execute_tool (merged tools)":
        return "part"
    return None


def _refine(span: Span, facts: Facts) -> None:
    if facts.kind == "llm":
        facts.call_key = word(span.attributes.get("gcp.vertex.agent.event_id"))
        facts.provider = facts.provider or "gcp.gemini"
    elif facts.kind == "agent":
        facts.agent_name = facts.agent_name or span.name.removeprefix("agent_run").removeprefix("invoke_agent").strip(" []") or None
    if facts.tool_arguments == {}:
        facts.tool_arguments = None
    if facts.tool_result == "{}":
        facts.tool_result = None


DIALECT = Dialect(
    name="google-adk",
    order=8,
    scopes=("gcp.vertex.agent",),
    kind_of=_kind,
    request_keys=("gcp.vertex.agent.llm_request",),
    reply_keys=("gcp.vertex.agent.llm_response",),
    refine=_refine,
)
