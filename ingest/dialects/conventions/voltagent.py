"""VoltAgent: one span for all model calls of an answer, which counts the last of them; the agent's span counts all."""

from ingest.dialects.dialect import Dialect
from ingest.dialects.reading import Reading
from ingest.model import Facts

_KINDS = {
    "agent": "agent", "llm": "llm", "tool": "tool", "memory": "memory", "retriever": "retrieval", "embedding": "embedding",
    "guardrail": "guardrail", "middleware": "other", "summary": "other", "vector": "retrieval", "sandbox": "other",
}  # fmt: skip


def _kind(reading: Reading) -> str | None:
    kind = reading.word("volt.type")
    if kind is None:
        # The span around everything has the type of what runs.
        kind = reading.word("volt.entity") or ""
    return _KINDS.get(kind) or ("chain" if kind.startswith("workflow") else None)


def _refine(reading: Reading, facts: Facts) -> None:
    if reading.word("volt.entity") == "agent":
        facts.agent_name = facts.agent_name or reading.word("volt.name")
    if facts.kind == "llm":
        facts.usage = None
        names = reading.word("volt.tools") or ""
        facts.tools_offered = [name for name in names.split(",") if name]


DIALECT = Dialect(
    name="voltagent",
    rank=76,
    scope_prefixes=("@voltagent/",),
    markers=("voltagent.operation_id",),
    keys={
        "volt.type": ("span.type",),
        "volt.entity": ("entity.type",),
        "volt.name": ("entity.name",),
        "volt.tools": ("llm.tools",),
        "tool_call_id": ("tool.call.id",),
        "session": ("conversation.id", "voltagent.conversation_id"),
        "request_model": ("llm.model", "ai.model.name"),
        "messages.input": ("llm.messages",),
        "body.input": ("input",),
        "body.output": ("output",),
        "tokens.input": ("usage.prompt_tokens",),
        "tokens.output": ("usage.completion_tokens",),
        "tokens.total": ("usage.total_tokens",),
        "tokens.cache_read": ("usage.cached_tokens",),
        "tokens.reasoning": ("usage.reasoning_tokens",),
    },
    kind=_kind,
    refine=_refine,
)
