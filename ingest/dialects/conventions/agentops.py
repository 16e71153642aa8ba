"""AgentOps: spans of its decorators, and its instrumentations of model clients."""

from ingest.dialects.dialect import Dialect
from ingest.dialects.reading import Reading
from ingest.dialects.values import arguments_of
from ingest.model import Facts, ToolRequest

_KINDS = {
    "session": "chain", "workflow": "chain", "task": "chain", "operation": "chain", "chain": "chain", "agent": "agent", "tool": "tool",
    "llm": "llm", "guardrail": "guardrail",
}  # fmt: skip
_DECORATED = ("entity", "session", "workflow", "task", "operation", "chain", "agent", "tool", "guardrail")
_REQUEST = "tool_call."


def _is_request(reading: Reading) -> bool:
    """Tell a span that stands for what a reply asked for; the tool itself runs later, and elsewhere."""
    return reading.span.name.startswith(_REQUEST) and "tool_name" in reading.values and "agentops.kind" not in reading.values


def _kind(reading: Reading) -> str | None:
    kind = _KINDS.get((reading.word("agentops.kind") or "").lower())
    return kind or ("part" if _is_request(reading) else None)


def _refine(reading: Reading, facts: Facts) -> None:
    name = reading.word("agentops.name")
    if facts.kind == "part" and (tool := reading.word("tool_name")) is not None:
        told = reading.values.get("agentops.arguments")
        facts.tool_requests = [ToolRequest(reading.word("tool_call_id"), tool, arguments_of(told) if told is not None else None)]
    elif facts.kind == "agent" or reading.word("agentops.kind") == "session":
        # A session is named as its user named it; its span adds what it is.
        facts.agent_name = facts.agent_name or name
    elif facts.kind == "tool" and "tool_name" not in reading.values:
        facts.tool_name = name or facts.tool_name


DIALECT = Dialect(
    name="agentops",
    rank=135,
    scopes=("agentops",),
    scope_prefixes=("agentops.",),
    markers=("agentops.span.kind",),
    keys={
        "agentops.kind": ("agentops.span.kind",),
        "agentops.name": ("operation.name", "agentops.entity.name"),
        "agentops.arguments": ("tool.parameters",),
        "tool_call_id": ("tool.call.id",),
        "body.input": tuple(f"agentops.{kind}.input" for kind in _DECORATED),
        "body.output": tuple(f"agentops.{kind}.output" for kind in _DECORATED),
    },
    kind=_kind,
    refine=_refine,
)
