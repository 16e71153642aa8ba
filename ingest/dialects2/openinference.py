"""OpenInference: messages spread over attributes, kinds in capitals."""

from ingest.model import Facts, Span

from .dialect import Dialect
from .values import first_word

_KINDS = {
    "LLM": "llm", "EMBEDDING": "embedding", "CHAIN": "chain", "RETRIEVER": "retrieval", "RERANKER": "rerank", "TOOL": "tool",
    "AGENT": "agent", "GUARDRAIL": "guardrail", "EVALUATOR": "evaluator", "PROMPT": "prompt", "UNKNOWN": "chain",
}  # fmt: skip
_SIGNS = ("llm.token_count.prompt", "llm.token_count.completion", "output.value", "llm.output_messages.0.message.role")


def _kind(span: Span) -> str | None:
    attributes = span.attributes
    stated = attributes.get("openinference.span.kind")
    if stated == "TOOL" and span.name.lower().startswith(("handoff to ", "handoff from ")):
        return "handoff"
    if stated == "LLM" and span.status_code != 2 and not any(key in attributes for key in _SIGNS):
        # Helpers are marked as calls too: what has no usage, no output and no error is none.
        has_output = any(key.startswith("llm.output_messages.") for key in attributes)
        return None if has_output or attributes.get("llm.finish_reason") else "other"
    if stated is None and "llm.token_count.prompt" in attributes:
        return "llm"
    return None


def _refine(span: Span, facts: Facts) -> None:
    if facts.kind == "agent":
        facts.agent_name = facts.agent_name or first_word(span.attributes, ("graph.node.name",)) or span.name
    if facts.kind == "embedding" and facts.input is None:
        texts = [value for key, value in span.attributes.items() if key.startswith("embedding.embeddings.") and key.endswith(".text")]
        facts.input = "\n".join(str(text) for text in texts[:50]) or None


DIALECT = Dialect(
    name="openinference",
    order=2,
    scope_prefixes=("openinference.",),
    marks=("openinference.span.kind",),
    kind_key="openinference.span.kind",
    kinds=_KINDS,
    kind_of=_kind,
    request_keys=("input.value",),
    reply_keys=("output.value",),
    tool_argument_keys=("input.value",),
    tool_result_keys=("output.value",),
    flattened=("llm.input_messages.", "llm.output_messages."),
    refine=_refine,
)
