"""LiveKit agents: kinds are span names."""

from ingest.dialects.dialect import Dialect
from ingest.dialects.reading import Reading
from ingest.dialects.values import show, truth
from ingest.model import Facts

_KINDS = {
    "agent_turn": "agent", "start_agent_activity": "chain", "agent_session": "chain", "function_tool": "tool", "llm_node": "chain",
    "llm_request": "llm", "llm_request_run": "part",
}  # fmt: skip


def _kind(reading: Reading) -> str | None:
    return _KINDS.get(reading.span.name)


def _refine(reading: Reading, facts: Facts) -> None:
    attributes = reading.span.attributes
    if facts.kind == "tool" and truth(attributes.get("lk.function_tool.is_error")) is True and not facts.failed:
        facts.failed, facts.tool_error = True, facts.tool_result or "failed"
    if facts.kind == "agent":
        facts.input = facts.input or show(attributes.get("lk.input_text"))
        facts.output = facts.output or show(attributes.get("lk.response.text"))


DIALECT = Dialect(
    name="livekit",
    rank=144,
    scopes=("livekit-agents",),
    keys={
        "tool_name": ("lk.function_tool.name",),
        "tool_call_id": ("lk.function_tool.id",),
        "tool_arguments": ("lk.function_tool.arguments",),
        "tool_result": ("lk.function_tool.output",),
        "agent_name": ("lk.agent_name", "lk.agent_label"),
        "body.input": ("lk.chat_ctx", "lk.user_input", "lk.input_text", "lk.instructions"),
        "body.output": ("lk.response.text",),
        "session": ("lk.session_id", "lk.room_id"),
    },
    kind=_kind,
    refine=_refine,
)
