"""MLflow: every value JSON-encoded once more, content as the raw request and reply."""

from ingest.model import Facts, Span

from .dialect import Dialect
from .values import word

_KINDS = {
    "LLM": "llm", "CHAT_MODEL": "llm", "CHAIN": "chain", "AGENT": "agent", "TOOL": "tool", "RETRIEVER": "retrieval",
    "EMBEDDING": "embedding", "RERANKER": "rerank", "PARSER": "chain", "MEMORY": "memory", "WORKFLOW": "chain", "TASK": "chain",
    "GUARDRAIL": "guardrail", "EVALUATOR": "evaluator", "UNKNOWN": "chain",
}  # fmt: skip


def _includes_cache(span: Span, facts: Facts) -> bool | None:
    return False


def _refine(span: Span, facts: Facts) -> None:
    if facts.kind == "agent":
        facts.agent_name = facts.agent_name or span.name
    if facts.kind == "llm" and facts.request_model is None:
        facts.request_model = word(span.attributes.get("model"))


DIALECT = Dialect(
    name="mlflow",
    order=3,
    scopes=("mlflow.tracing.provider",),
    marks=("mlflow.spanType",),
    kind_key="mlflow.spanType",
    kinds=_KINDS,
    request_keys=("mlflow.spanInputs",),
    reply_keys=("mlflow.spanOutputs",),
    tool_argument_keys=("mlflow.spanInputs",),
    tool_result_keys=("mlflow.spanOutputs",),
    usage_keys=("mlflow.chat.tokenUsage",),
    excludes_cache=_includes_cache,
    refine=_refine,
)
