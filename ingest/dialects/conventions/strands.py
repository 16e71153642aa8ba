"""Strands Agents: messages are span events; agents repeat the sum of their calls."""

import re

from ingest.dialects.dialect import Dialect
from ingest.dialects.providers import provider_of_model
from ingest.dialects.reading import Reading
from ingest.model import Facts

_NAME = "strands-agents"
_KINDS = {"invoke_graph": "chain", "invoke_swarm": "chain", "execute_agent_loop_cycle": "chain"}
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


def _kind(reading: Reading) -> str | None:
    return _KINDS.get(reading.word("operation") or reading.span.name)


def _refine(reading: Reading, facts: Facts) -> None:
    if facts.provider is not None and facts.provider == reading.span.scope.name.lower():
        # In JavaScript it names the service as the system, and its tracer so too.
        facts.provider = provider_of_model(facts.response_model or facts.request_model) if facts.kind == "llm" else None
    if facts.finish_reason is not None:
        # What Bedrock calls end_turn is endTurn there.
        facts.finish_reason = _HUMP.sub("_", facts.finish_reason).lower()


DIALECT = Dialect(
    name="strands",
    rank=90,
    scopes=("strands.telemetry.tracer",),
    markers=("gen_ai.event.start_time",),
    says=(("gen_ai.system", _NAME), ("gen_ai.provider.name", _NAME)),
    kind=_kind,
    refine=_refine,
    input_excludes_cache=lambda reading: False,
)
