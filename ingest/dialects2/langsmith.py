"""LangSmith in OpenTelemetry mode: raw inputs and outputs under ``gen_ai.prompt`` and ``gen_ai.completion``."""

from ingest.model import Facts, Span

from .dialect import Dialect
from .tokens import Counts
from .values import mapping, number

_KINDS = {
    "llm": "llm", "chain": "chain", "tool": "tool", "retriever": "retrieval", "embedding": "embedding", "prompt": "prompt", "parser": "chain",
}  # fmt: skip


def _refine(span: Span, facts: Facts) -> None:
    attributes = span.attributes
    if facts.kind != "llm":
        # Sums of the calls below, on chains; what a chain is asked and answers is no reply of a model.
        return
    inside, after = mapping(attributes.get("gen_ai.usage.input_token_details")), mapping(attributes.get("gen_ai.usage.output_token_details"))
    if facts.usage is not None and (inside or after):
        counts = Counts()
        counts.input, counts.output = facts.usage.input_tokens, facts.usage.output_tokens
        counts.read = _filled(facts.usage.cache_read_tokens, number(inside.get("cache_read")))
        counts.write = _filled(facts.usage.cache_write_tokens, number(inside.get("cache_creation")))
        counts.reasoning = _filled(facts.usage.reasoning_tokens, number(after.get("reasoning")))
        facts.usage = counts.usage(excludes_cache=False)


def _filled(known: int | None, other: int | None) -> int | None:
    return known if known is not None else other


DIALECT = Dialect(
    name="langsmith",
    order=4,
    scopes=("langsmith",),
    marks=("langsmith.span.kind",),
    kind_key="langsmith.span.kind",
    kinds=_KINDS,
    request_keys=("gen_ai.prompt",),
    reply_keys=("gen_ai.completion",),
    tool_argument_keys=("gen_ai.prompt",),
    tool_result_keys=("gen_ai.completion",),
    usage_keys=("langsmith.metadata.usage_metadata",),
    refine=_refine,
)
