"""LangSmith in OpenTelemetry mode: whole requests and replies as JSON, details of the usage as Python's ``repr``."""

from ingest.dialects.dialect import Dialect
from ingest.dialects.faults import fail_of_exception
from ingest.dialects.reading import Reading
from ingest.dialects.tokens import fill_usage
from ingest.dialects.values import arguments_of, mapping, number
from ingest.model import Facts, Usage

_KINDS = {
    "llm": "llm", "chain": "chain", "tool": "tool", "retriever": "retrieval", "embedding": "embedding", "prompt": "prompt",
    "parser": "chain",
}  # fmt: skip


def _kind(reading: Reading) -> str | None:
    return _KINDS.get((reading.word("langsmith.kind") or "").lower())


def _refine(reading: Reading, facts: Facts) -> None:
    if facts.usage is not None:
        read = mapping(reading.values.get("langsmith.input_details"))
        said = mapping(reading.values.get("langsmith.output_details"))
        cached = number(read.get("cache_read")), number(read.get("cache_creation"))
        facts.usage = fill_usage(facts.usage, Usage(None, None, *cached, number(said.get("reasoning"))))
    arguments = facts.tool_arguments
    if isinstance(arguments, dict) and len(arguments) == 1 and isinstance(arguments.get("input"), dict | str):
        facts.tool_arguments = arguments_of(arguments["input"])
    if reading.span.events and "body.output" not in reading.values:
        # The JavaScript client says that all is well after each exception; what came to an end gave something.
        fail_of_exception(reading, facts)


DIALECT = Dialect(
    name="langsmith",
    rank=40,
    scopes=("langsmith",),
    markers=("langsmith.span.kind",),
    keys={
        "langsmith.kind": ("langsmith.span.kind",),
        "langsmith.input_details": ("gen_ai.usage.input_token_details",),
        "langsmith.output_details": ("gen_ai.usage.output_token_details",),
    },
    kind=_kind,
    refine=_refine,
    input_excludes_cache=lambda reading: False,
)
