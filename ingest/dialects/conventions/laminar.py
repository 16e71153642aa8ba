"""Laminar."""

from ingest.dialects.dialect import Dialect
from ingest.dialects.reading import Reading

_KINDS = {
    "LLM": "llm", "CACHED": "llm", "TOOL": "tool", "PIPELINE": "chain", "EXECUTOR": "chain", "EVALUATOR": "evaluator",
    "HUMAN_EVALUATOR": "evaluator", "EVALUATION": "evaluator",
}  # fmt: skip


def _kind(reading: Reading) -> str | None:
    return _KINDS.get((reading.word("lmnr.type") or "").upper())


DIALECT = Dialect(
    name="laminar",
    rank=142,
    markers=("lmnr.span.type",),
    keys={
        "lmnr.type": ("lmnr.span.type",),
        "session": ("lmnr.association.properties.session_id",),
        "user": ("lmnr.association.properties.user_id",),
    },
    kind=_kind,
)
