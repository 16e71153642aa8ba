"""Mastra: one span around all model calls of an answer, which alone has their tokens, with a step in it for each call."""

from typing import Any

from ingest.dialects.bodies import read_reply_body
from ingest.dialects.calls import derive_finish
from ingest.dialects.dialect import Dialect
from ingest.dialects.messages import Exchange
from ingest.dialects.providers import provider_of
from ingest.dialects.reading import Reading
from ingest.dialects.tokens import fill_usage
from ingest.dialects.values import mapping, show, word
from ingest.model import Facts

_KINDS = {
    "agent_run": "agent", "model_generation": "llm", "model_step": "llm", "model_inference": "part", "model_chunk": "part",
    "tool_call": "tool", "mcp_tool_call": "tool", "provider_tool_call": "tool", "client_tool_call": "tool", "memory_operation": "memory",
    "rag_embedding": "embedding", "rag_vector_operation": "retrieval", "scorer_run": "evaluator", "scorer_step": "evaluator",
    **dict.fromkeys(
        (
            "generic", "graph_action", "mapping", "processor_run", "rag_action", "rag_ingestion", "skill_action", "skill_resolution",
            "workspace_action",
        ),
        "other",
    ),
}  # fmt: skip

_SPOKEN = ("agent_run", "model_step", "workflow_run", "workflow_step", "tool_call", "memory_operation", "processor_run", "generic")
"""Kinds of spans whose input and output stand under a key that is named after the kind."""


def _kind(reading: Reading) -> str | None:
    kind = reading.word("mastra.type") or ""
    return _KINDS.get(kind) or ("chain" if kind.startswith("workflow_") else None)


def _refine(reading: Reading, facts: Facts) -> None:
    values = reading.values
    if facts.kind == "agent":
        facts.output = show(mapping(values.get("body.output")).get("text")) or facts.output
    elif facts.kind == "llm" and reading.word("mastra.type") == "model_step":
        _read_step(values, facts)


def _read_step(values: dict[str, Any], facts: Facts) -> None:
    """Read one call: its model is among the metadata, and so is the provider's reply unless it was streamed."""
    model = mapping(values.get("mastra.model"))
    facts.request_model = facts.request_model or word(model.get("modelId"))
    facts.provider = provider_of(word(model.get("modelProvider"))) or facts.provider
    # It names the tools that answered, not what they said.
    facts.tool_results = []
    if "mastra.reply" not in values:
        return
    exchange = Exchange(said=facts.output, thought=facts.thought, requests=facts.tool_requests)
    body = read_reply_body(exchange, mapping(values["mastra.reply"]))
    facts.thought, facts.usage = exchange.thought, fill_usage(facts.usage, body.usage)
    facts.response_model = facts.response_model or body.model
    facts.response_id = facts.response_id or body.response_id
    facts.finish_reason = body.finish_reason or facts.finish_reason
    derive_finish(facts)


DIALECT = Dialect(
    name="mastra",
    rank=75,
    scope_prefixes=("@mastra/",),
    markers=("mastra.span.type",),
    keys={
        "mastra.type": ("mastra.span.type",),
        "mastra.model": ("mastra.metadata.modelMetadata",),
        "mastra.reply": ("mastra.metadata.body",),
        "session": ("mastra.metadata.sessionId", "gen_ai.conversation.id", "mastra.metadata.threadId"),
        "user": ("mastra.metadata.userId", "mastra.metadata.resourceId"),
        "body.input": tuple(f"mastra.{kind}.input" for kind in _SPOKEN),
        "body.output": tuple(f"mastra.{kind}.output" for kind in _SPOKEN),
    },
    kind=_kind,
    refine=_refine,
)
