"""Genkit: requests and replies as JSON, usage among them."""

from ingest.dialects.dialect import Dialect
from ingest.dialects.providers import provider_of
from ingest.dialects.reading import Reading
from ingest.model import Facts

_KINDS = {
    "model": "llm", "background-model": "llm", "tool": "tool", "tool.v2": "tool", "retriever": "retrieval", "embedder": "embedding",
    "reranker": "rerank", "evaluator": "evaluator", "prompt": "prompt", "executable-prompt": "prompt", "agent": "agent",
}  # fmt: skip


def _kind(reading: Reading) -> str | None:
    kind = _KINDS.get(reading.word("genkit.subtype") or "")
    return kind or ("chain" if reading.word("genkit.type") in ("flow", "flowStep", "util", "action", "helper") else None)


def _refine(reading: Reading, facts: Facts) -> None:
    name = reading.word("genkit.name")
    if facts.kind == "llm" and facts.request_model is None and name is not None:
        plugin, _, facts.request_model = name.rpartition("/")
        facts.provider = provider_of(plugin) or facts.provider
    elif facts.kind == "tool":
        facts.tool_name = name or facts.tool_name
    elif facts.kind == "agent":
        facts.agent_name = facts.agent_name or name
    if reading.word("genkit.state") == "error" and not facts.failed:
        facts.failed = True


DIALECT = Dialect(
    name="genkit",
    rank=143,
    markers=("genkit:metadata:subtype", "genkit:type", "genkit:name"),
    keys={
        "genkit.subtype": ("genkit:metadata:subtype",),
        "genkit.type": ("genkit:type",),
        "genkit.name": ("genkit:name",),
        "genkit.state": ("genkit:state",),
        "session": ("genkit:sessionId",),
    },
    kind=_kind,
    refine=_refine,
)
