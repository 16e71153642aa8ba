"""OpenTelemetry GenAI in all its versions; also what every other convention falls back to."""

from ingest.dialects.dialect import Dialect
from ingest.model import Span


def _claims(span: Span) -> bool:
    # Nearly all say this one: to look through the rest is left to those that do not.
    return "gen_ai.operation.name" in span.attributes or any(key.startswith("gen_ai.") for key in span.attributes)


DIALECT = Dialect(name="genai", rank=150, claims=_claims)
