"""Google ADK, schemas 1 and 2."""

from ingest.dialects.dialect import Dialect
from ingest.dialects.reading import Reading
from ingest.model import Facts

_MERGED = "(merged tools)"


def _kind(reading: Reading) -> str | None:
    name = reading.span.name
    if reading.word("tool_name") == _MERGED or name.endswith(_MERGED):
        # A summary of tools that ran in parallel, no execution.
        return "part"
    if name == "call_llm":
        return "llm"
    if name.startswith("agent_run"):
        return "agent"
    return "chain" if name.startswith("invocation") else None


def _refine(reading: Reading, facts: Facts) -> None:
    name = reading.span.name
    if facts.kind == "llm":
        facts.call_key = reading.word("adk.event")
    elif facts.kind == "agent" and facts.agent_name is None and name.endswith("]"):
        facts.agent_name = name[name.find("[") + 1 : -1] or None
    if facts.kind == "part":
        facts.usage = None
    if facts.tool_call_id == "<not specified>":
        facts.tool_call_id = None


DIALECT = Dialect(
    name="adk",
    rank=80,
    scopes=("gcp.vertex.agent",),
    keys={"adk.event": ("gcp.vertex.agent.event_id",)},
    kind=_kind,
    refine=_refine,
)
