"""Why a run stopped: declared by the emitter, else inferred from what the run left behind. Never unknown."""

import re
from collections.abc import Sequence

from ingest.model import TERMINATION_REASONS, Facts, Step, Termination

from .steps import error_text, in_order
from .tree import Node

_REASONS = frozenset(TERMINATION_REASONS)

_BY_ERROR: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (reason, re.compile(pattern, re.IGNORECASE))
    for reason, pattern in (
        ("max_steps", r"recursion ?(limit|error)|max_?(turns|steps|iterations|rounds)|maxturnsexceeded"),
        ("max_steps", r"(step|iteration|turn|request)_?s? ?limit|usagelimitexceeded.*request"),
        ("token_budget", r"token[_ ]?(budget|limit)|usagelimitexceeded"),
        ("cost_budget", r"budget_?exceeded|budgetexceeded|cost[_ ]?(budget|limit)|spend limit|insufficient_quota"),
        ("circuit_breaker", r"circuit ?-?_?breaker|circuit is open"),
        ("guardrail", r"guardrail|tripwire|content_?filter|policy ?violation|moderation"),
        ("cancelled", r"cancel+ed|cancellation|keyboardinterrupt|generatorexit|\baborted\b|aborterror"),
        ("timeout", r"time ?-?_?d? ?out|timeout|deadline"),
        ("validation_failed", r"validation ?_?error|validationerror|unexpectedmodelbehavior|output ?_?pars|jsondecodeerror|schema"),
        ("llm_unavailable", r"rate ?_?limit|error code: (429|5\d\d)|\b(429|500|502|503|529)\b|overloaded|service ?unavailable"),
        ("llm_unavailable", r"apiconnection|apistatus|internalservererror|servererror"),
    )
)  # fmt: skip
"""First match wins on ``type: message``: the narrow words stand before the wide ones."""

_BY_FINISH = {
    "length": "max_tokens", "max_tokens": "max_tokens", "max_output_tokens": "max_tokens", "incomplete": "max_tokens",
    "model_context_window_exceeded": "max_tokens", "refusal": "refused", "content_filter": "refused", "content-filter": "refused",
    "safety": "refused", "recitation": "refused", "blocklist": "refused", "prohibited_content": "refused", "spii": "refused",
    "guardrail_intervened": "guardrail", "content_filtered": "refused",
}  # fmt: skip


_TO_PEOPLE = re.compile(
    r"(transfer|hand_?o(ff|ver)|forward)_?(to_?)?(an?_)?(human|person|people|operator|staff)|^escalate|_escalate$", re.IGNORECASE
)
"""Names of tools that hand a customer over to people."""


def declared_termination(nodes: Sequence[Node]) -> Termination | None:
    """Return what the emitter declared: on the agent span itself, else on the latest span of the run that does."""
    for node in (*nodes[:1], *reversed(nodes[1:])):
        reason = node.facts.termination
        if reason is not None:
            known = reason if reason in _REASONS else _reason_of_error(reason) or "error"
            detail = node.facts.termination_detail or (reason if known != reason else None)
            return Termination(known, "declared", detail, node.span.span_id)
    return None


def infer_termination(anchor: Facts | None, anchor_id: bytes, steps: Sequence[Step]) -> Termination:
    """Judge an ended run by its own error, else by its last deed."""
    flat = in_order(steps)
    if anchor is not None and anchor.failed:
        cause = _deepest_failure(flat)
        text = error_text(anchor)
        reason = _reason_of_error(text) or (_reason_of_step(cause) if cause else None) or "error"
        return Termination(reason, "inferred", text, cause.span_id if cause else anchor_id)
    blocked = next((step for step in reversed(flat) if step.status == "error" and _is_blocked(step)), None)
    last = _last_deed(flat)
    if blocked is not None and (last is None or blocked.started_ns >= last.started_ns or _covers(blocked, last)):
        return Termination("guardrail", "inferred", blocked.error, blocked.span_id)
    if last is None:
        return Termination("completed", "inferred", None, anchor_id)
    if last.status == "error" and not _answered_after(anchor, last, flat):
        return Termination(_reason_of_step(last), "inferred", last.error, last.span_id)
    if last.tool is not None and _TO_PEOPLE.search(last.tool.name):
        return Termination("escalated", "inferred", f"its last deed was {last.tool.name}", last.span_id)
    reason = _BY_FINISH.get((last.finish_reason or "").lower(), "completed")
    detail = f"the last model call ended with {last.finish_reason}" if reason != "completed" else None
    return Termination(reason, "inferred", detail, last.span_id)


def _is_blocked(step: Step) -> bool:
    """Tell a guardrail that let nothing pass, or glue that failed of one: the OpenAI Agents SDK tells it of the turn alone."""
    return step.kind == "guardrail" or (step.kind == "other" and (step.error or "").startswith(_TRIPPED))


_TRIPPED = "Guardrail tripwire triggered"


def _covers(blocked: Step, last: Step) -> bool:
    return blocked.kind == "other" and blocked.started_ns <= last.started_ns and blocked.ended_ns >= last.ended_ns


def _answered_after(anchor: Facts | None, last: Step, flat: Sequence[Step]) -> bool:
    """Tell whether the agent answered after a tool failed: where nobody reports model calls, the one that answered is not seen."""
    return last.kind == "tool" and anchor is not None and anchor.output is not None and all(step.kind != "llm" for step in flat)


def _last_deed(flat: Sequence[Step]) -> Step | None:
    spanned = (step for step in flat if step.tool is None or step.tool.source != "derived")
    deeds = [step for step in spanned if step.kind in ("llm", "tool", "handoff", "agent")]
    return max(deeds, key=lambda step: (step.ended_ns, step.index)) if deeds else None


def _deepest_failure(flat: Sequence[Step]) -> Step | None:
    """Return the failure that the others repeat: the latest failed step without a failed one below it."""
    leaves = [step for step in flat if step.status == "error" and not any(child.status == "error" for child in step.children)]
    return max(leaves, key=lambda step: (step.ended_ns, step.index)) if leaves else None


def _reason_of_step(step: Step) -> str:
    known = _reason_of_error(step.error or "")
    if step.kind == "tool":
        return known if known in ("timeout", "cancelled", "guardrail") else "tool_failure"
    if step.kind == "llm":
        return known or "llm_unavailable"
    return known or "error"


def _reason_of_error(text: str) -> str | None:
    head = text[:2000]
    return next((reason for reason, pattern in _BY_ERROR if pattern.search(head)), None)
