"""Claude Code and the Claude Agent SDK: short names without a prefix, an input count without the cache."""

from ingest.model import Facts, Span, Usage

from .dialect import Dialect
from .events import event_values
from .messages import result_text
from .values import json_or_text, number, show, truth, word

_KINDS = {
    "interaction": "agent", "llm_request": "llm", "tool": "tool", "tool.blocked_on_user": "decision", "tool.execution": "part",
    "hook": "other",
}  # fmt: skip
_PREFIX = "claude_code."


def _is_ours(span: Span) -> bool:
    return span.name.startswith(_PREFIX) and "span.type" in span.attributes


def _kind(span: Span) -> str | None:
    stated = word(span.attributes.get("span.type")) or span.name
    return _KINDS.get(stated.removeprefix(_PREFIX))


def _refine(span: Span, facts: Facts) -> None:
    attributes = span.attributes
    if truth(attributes.get("success")) is False:
        facts.failed = True
        facts.error_message = facts.error_message or show(attributes.get("error"))
    facts.agent_name = facts.agent_name or "claude-code"
    if facts.kind == "llm":
        _read_call(span, facts)
    elif facts.kind == "tool":
        _read_tool(span, facts)
    elif facts.kind == "agent":
        facts.operation = facts.operation or "invoke_agent"
        facts.input = facts.input or _shown(attributes.get("user_prompt"))
    elif facts.kind == "decision":
        facts.kind = "part"


def _read_call(span: Span, facts: Facts) -> None:
    attributes = span.attributes
    facts.operation = facts.operation or "chat"
    facts.request_model = facts.request_model or word(attributes.get("model"))
    facts.provider = facts.provider or "anthropic"
    facts.finish_reason = facts.finish_reason or word(attributes.get("stop_reason"))
    facts.response_id = facts.response_id or word(attributes.get("request_id"))
    uncached, output = number(attributes.get("input_tokens")), number(attributes.get("output_tokens"))
    read, write = number(attributes.get("cache_read_tokens")), number(attributes.get("cache_creation_tokens"))
    if uncached is not None or output is not None:
        whole = None if uncached is None else uncached + (read or 0) + (write or 0)
        facts.usage = Usage(whole, output, read, write)


def _read_tool(span: Span, facts: Facts) -> None:
    attributes = span.attributes
    facts.operation = facts.operation or "execute_tool"
    facts.tool_name = word(attributes.get("tool_name")) or facts.tool_name
    if facts.tool_arguments is None:
        whole = _shown(attributes.get("tool_input"))
        parts = {key: attributes[key] for key in ("full_command", "file_path", "skill_name", "subagent_type") if attributes.get(key)}
        facts.tool_arguments = json_or_text(whole) if whole else parts or None
    if facts.tool_result is None:
        facts.tool_result = result_text(event_values(span.events, "tool.output", "output", "content", "diff"))


def _shown(value: object) -> str | None:
    text = show(value)
    return None if text in ("<REDACTED>", "<elided>") else text


DIALECT = Dialect(
    name="claude-code",
    order=5,
    scopes=("com.anthropic.claude_code.tracing",),
    recognises=_is_ours,
    kind_of=_kind,
    refine=_refine,
)
