"""OpenTelemetry GenAI in all its versions; also what every other convention falls back to."""

from ingest.dialects.dialect import Dialect
from ingest.model import Span


def _claims(span: Span) -> bool:
    return any(key.startswith("gen_ai.") for key in span.attributes)


DIALECT = Dialect(name="genai", rank=150, markers=("gen_ai.operation.name",), claims=_claims)
