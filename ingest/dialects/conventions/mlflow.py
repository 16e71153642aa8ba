"""MLflow: every attribute value is JSON, texts included."""

from ingest.dialects.dialect import Dialect
from ingest.dialects.reading import Reading
from ingest.dialects.values import mapping, truth
from ingest.model import Facts

_KINDS = {
    "LLM": "llm", "CHAT_MODEL": "llm", "CHAIN": "chain", "WORKFLOW": "chain", "TASK": "chain", "PARSER": "chain", "AGENT": "agent",
    "TOOL": "tool", "RETRIEVER": "retrieval", "EMBEDDING": "embedding", "RERANKER": "rerank", "MEMORY": "memory",
    "GUARDRAIL": "guardrail", "EVALUATOR": "evaluator",
}  # fmt: skip


def _kind(reading: Reading) -> str | None:
    kind = _KINDS.get((reading.word("mlflow.type") or "").upper())
    # MLflow 3.6 and older know no guardrails and call them tools.
    return "guardrail" if kind == "tool" and _verdict(reading) is not None else kind


def _verdict(reading: Reading) -> bool | None:
    """Return whether a guardrail of the OpenAI Agents SDK was triggered; None on any other span."""
    given = reading.values.get("body.output")
    said = mapping(given) if isinstance(given, str) and len(given) < 40 else {}
    return truth(said["triggered"]) if said.keys() == {"triggered"} else None


def _refine(reading: Reading, facts: Facts) -> None:
    if facts.kind == "agent":
        facts.agent_name = facts.agent_name or reading.span.name or reading.word("mlflow.function")
        if mapping(reading.values.get("body.output")).keys() == {"output_type"}:
            # The type that an agent of the OpenAI Agents SDK answers with is no answer.
            facts.output = None
    elif facts.kind == "guardrail" and _verdict(reading):
        facts.failed = True
        facts.error_message = facts.error_message or f"guardrail {reading.span.name} triggered"


DIALECT = Dialect(
    name="mlflow",
    rank=30,
    scope_prefixes=("mlflow.",),
    markers=("mlflow.spanType",),
    keys={
        "mlflow.type": ("mlflow.spanType",),
        "mlflow.function": ("mlflow.spanFunctionName",),
        "request_model": ("model",),
        "parameters": ("invocation_params",),
    },
    kind=_kind,
    refine=_refine,
)
