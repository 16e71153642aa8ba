"""OpenLIT. On Anthropic's calls it leaves cached tokens out of input and cost; a call carries the tool that it asked for."""

from ingest.dialects.dialect import Dialect
from ingest.dialects.reading import Reading
from ingest.model import Facts, Span


def _claims(span: Span) -> bool:
    return span.resource.attributes.get("telemetry.sdk.name") == "openlit"


def _excludes_cache(reading: Reading) -> bool | None:
    return True if _is_anthropic(reading) else None


def _is_anthropic(reading: Reading) -> bool:
    return reading.span.scope.name == "openlit.instrumentation.anthropic" or reading.word("provider") == "anthropic"


def _refine(reading: Reading, facts: Facts) -> None:
    usage = facts.usage
    if usage is not None and (usage.cache_read_tokens or usage.cache_write_tokens) and _is_anthropic(reading):
        facts.cost_nanos = None


DIALECT = Dialect(
    name="openlit", rank=100, scope_prefixes=("openlit.",), claims=_claims, refine=_refine, input_excludes_cache=_excludes_cache
)
