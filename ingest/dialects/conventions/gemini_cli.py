"""Gemini CLI: the GenAI conventions with operations of its own."""

from ingest.dialects.dialect import Dialect
from ingest.dialects.reading import Reading
from ingest.model import Span

_KINDS = {"user_prompt": "chain", "system_prompt": "prompt", "schedule_tool_calls": "chain"}


def _claims(span: Span) -> bool:
    return span.attributes.get("gen_ai.agent.name") == "gemini-cli"


def _kind(reading: Reading) -> str | None:
    return _KINDS.get(reading.word("operation") or "")


DIALECT = Dialect(name="gemini_cli", rank=145, claims=_claims, kind=_kind)
