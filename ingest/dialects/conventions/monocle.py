"""Monocle: what a span is about as numbered entities, what was said and counted as events."""

from typing import Any

from ingest.dialects.dialect import Dialect
from ingest.dialects.reading import Reading
from ingest.dialects.values import listing, mapping, number, unwrap, word
from ingest.model import Facts

_KINDS = {
    "workflow": "chain", "inference": "llm", "inference.framework": "llm", "inference.modelapi": "llm", "retrieval": "retrieval",
    "agentic.turn": "agent", "agentic.request": "agent", "agentic.invocation": "agent", "agentic.tool.invocation": "tool",
    "agentic.mcp.invocation": "tool", "agentic.delegation": "handoff",
}  # fmt: skip
_TOKENS = {
    "tokens.input": ("prompt_tokens",),
    "tokens.output": ("completion_tokens",),
    "tokens.cache_read": ("cache_read_input_tokens", "cache_read_tokens"),
    "tokens.cache_write": ("cache_creation_input_tokens", "cache_write_tokens"),
    "tokens.reasoning": ("reasoning_tokens",),
    "tokens.total": ("total_tokens",),
}
_MOST_ENTITIES = 16
_MOST_MESSAGES = 2_000
_ONE_TURN = "run_single_turn"


def _prepare(reading: Reading) -> None:
    said = {event.name: event.attributes for event in reading.span.events}
    values, kind = reading.values, reading.word("monocle.type") or ""
    told = said.get("data.input", {}).get("input")
    answered = said.get("data.output", {}).get("response")
    if kind.startswith("inference"):
        values["messages.input"] = [_message(one) for one in listing(told)[:_MOST_MESSAGES]]
        values["messages.output"] = [_message(answered)] if answered is not None else []
        _count(values, said.get("metadata", {}))
    else:
        values["body.input"] = told[0] if isinstance(told, list) and len(told) == 1 else told
        values["body.output"] = answered
    for name in ("messages.input", "messages.output", "body.input", "body.output"):
        if values.get(name) in (None, "", []):
            values.pop(name, None)


def _count(values: dict[str, Any], told: dict[str, Any]) -> None:
    for field, keys in _TOKENS.items():
        stated = next((found for key in keys if (found := number(told.get(key))) is not None), None)
        if stated is not None:
            values.setdefault(field, stated)
    if told.get("finish_reason"):
        values.setdefault("finish_reasons", told["finish_reason"])


def _message(value: Any) -> Any:
    """Return a message from its map of a role to what was said; items of the Responses API stand beside such maps."""
    found = unwrap(value)
    if not isinstance(found, dict):
        return found
    if "tool_function" in found:
        return {"role": "assistant", "tool_calls": [_request(found)]}
    if "output" in found and "call_id" in found:
        return {"role": "tool", "tool_call_id": found["call_id"], "content": found["output"]}
    if len(found) != 1:
        return found
    role, content = next(iter(found.items()))
    if role in ("assistant", "tools") and isinstance(content, list):
        calls = [one for one in map(mapping, content) if "tool_name" in one or "tool_function" in one]
        said = [one for one in content if mapping(one) not in calls]
        return {"role": "assistant", "content": said, "tool_calls": [_request(call) for call in calls]}
    return {"role": role, "content": content}


def _request(call: dict[str, Any]) -> dict[str, Any]:
    name = call.get("tool_name") or call.get("tool_function")
    return {"id": call.get("tool_id") or call.get("call_id"), "name": name, "arguments": call.get("tool_arguments")}


def _kind(reading: Reading) -> str | None:
    kind = _KINDS.get(reading.word("monocle.type") or "")
    # A turn of an agent's loop is no invocation of it: the request around the turns is.
    return "chain" if kind == "agent" and reading.span.name.endswith(_ONE_TURN) else kind


def _refine(reading: Reading, facts: Facts) -> None:
    attributes = reading.span.attributes
    for place in range(1, _MOST_ENTITIES):
        kind = word(attributes.get(f"entity.{place}.type"))
        if kind is None:
            break
        _read_entity(facts, kind, word(attributes.get(f"entity.{place}.name")))
    if facts.kind == "agent":
        facts.agent_name = facts.agent_name or reading.word("monocle.last_agent")
    elif facts.failed and facts.output == facts.error_message:
        # A refused call gives its refusal as its answer.
        facts.output = None


def _read_entity(facts: Facts, kind: str, name: str | None) -> None:
    if kind.startswith("model.llm") and facts.kind == "llm":
        facts.request_model = facts.request_model or name or kind.removeprefix("model.llm.")
    elif kind.startswith("inference.") and facts.kind == "llm":
        facts.provider = facts.provider or kind.removeprefix("inference.")
    elif (kind.startswith("agent.") and facts.kind != "llm") or (kind.startswith("workflow.") and facts.kind == "chain"):
        facts.agent_name = facts.agent_name or name
    elif kind.startswith("tool.") and facts.kind == "tool":
        facts.tool_name = name or facts.tool_name


DIALECT = Dialect(
    name="monocle",
    rank=146,
    scopes=("monocle_apptrace",),
    markers=("monocle_apptrace.version",),
    keys={
        "monocle.type": ("span.type",),
        "monocle.last_agent": ("monocle.last.agent.name",),
        "session": ("scope.agentic.session",),
        "user": ("scope.user.id", "scope.user_id"),
    },
    prepare=_prepare,
    kind=_kind,
    refine=_refine,
)
