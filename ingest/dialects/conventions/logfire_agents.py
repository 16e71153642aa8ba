"""Logfire's instrumentation of the OpenAI Agents SDK: spans of one name a kind, what they are about under plain keys."""

from ingest.dialects.dialect import Dialect
from ingest.dialects.reading import Reading
from ingest.dialects.values import listing, mapping, truth, word
from ingest.model import Facts

from .pydantic_ai import read_listed_call

_KINDS = (
    ("Agent run:", "agent"), ("Function:", "tool"), ("Guardrail ", "guardrail"), ("Handoff:", "handoff"), ("Responses API with", "llm"),
    ("Chat completion with", "llm"), ("OpenAI Agents trace:", "chain"), ("Task:", "chain"), ("Turn ", "chain"),
)  # fmt: skip
_SCRUBBED = "[Scrubbed due to"


def _kind(reading: Reading) -> str | None:
    if reading.word("logfire.type") == "pending_span":
        return "part"
    name = reading.span.name
    return next((kind for prefix, kind in _KINDS if name.startswith(prefix)), None)


def _refine(reading: Reading, facts: Facts) -> None:
    attributes = reading.span.attributes
    name = word(attributes.get("name"))
    if name is not None and name.startswith(_SCRUBBED):
        name = None
    if facts.kind == "llm":
        read_listed_call(reading, facts)
    elif facts.kind == "agent":
        facts.agent_name = name or facts.agent_name
        facts.tools_offered = [tool for tool in listing(attributes.get("tools")) if isinstance(tool, str)]
    elif facts.kind == "tool":
        facts.tool_name = name or facts.tool_name
    elif facts.kind == "guardrail" and truth(attributes.get("triggered")):
        facts.failed = True
        facts.error_message = f"guardrail {name or ''} triggered"
    if facts.failed:
        _read_failure(reading, facts)


def _read_failure(reading: Reading, facts: Facts) -> None:
    said = mapping(reading.span.attributes.get("error"))
    cause = mapping(said.get("data")).get("error")
    told = ": ".join(str(part) for part in (said.get("message"), cause) if part)
    facts.error_message = told or facts.error_message
    if facts.kind == "tool":
        facts.tool_error = told or facts.tool_error


DIALECT = Dialect(
    name="logfire_agents",
    rank=119,
    scopes=("logfire.openai_agents",),
    keys={
        "logfire.type": ("logfire.span_type",),
        "pydantic.events": ("events",),
        "tool_arguments": ("input",),
        "tool_result": ("output",),
        "handoff_to": ("to_agent",),
        "session": ("group_id",),
        "body.output": ("response",),
    },
    kind=_kind,
    refine=_refine,
    body_is_conversation=False,
)
