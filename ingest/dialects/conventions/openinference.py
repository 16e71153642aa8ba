"""OpenInference (Arize Phoenix and others)."""

from ingest.dialects.dialect import Dialect
from ingest.dialects.printed import printed_words
from ingest.dialects.reading import Reading
from ingest.dialects.values import mapping, word
from ingest.model import Facts

_CREWAI, _LLAMA_INDEX = "openinference.instrumentation.crewai", "openinference.instrumentation.llama_index"
_MACHINERY = frozenset({"init_state", "ctx"})

_KINDS = {
    "LLM": "llm", "EMBEDDING": "embedding", "CHAIN": "chain", "RETRIEVER": "retrieval", "RERANKER": "rerank", "TOOL": "tool",
    "AGENT": "agent", "GUARDRAIL": "guardrail", "EVALUATOR": "evaluator", "PROMPT": "prompt",
}  # fmt: skip


def _kind(reading: Reading) -> str | None:
    return _KINDS.get((reading.word("openinference.kind") or "").upper())


def _refine(reading: Reading, facts: Facts) -> None:
    if facts.kind == "agent":
        facts.agent_name = facts.agent_name or reading.span.name.removesuffix(".run") or None
    scope = reading.span.scope.name
    if scope == _CREWAI and facts.kind == "agent":
        # An agent's input is the agent itself; what it was to do stands beside its answer.
        facts.input = word(mapping(reading.values.get("body.output")).get("description")) or facts.input
    elif scope == _LLAMA_INDEX and facts.kind in ("agent", "chain"):
        _read_workflow(reading, facts)
    elif facts.kind == "llm" and _is_no_call(reading, facts):
        facts.kind, facts.operation = "other", None


def _read_workflow(reading: Reading, facts: Facts) -> None:
    """Read a step of LlamaIndex's workflows, whose input is the workflow's machinery and an event printed beside it."""
    told = mapping(reading.values.get("body.input"))
    if not _MACHINERY.isdisjoint(told):
        event = told.get("ev")
        facts.input = printed_words(event) if isinstance(event, str) else None


def _is_no_call(reading: Reading, facts: Facts) -> bool:
    """Tell a helper marked as a call, as LlamaIndex marks some, from a call: it has nothing that a call leaves behind."""
    if "._prepare_" in reading.span.name and facts.usage is None:
        return True
    if "body.output" in reading.values:
        return False
    left = facts.usage or facts.output or facts.tool_requests or facts.finish_reason or facts.response_id or facts.thought
    return not (left or facts.failed or reading.span.dropped_attributes)


DIALECT = Dialect(
    name="openinference",
    rank=20,
    scope_prefixes=("openinference.",),
    markers=("openinference.span.kind",),
    keys={"openinference.kind": ("openinference.span.kind",)},
    kind=_kind,
    refine=_refine,
)
