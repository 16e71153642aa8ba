"""LangWatch: inputs and outputs as values that name their type."""

from ingest.dialects.dialect import Dialect
from ingest.dialects.reading import Reading
from ingest.dialects.values import dollars, mapping
from ingest.model import Facts

_KINDS = {
    "span": "chain", "chain": "chain", "workflow": "chain", "component": "chain", "module": "chain", "task": "chain", "llm": "llm",
    "tool": "tool", "agent": "agent", "rag": "retrieval", "guardrail": "guardrail", "evaluation": "evaluator", "prompt": "prompt",
}  # fmt: skip
_SIDES = (("body.input", "messages.input"), ("body.output", "messages.output"))


def _prepare(reading: Reading) -> None:
    values = reading.values
    for side, messages in _SIDES:
        typed = mapping(values.get(side))
        if "type" in typed and "value" in typed:
            values[side] = typed["value"]
            if typed["type"] == "chat_messages":
                values.setdefault(messages, typed["value"])


def _kind(reading: Reading) -> str | None:
    return _KINDS.get((reading.word("langwatch.type") or "").lower())


def _refine(reading: Reading, facts: Facts) -> None:
    if facts.kind == "agent":
        facts.agent_name = facts.agent_name or reading.span.name
    if facts.cost_nanos is None and "langwatch.metrics" in reading.span.attributes:
        facts.cost_nanos = dollars(mapping(reading.span.attributes["langwatch.metrics"]).get("cost"))


DIALECT = Dialect(
    name="langwatch",
    rank=144,
    scopes=("langwatch",),
    markers=("langwatch.span.type",),
    keys={
        "langwatch.type": ("langwatch.span.type",),
        "body.input": ("langwatch.input",),
        "body.output": ("langwatch.output",),
        "parameters": ("langwatch.params",),
        "session": ("langwatch.thread.id", "langwatch.thread_id"),
        "user": ("langwatch.user.id", "langwatch.user_id"),
    },
    prepare=_prepare,
    kind=_kind,
    refine=_refine,
)
