"""Strands Agents: messages are span events; agents repeat the sum of their calls."""

from ingest.dialects.dialect import Dialect
from ingest.dialects.reading import Reading
from ingest.model import Span

_NAME = "strands-agents"
_KINDS = {"invoke_graph": "chain", "invoke_swarm": "chain"}


def _claims(span: Span) -> bool:
    return span.attributes.get("gen_ai.system") == _NAME or span.attributes.get("gen_ai.provider.name") == _NAME


def _kind(reading: Reading) -> str | None:
    return _KINDS.get(reading.word("operation") or reading.span.name)


DIALECT = Dialect(
    name="strands", rank=90, scopes=("strands.telemetry.tracer",), claims=_claims, kind=_kind, input_excludes_cache=lambda reading: False
)
