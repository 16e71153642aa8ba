"""OpenInference (Arize Phoenix and others)."""

from ingest.dialects.dialect import Dialect
from ingest.dialects.reading import Reading
from ingest.model import Facts

_KINDS = {
    "LLM": "llm", "EMBEDDING": "embedding", "CHAIN": "chain", "RETRIEVER": "retrieval", "RERANKER": "rerank", "TOOL": "tool",
    "AGENT": "agent", "GUARDRAIL": "guardrail", "EVALUATOR": "evaluator", "PROMPT": "prompt",
}  # fmt: skip


def _kind(reading: Reading) -> str | None:
    return _KINDS.get((reading.word("openinference.kind") or "").upper())


def _refine(reading: Reading, facts: Facts) -> None:
    if facts.kind == "agent":
        facts.agent_name = facts.agent_name or reading.span.name.removesuffix(".run") or None
    elif facts.kind == "llm" and _is_no_call(reading, facts):
        facts.kind, facts.operation = "other", None


def _is_no_call(reading: Reading, facts: Facts) -> bool:
    """Tell a helper marked as a call, as LlamaIndex marks some, from a call: it has nothing that a call leaves behind."""
    if "._prepare_" in reading.span.name and facts.usage is None:
        return True
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
