"""OpenLLMetry / Traceloop, both generations: flattened messages up to 0.53, the GenAI conventions from 0.54 on."""

from ingest.dialects.dialect import Dialect
from ingest.dialects.kinds import OPERATIONS
from ingest.dialects.reading import Reading
from ingest.dialects.tools import plain_tool_name
from ingest.model import Facts, Span

_LAYERS = {"workflow": "chain", "task": "chain", "agent": "agent", "tool": "tool", "handoff": "handoff"}
_CALLS = (".chat", ".completion", ".response", ".responses", ".generate_content")
_SCOPE = "opentelemetry.instrumentation."


def _claims(span: Span) -> bool:
    if not span.scope.name.startswith(_SCOPE):
        return False
    attributes = span.attributes
    if "llm.request.type" in attributes or "gen_ai.usage.total_tokens" in attributes:
        return True
    return any(key.startswith(("gen_ai.prompt.", "gen_ai.completion.", "traceloop.")) for key in attributes)


def _kind(reading: Reading) -> str | None:
    layer = _LAYERS.get((reading.word("traceloop.layer") or "").lower())
    if layer is not None and layer != "chain":
        return layer
    operation = OPERATIONS.get((reading.word("operation") or "").lower())
    if layer == "chain":
        # A task can be more than glue; a workflow says that it invokes an agent where the agent has a span of its own.
        return layer if operation in (None, "agent") else operation
    if operation is not None or "request_type" in reading.values:
        return operation
    return "llm" if reading.span.scope.name.startswith(_SCOPE) and reading.span.name.endswith(_CALLS) else None


def _refine(reading: Reading, facts: Facts) -> None:
    name = reading.word("traceloop.entity")
    if facts.kind == "agent":
        facts.agent_name = facts.agent_name or name or reading.span.name.removesuffix(".agent")
    elif facts.kind == "tool" and "tool_name" not in reading.values:
        facts.tool_name = plain_tool_name(name or reading.span.name)
    elif facts.kind == "handoff" and facts.handoff_to is None:
        target = reading.span.name.rpartition("→")[2].strip().removesuffix(".handoff")
        facts.handoff_to = target if target and target != "unknown" and target != reading.span.name else None


DIALECT = Dialect(
    name="openllmetry",
    rank=140,
    scope_prefixes=("traceloop.",),
    markers=("traceloop.span.kind",),
    claims=_claims,
    keys={
        "traceloop.layer": ("traceloop.span.kind",),
        "traceloop.entity": ("traceloop.entity.name",),
    },
    kind=_kind,
    refine=_refine,
    input_excludes_cache=lambda reading: False,
)
