"""A span's facts and what its log records add: gaps are filled, nothing is ever added up."""

from collections.abc import Sequence

import msgspec

from ingest.model import Facts, ToolResult

from .calls import derive_finish
from .messages import joined
from .tokens import fill_usage

_KEPT = frozenset({"kind", "convention", "streamed_result", "server_half", "failed", "truncated", "usage", "cost_nanos"})
_TALK = frozenset({"input", "output", "thought", "tool_requests", "tool_results"})
_NOTHING: tuple[object, ...] = (None, [], {}, False)


def merge_logs(facts: Facts, logs: Sequence[Facts]) -> Facts:
    """Return a span's facts with gaps filled from its log records (already in a stable order); usage only fills gaps; never adds."""
    if not logs:
        return facts
    said = [log for log in logs if not log.convention.startswith("log:")]
    talk = _conversation([log for log in logs if log.convention.startswith("log:")])
    merged = msgspec.structs.replace(facts)
    if merged.output is None:
        # Of several answers on one span the last is its own.
        merged.output = next((log.output for log in reversed(said) if log.output and _same(merged, log)), None)
    for log in (*said, talk):
        _fill(merged, log)
    derive_finish(merged)
    return merged


def _fill(merged: Facts, log: Facts) -> None:
    same = _same(merged, log)
    for name in Facts.__struct_fields__:
        if name in _KEPT or (not same and name not in ("session_id", "user_id", "agent_name")):
            continue
        theirs = getattr(log, name)
        if theirs not in _NOTHING and getattr(merged, name) in _NOTHING:
            setattr(merged, name, theirs)
    merged.truncated = merged.truncated or (same and log.truncated)
    if log.kind == merged.kind == "llm":
        merged.usage = fill_usage(merged.usage, log.usage)
        merged.cost_nanos = merged.cost_nanos if merged.cost_nanos is not None else log.cost_nanos


def _same(merged: Facts, log: Facts) -> bool:
    """Tell a record of the span itself from one that is hung on it but speaks of a call below: that one says who and where, no more."""
    return log.kind in (merged.kind, "other") or log.convention == "log"


def _conversation(messages: Sequence[Facts]) -> Facts:
    """Bring messages sent one a record together: what is new since the model's last own message, and the reply."""
    asked: list[str] = []
    results: list[ToolResult] = []
    whole = Facts(convention="log")
    for message in messages:
        role = message.convention.removeprefix("log:")
        if role == "assistant":
            asked, results = [], []
        elif role == "choice":
            _fill(whole, msgspec.structs.replace(message, convention="log"))
        else:
            asked += [message.input] if message.input else []
            results += message.tool_results
    whole.input, whole.tool_results = joined(asked), results
    return whole
