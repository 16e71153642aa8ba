"""LiteLLM: its call span, and below it the raw request to the provider, which is no call of its own."""

from ingest.dialects.dialect import Dialect
from ingest.dialects.reading import Reading
from ingest.model import Facts

_KINDS = {"litellm_request": "llm", "raw_gen_ai_request": "part"}


def _kind(reading: Reading) -> str | None:
    return _KINDS.get(reading.span.name)


def _refine(reading: Reading, facts: Facts) -> None:
    if facts.kind == "part":
        facts.usage = facts.cost_nanos = None


DIALECT = Dialect(
    name="litellm", rank=110, scopes=("litellm",), kind=_kind, refine=_refine, input_excludes_cache=lambda reading: False
)
