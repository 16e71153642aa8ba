"""LiteLLM: a call with its raw request below it, usage details in Python's notation, messages spread over attributes."""

from ingest.model import Span

from .dialect import Dialect


def _kind(span: Span) -> str | None:
    if span.name == "raw_gen_ai_request":
        return "part"
    if span.name == "litellm_request":
        return "llm"
    if any(key.startswith("gen_ai.usage.") for key in span.attributes) and "gen_ai.operation.name" not in span.attributes:
        return "llm"
    return None


DIALECT = Dialect(
    name="litellm",
    order=11,
    scopes=("litellm",),
    kind_of=_kind,
    flattened=("gen_ai.prompt.", "gen_ai.completion."),
    usage_keys=("metadata.usage_object",),
)
