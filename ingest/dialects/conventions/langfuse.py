"""Langfuse SDK 3 and later."""

from ingest.dialects.bodies import request_messages, tool_names
from ingest.dialects.dialect import Dialect
from ingest.dialects.messages import joined, read_fresh
from ingest.dialects.parts import add_result
from ingest.dialects.reading import Reading
from ingest.dialects.values import listing, mapping
from ingest.model import Facts

_KINDS = {
    "generation": "llm", "agent": "agent", "tool": "tool", "chain": "chain", "span": "chain", "retriever": "retrieval",
    "embedding": "embedding", "guardrail": "guardrail", "evaluator": "evaluator", "event": "other",
}  # fmt: skip

_OF_CALLS = (
    "langfuse.observation.model.name", "langfuse.observation.usage_details", "langfuse.observation.cost_details",
    "langfuse.observation.model.parameters", "langfuse.observation.prompt.name",
)  # fmt: skip


def _kind(reading: Reading) -> str | None:
    kind = reading.word("langfuse.type")
    if kind == "span" and any(key in reading.span.attributes for key in _OF_CALLS):
        # SDK 3.3 and older know no generations.
        return "llm"
    return _KINDS.get(kind or "")


def _read_offered(reading: Reading, facts: Facts) -> None:
    """Find the tools that its LangChain callback lists at the end of the messages, as if tools had said them."""
    value = reading.values.get("body.input")
    if not isinstance(value, str) or '"function": {' not in value:
        return
    contents = (mapping(one.get("content")) for one in listing(value) if isinstance(one, dict) and one.get("role") == "tool")
    facts.tools_offered = tool_names([content for content in contents if "function" in content])
    if facts.tools_offered:
        facts.tool_results = [result for result in facts.tool_results if result.call_id is not None]


def _read_answers(reading: Reading, facts: Facts) -> None:
    """Find what tools answered where its LangChain callback for JavaScript has the tool's name for a role."""
    value = reading.values.get("body.input")
    if not isinstance(value, str) or not any(f'"role":"{name}"' in value for name in facts.tools_offered):
        return
    asked: list[str] = []
    for message in read_fresh(request_messages(value), facts.agent_name):
        if message.role in facts.tools_offered:
            add_result(message, None, joined(message.texts), named=message.role)
            facts.tool_results += message.results
        elif message.role != "system":
            asked += message.texts
    facts.input = joined(asked)


def _refine(reading: Reading, facts: Facts) -> None:
    if facts.kind == "agent":
        facts.agent_name = facts.agent_name or reading.span.name or None
    elif facts.kind == "llm" and not facts.tools_offered:
        _read_offered(reading, facts)
    elif facts.kind == "llm" and facts.input is not None and not facts.tool_results:
        _read_answers(reading, facts)
    facts.version = facts.version or reading.word("langfuse.version")
    facts.environment = facts.environment or reading.word("langfuse.environment")


DIALECT = Dialect(
    name="langfuse",
    rank=10,
    scopes=("langfuse-sdk",),
    markers=("langfuse.observation.type",),
    keys={
        "langfuse.type": ("langfuse.observation.type",),
        "langfuse.version": ("langfuse.release", "langfuse.version"),
        "langfuse.environment": ("langfuse.environment",),
        "tools": ("langfuse.observation.metadata.tools",),
    },
    kind=_kind,
    refine=_refine,
)
