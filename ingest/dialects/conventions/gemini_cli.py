"""Gemini CLI: the GenAI conventions with operations of its own."""

from ingest.dialects.dialect import Dialect
from ingest.dialects.reading import Reading

_KINDS = {"user_prompt": "chain", "system_prompt": "prompt", "schedule_tool_calls": "chain"}


def _kind(reading: Reading) -> str | None:
    return _KINDS.get(reading.word("operation") or "")


DIALECT = Dialect(name="gemini_cli", rank=145, says=(("gen_ai.agent.name", "gemini-cli"),), kind=_kind)
