"""The facts of a span and of the log records joined to it, as one. Nothing is added up: records fill gaps."""

from collections.abc import Sequence

import msgspec

from ingest.model import Facts, Usage

from .logs import OWN_TURN

_TEXTS = ("input", "output", "thought")
_LISTS = ("tool_requests", "tool_results")
_GAPS = (
    "session_id", "user_id", "finish_reason", "response_model", "response_id", "request_model", "cost_nanos", "error_type",
    "error_message", "tool_arguments", "tool_error", "tool_result", "tools_offered", "usage",
)  # fmt: skip


def merge_logs(facts: Facts, logs: Sequence[Facts]) -> Facts:
    """Return a span's facts with its gaps filled from its log records, which come in a stable order.

    Messages of several records belong together: what was told after the model's last own words is what is new.
    """
    said = _together(logs)
    changes: dict[str, object] = {}
    for name in (*_TEXTS, *_LISTS, *_GAPS):
        mine, theirs = getattr(facts, name), getattr(said, name)
        if name == "usage" and mine is not None and theirs is not None:
            changes[name] = _filled(mine, theirs)
        elif (mine is None or mine == []) and theirs:
            changes[name] = theirs
    if facts.kind not in ("llm", "embedding", "rerank", "agent"):
        changes.pop("usage", None)
        changes.pop("cost_nanos", None)
    if facts.kind == "agent":
        changes.pop("cost_nanos", None)
    if not facts.failed and facts.kind != "llm":
        changes.pop("error_type", None)
        changes.pop("error_message", None)
    return msgspec.structs.replace(facts, **changes) if changes else facts


def _together(logs: Sequence[Facts]) -> Facts:
    whole = Facts()
    for one in logs:
        if one.operation == OWN_TURN:
            whole.input, whole.tool_results = None, []
            continue
        for name in _TEXTS:
            mine, theirs = getattr(whole, name), getattr(one, name)
            if theirs and mine and mine != theirs:
                setattr(whole, name, f"{mine}\n\n{theirs}")
            elif theirs:
                setattr(whole, name, theirs)
        for name in _LISTS:
            setattr(whole, name, [*getattr(whole, name), *(item for item in getattr(one, name) if item not in getattr(whole, name))])
        for name in _GAPS:
            if not getattr(whole, name) and getattr(one, name):
                setattr(whole, name, getattr(one, name))
    return whole


def _filled(mine: Usage, theirs: Usage) -> Usage:
    values = {name: getattr(mine, name) for name in Usage.__struct_fields__}
    return Usage(**{name: value if value is not None else getattr(theirs, name) for name, value in values.items()})
