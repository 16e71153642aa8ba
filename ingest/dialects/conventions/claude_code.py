"""Claude Code and the Claude Agent SDK, which runs the same program. Token keys have no prefix; input leaves cached tokens out."""

from typing import Any

from ingest.dialects.dialect import Dialect
from ingest.dialects.reading import Reading
from ingest.dialects.values import dollars, show, word
from ingest.model import Facts, Span

_KINDS = {
    "interaction": "agent", "llm_request": "llm", "tool": "tool", "tool.blocked_on_user": "part", "tool.execution": "part",
    "api_request": "llm", "api_error": "llm", "hook": "part",
}  # fmt: skip

_PREFIX = "claude_code."
_REDACTED = frozenset({"<REDACTED>", "<redacted>"})
_REFUSED = frozenset({"reject", "rejected", "deny", "denied"})


def _claims(span: Span) -> bool:
    return span.name.startswith(_PREFIX)


def _kind(reading: Reading) -> str | None:
    kind = (reading.word("claude.type") or reading.span.name).removeprefix(_PREFIX)
    return _KINDS.get(kind)


def _refine(reading: Reading, facts: Facts) -> None:
    attributes = reading.span.attributes
    # The id made for each installation is no person's.
    facts.user_id = word(attributes.get("user.email")) or word(attributes.get("user.account_uuid"))
    facts.convention = "claude_code"
    if facts.kind == "agent":
        facts.agent_name = facts.agent_name or "claude-code"
        facts.input = _shown(attributes.get("user_prompt"))
    elif facts.kind == "tool":
        _refine_tool(reading, facts)
    elif facts.kind == "llm":
        facts.cost_nanos = dollars(attributes.get("cost_usd"))
    elif facts.kind == "part" and word(attributes.get("decision")) in _REFUSED:
        facts.failed, facts.tool_error = True, f"refused by {word(attributes.get('source')) or 'the user'}"
    if reading.span.name == "assistant_response":
        facts.output = _shown(attributes.get("response"))


def _shown(value: Any) -> str | None:
    text = show(value)
    return None if text in _REDACTED else text


def _refine_tool(reading: Reading, facts: Facts) -> None:
    attributes = reading.span.attributes
    facts.tool_arguments = facts.tool_arguments if facts.tool_arguments not in _REDACTED_VALUES else None
    if facts.tool_arguments is None:
        named = {"full_command": "command", "file_path": "file_path", "skill_name": "skill", "subagent_type": "subagent_type"}
        found = {name: text for key, name in named.items() if (text := _shown(attributes.get(key)))}
        facts.tool_arguments = found or None
    for event in reading.span.events:
        if event.name == "tool.output":
            texts = (event.attributes.get(key) for key in ("output", "content", "diff"))
            facts.tool_result = facts.tool_result or next((text for value in texts if (text := _shown(value))), None)


_REDACTED_VALUES: tuple[object, ...] = (None, *_REDACTED)


DIALECT = Dialect(
    name="claude_code",
    rank=50,
    scope_prefixes=("com.anthropic.claude_code",),
    claims=_claims,
    claims_with="span.type",
    keys={
        "claude.type": ("span.type",),
        "success": ("success",),
        "tokens.input": ("input_tokens",),
        "tokens.output": ("output_tokens",),
        "tokens.cache_read": ("cache_read_tokens",),
        "tokens.cache_write": ("cache_creation_tokens",),
        "request_model": ("gen_ai.request.model", "model"),
        "finish_reasons": ("gen_ai.response.finish_reasons", "stop_reason"),
        "tool_name": ("tool_name",),
        "tool_arguments": ("tool_input",),
        "error_type": ("error", "error.type"),
    },
    kind=_kind,
    refine=_refine,
    input_excludes_cache=lambda reading: True,
)
