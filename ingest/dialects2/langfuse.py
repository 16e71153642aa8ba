"""The Langfuse SDK: its own names for kind, model, usage and content."""

from ingest.model import Facts, Span

from .dialect import Dialect
from .values import show, word

_KINDS = {
    "generation": "llm", "embedding": "embedding", "agent": "agent", "tool": "tool", "chain": "chain", "span": "chain",
    "event": "other", "retriever": "retrieval", "guardrail": "guardrail", "evaluator": "evaluator",
}  # fmt: skip
_OF_CALLS = tuple(
    f"langfuse.observation.{name}" for name in ("model.name", "usage_details", "cost_details", "model.parameters", "prompt.name")
)


def _kind(span: Span) -> str | None:
    # Releases before 3.4 call a generation a span.
    stated = span.attributes.get("langfuse.observation.type")
    return "llm" if stated in (None, "span") and any(key in span.attributes for key in _OF_CALLS) else None


def _refine(span: Span, facts: Facts) -> None:
    attributes = span.attributes
    if attributes.get("langfuse.observation.level") == "ERROR":
        facts.failed = True
    if facts.failed and facts.error_message is None:
        facts.error_message = show(attributes.get("langfuse.observation.status_message"))
    if facts.kind == "agent":
        facts.agent_name = facts.agent_name or span.name
    if facts.agent_name is None and facts.kind in ("agent", "chain"):
        facts.agent_name = word(attributes.get("langfuse.trace.name"))


DIALECT = Dialect(
    name="langfuse",
    order=1,
    scopes=("langfuse-sdk",),
    marks=("langfuse.observation.type",),
    kind_key="langfuse.observation.type",
    kinds=_KINDS,
    kind_of=_kind,
    request_keys=("langfuse.observation.input",),
    reply_keys=("langfuse.observation.output",),
    tool_argument_keys=("langfuse.observation.input",),
    tool_result_keys=("langfuse.observation.output",),
    usage_keys=("langfuse.observation.usage_details",),
    refine=_refine,
)
