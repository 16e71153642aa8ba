"""OpenLLMetry: flattened messages until 2026, the GenAI keys since, and Traceloop's workflow spans in both."""

from ingest.model import Facts, Span

from .dialect import Dialect
from .values import word

_KINDS = {"workflow": "chain", "task": "chain", "agent": "agent", "tool": "tool", "handoff": "handoff", "unknown": "chain"}
_REQUESTS = {"chat": "llm", "completion": "llm", "rerank": "rerank", "embedding": "embedding"}
_OLD = ("gen_ai.prompt.0.role", "gen_ai.completion.0.role", "gen_ai.prompt.0.content", "llm.request.type", "gen_ai.usage.total_tokens")


def _is_ours(span: Span) -> bool:
    if not span.scope.name.startswith("opentelemetry.instrumentation."):
        return any(key in span.attributes for key in _OLD[:4])
    return any(key in span.attributes for key in _OLD) or any(key.startswith(("gen_ai.prompt.", "gen_ai.completion.")) for key in span.attributes)


def _kind(span: Span) -> str | None:
    attributes = span.attributes
    if "traceloop.span.kind" not in attributes:
        stated = word(attributes.get("llm.request.type"))
        if stated in _REQUESTS:
            return _REQUESTS[stated]
        if "gen_ai.operation.name" not in attributes and any(key.startswith("gen_ai.completion.") for key in attributes):
            return "llm"
    if "db.system" in attributes and "db.vector.query.top_k" in attributes:
        return "retrieval"
    return None


def _refine(span: Span, facts: Facts) -> None:
    attributes = span.attributes
    entity = word(attributes.get("traceloop.entity.name"))
    if facts.kind == "agent":
        facts.agent_name = facts.agent_name or entity or span.name.removesuffix(".agent")
        facts.operation = facts.operation or "invoke_agent"
    elif facts.kind == "tool":
        if entity is not None and "gen_ai.tool.name" not in attributes:
            facts.tool_name = entity
        facts.operation = facts.operation or "execute_tool"
    elif facts.kind == "llm":
        facts.operation = facts.operation or "chat"
        if not facts.tools_offered:
            names = [(key, word(value)) for key, value in attributes.items() if key.startswith("llm.request.functions.") and key.endswith(".name")]
            facts.tools_offered = [name for _, name in sorted(names, key=_place) if name]


def _place(item: tuple[str, str | None]) -> int:
    number = item[0].split(".")[3]
    return int(number) if number.isdecimal() else 0


DIALECT = Dialect(
    name="openllmetry",
    order=14,
    scope_prefixes=("traceloop.",),
    marks=("traceloop.span.kind",),
    recognises=_is_ours,
    kind_key="traceloop.span.kind",
    kinds=_KINDS,
    kind_of=_kind,
    request_keys=("traceloop.entity.input",),
    reply_keys=("traceloop.entity.output",),
    tool_argument_keys=("traceloop.entity.input",),
    tool_result_keys=("traceloop.entity.output",),
    flattened=("gen_ai.prompt.", "gen_ai.completion."),
    refine=_refine,
)
