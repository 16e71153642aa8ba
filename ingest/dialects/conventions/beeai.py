"""BeeAI's framework in OpenInference's instrumentation: its components, and its events as spans of the same kinds."""

from ingest.dialects.dialect import Dialect
from ingest.dialects.reading import Reading
from ingest.dialects.values import arguments_of, mapping, show
from ingest.model import Facts

from .openinference import DIALECT as OPENINFERENCE


def _kind(reading: Reading) -> str | None:
    # An event happens within what it speaks of: "backend.openai.chat.error" is no second call.
    return "part" if "beeai.event" in reading.values else OPENINFERENCE.kind(reading)


def _refine(reading: Reading, facts: Facts) -> None:
    if facts.kind == "part":
        facts.usage = None
        return
    OPENINFERENCE.refine(reading, facts)
    output = show(reading.values.get("body.output"))
    if facts.kind == "tool":
        told = mapping(reading.values.get("body.input"))
        if "input" in told and "options" in told:
            facts.tool_arguments = arguments_of(told["input"])
    if facts.failed and output is not None and facts.kind in ("llm", "tool"):
        # What failed gives its failure as its output, with the causes that its message leaves out.
        facts.error_message, facts.output, facts.tool_result = output, None, None
        facts.tool_error = output if facts.kind == "tool" else None


DIALECT = Dialect(
    name="beeai",
    rank=19,
    scopes=("openinference.instrumentation.beeai",),
    keys={
        **OPENINFERENCE.keys,
        "beeai.event": ("metadata.path",),
        "tokens.cache_read": ("metadata.usage.cached_prompt_tokens",),
        "tokens.cache_write": ("metadata.usage.cached_creation_tokens",),
    },
    kind=_kind,
    refine=_refine,
)
