"""OpenLLMetry / Traceloop, both generations: flattened messages up to 0.53, the GenAI conventions from 0.54 on."""

from ingest.dialects.dialect import Dialect
from ingest.dialects.kinds import OPERATIONS
from ingest.dialects.parts import result_text
from ingest.dialects.reading import Reading
from ingest.dialects.tokens import fill_usage
from ingest.dialects.tools import plain_tool_name
from ingest.dialects.values import arguments_of, mapping, number, truth, word
from ingest.model import Facts, Span, Usage

_LAYERS = {"workflow": "chain", "task": "chain", "agent": "agent", "tool": "tool", "handoff": "handoff"}
_CALLS = (".chat", ".completion", ".response", ".responses", ".generate_content")
_SCOPE = "opentelemetry.instrumentation."
_NODE = "@traceloop/"
_PASS_ON = frozenset({f"{_SCOPE}bedrock", f"{_NODE}instrumentation-anthropic"})
_LLAMA_INDEX = f"{_SCOPE}llamaindex"
_GEMINI = (f"{_SCOPE}google_generativeai", f"{_SCOPE}vertexai")


def _claims(span: Span) -> bool:
    attributes = span.attributes
    if "llm.request.type" in attributes or "gen_ai.usage.total_tokens" in attributes:
        return True
    return any(key.startswith(("gen_ai.prompt.", "gen_ai.completion.", "traceloop.")) for key in attributes)


def _excludes_cache(reading: Reading) -> bool:
    """Decide by the client: where its own number is passed on, that leaves cached tokens out."""
    return reading.span.scope.name in _PASS_ON


def _kind(reading: Reading) -> str | None:
    layer = _LAYERS.get((reading.word("traceloop.layer") or "").lower())
    if layer == "chain" and reading.span.scope.name == _LLAMA_INDEX and "tool_name" in mapping(reading.values.get("body.output")):
        return "tool"
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
    name, scope = reading.word("traceloop.entity"), reading.span.scope.name
    if facts.kind == "chain" and reading.word("traceloop.layer") == "workflow":
        # It names the run where no agent does, as LangGraph's are in releases that know no agents.
        facts.agent_name = facts.agent_name or name
    if facts.kind == "tool" and scope == _LLAMA_INDEX:
        _read_llama_tool(reading, facts)
    elif facts.kind == "llm" and scope in _GEMINI:
        _count_thoughts(reading, facts)
    elif facts.kind == "agent":
        facts.agent_name = facts.agent_name or name or reading.span.name.removesuffix(".agent")
    elif facts.kind == "tool" and "tool_name" not in reading.values:
        facts.tool_name = plain_tool_name(name or reading.span.name)
        if scope == f"{_NODE}instrumentation-langchain":
            # There a tool's span is named after its class; what it gave is named after the tool.
            answer = mapping(mapping(reading.values.get("body.output")).get("kwargs"))
            facts.tool_name = word(answer.get("name")) or facts.tool_name
            facts.tool_call_id = facts.tool_call_id or word(answer.get("tool_call_id"))
    elif facts.kind == "handoff" and facts.handoff_to is None:
        target = reading.span.name.rpartition("→")[2].strip().removesuffix(".handoff")
        facts.handoff_to = target if target and target != "unknown" and target != reading.span.name else None


def _read_llama_tool(reading: Reading, facts: Facts) -> None:
    """Read a tool out of what a task of LlamaIndex gave: the request with its answer, or the answer alone."""
    given = mapping(reading.values.get("body.output"))
    answer = mapping(given.get("tool_output")) or given
    facts.tool_name = word(given.get("tool_name")) or facts.tool_name
    facts.tool_call_id = word(given.get("tool_id"))
    arguments = given.get("tool_kwargs", mapping(answer.get("raw_input")).get("kwargs"))
    facts.tool_arguments = arguments_of(arguments) if arguments is not None else facts.tool_arguments
    facts.tool_result = result_text(answer)
    if truth(answer.get("is_error")) is True:
        facts.failed, facts.tool_error = True, facts.tool_result or "failed"


def _count_thoughts(reading: Reading, facts: Facts) -> None:
    """Add the thoughts that Gemini counts beside its output: only the total tells of them."""
    usage, total = facts.usage, number(reading.values.get("tokens.total"))
    if usage is None or usage.reasoning_tokens is not None or total is None:
        return
    thoughts = total - (usage.input_tokens or 0) - (usage.output_tokens or 0)
    if thoughts > 0 and usage.input_tokens is not None and usage.output_tokens is not None:
        facts.usage = fill_usage(Usage(usage.input_tokens, usage.output_tokens + thoughts, reasoning_tokens=thoughts), usage)


DIALECT = Dialect(
    name="openllmetry",
    rank=140,
    scope_prefixes=("traceloop.", _NODE),
    markers=("traceloop.span.kind",),
    claims=_claims,
    claims_in=_SCOPE,
    keys={
        "traceloop.layer": ("traceloop.span.kind",),
        "traceloop.entity": ("traceloop.entity.name",),
    },
    kind=_kind,
    refine=_refine,
    input_excludes_cache=_excludes_cache,
)
