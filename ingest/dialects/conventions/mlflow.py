"""MLflow: every attribute value is JSON, texts included."""

from ingest.dialects.dialect import Dialect
from ingest.dialects.reading import Reading
from ingest.model import Facts

_KINDS = {
    "LLM": "llm", "CHAT_MODEL": "llm", "CHAIN": "chain", "WORKFLOW": "chain", "TASK": "chain", "PARSER": "chain", "AGENT": "agent",
    "TOOL": "tool", "RETRIEVER": "retrieval", "EMBEDDING": "embedding", "RERANKER": "rerank", "MEMORY": "memory",
    "GUARDRAIL": "guardrail", "EVALUATOR": "evaluator",
}  # fmt: skip


def _kind(reading: Reading) -> str | None:
    return _KINDS.get((reading.word("mlflow.type") or "").upper())


def _refine(reading: Reading, facts: Facts) -> None:
    if facts.kind == "agent":
        facts.agent_name = facts.agent_name or reading.span.name or reading.word("mlflow.function")


DIALECT = Dialect(
    name="mlflow",
    rank=30,
    scope_prefixes=("mlflow.",),
    markers=("mlflow.spanType",),
    keys={
        "mlflow.type": ("mlflow.spanType",),
        "mlflow.function": ("mlflow.spanFunctionName",),
        "request_model": ("model",),
    },
    kind=_kind,
    refine=_refine,
)
