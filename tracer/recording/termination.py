"""Why a run stopped, judged from how its block ended."""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from .guard import BudgetExhausted, RunStopped


class TerminationReason(StrEnum):
    """Why a run stopped. ``lost`` and ``running`` are the server's to say."""

    COMPLETED = "completed"
    MAX_TOKENS = "max_tokens"
    TOKEN_BUDGET = "token_budget"
    COST_BUDGET = "cost_budget"
    MAX_STEPS = "max_steps"
    TIMEOUT = "timeout"
    CIRCUIT_BREAKER = "circuit_breaker"
    TOOL_FAILURE = "tool_failure"
    LLM_UNAVAILABLE = "llm_unavailable"
    VALIDATION_FAILED = "validation_failed"
    GUARDRAIL = "guardrail"
    REFUSED = "refused"
    ESCALATED = "escalated"
    CANCELLED = "cancelled"
    STOPPED = "stopped"
    LOOP = "loop"
    ERROR = "error"
    LOST = "lost"
    RUNNING = "running"


class Ending(NamedTuple):
    """A reason and what can be said of it."""

    reason: TerminationReason
    detail: str | None = None


OF_LIMIT = {
    "tokens": TerminationReason.TOKEN_BUDGET,
    "usd": TerminationReason.COST_BUDGET,
    "steps": TerminationReason.MAX_STEPS,
    "seconds": TerminationReason.TIMEOUT,
}
"""The reason of each limit of a budget."""

_OF_FINISH = {
    **dict.fromkeys(("length", "max_tokens", "max_output_tokens", "model_context_window_exceeded"), TerminationReason.MAX_TOKENS),
    **dict.fromkeys(("refusal", "content_filter", "content-filter", "safety"), TerminationReason.REFUSED),
    "guardrail_intervened": TerminationReason.GUARDRAIL,
}

_OF_NAME = (
    (TerminationReason.MAX_STEPS, r"recursion|max_?(turns|steps|iterations|rounds)|(step|iteration|turn)_?limit"),
    (TerminationReason.COST_BUDGET, r"budget_?exce|cost_?limit|insufficient_?quota"),
    (TerminationReason.TOKEN_BUDGET, r"token_?(budget|limit)|usagelimitexceeded"),
    (TerminationReason.CIRCUIT_BREAKER, r"circuit_?(breaker|open)"),
    (TerminationReason.GUARDRAIL, r"guardrail|tripwire|policy_?violation|moderation"),
    (TerminationReason.REFUSED, r"content_?filter|refusal"),
    (TerminationReason.TIMEOUT, r"time_?d?_?out|deadline"),
    (TerminationReason.VALIDATION_FAILED, r"validation|output_?pars|jsondecode|schemaerror|unexpectedmodelbehavior"),
    (TerminationReason.LLM_UNAVAILABLE, r"rate_?limit|overloaded|service_?unavailable|apiconnection|internalservererror"),
)
"""First match wins on the names of an exception's classes: the narrow words stand before the wide ones."""

_DETAIL_CHARS = 2_000
_MOST_CAUSES = 8

_PASSING = (TerminationReason.TIMEOUT, TerminationReason.CANCELLED, TerminationReason.GUARDRAIL, TerminationReason.CIRCUIT_BREAKER)
"""What a tool's exception says of the run as well; any other one is the tool's own failure."""


def is_cancellation(error: BaseException) -> bool:
    """Tell whether the block was made to end from outside: nothing failed then."""
    if isinstance(error, SystemExit):
        return error.code in (None, 0)
    return isinstance(error, KeyboardInterrupt | GeneratorExit) or any(kind.__name__ in _CANCELLED for kind in type(error).__mro__)


_CANCELLED = ("CancelledError", "Cancelled")
"""By their names, so that nobody has to load asyncio, futures or trio who does not use them."""


def ending_of_error(error: BaseException, failed_kind: str) -> Ending:
    """Judge a block that an exception ended; ``failed_kind`` is the step kind of the deepest scope that it went through."""
    if isinstance(error, BudgetExhausted):
        return Ending(OF_LIMIT[error.limit], str(error))
    if isinstance(error, RunStopped):
        return Ending(TerminationReason.STOPPED, str(error))
    if isinstance(error, GeneratorExit):
        return Ending(TerminationReason.CANCELLED, "closed by its consumer before its end")
    if isinstance(error, SystemExit) and is_cancellation(error):
        return Ending(TerminationReason.COMPLETED)
    if is_cancellation(error):
        return Ending(TerminationReason.CANCELLED, type(error).__name__)
    found = next((reason for cause in _causes(error) if (reason := _reason_of(cause, failed_kind)) is not None), None)
    if failed_kind == "tool" and found not in _PASSING:
        found = TerminationReason.TOOL_FAILURE
    return Ending(found or TerminationReason.ERROR, describe(error))


def ending_of_finish(finish_reason: str | None) -> Ending:
    """Judge a block that ended by itself, from the finish reason of its last deed where that was a model call."""
    reason = _OF_FINISH.get((finish_reason or "").lower())
    if reason is None:
        return Ending(TerminationReason.COMPLETED)
    return Ending(reason, f"the last model call ended with {finish_reason}")


def declared(reason: str, detail: str | None) -> Ending:
    """Return what the host declared; a word that is no reason becomes ``error`` and is told in the detail."""
    try:
        return Ending(TerminationReason(reason), detail)
    except ValueError:
        return Ending(TerminationReason.ERROR, f"{reason}: {detail}" if detail else str(reason))


def name_of(error: BaseException) -> str:
    """Return an exception's type as ``error.type`` wants it."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def message_of(error: BaseException) -> str:
    """Return an exception's text, bounded; nothing where it cannot say itself."""
    try:
        return str(error)[:_DETAIL_CHARS]
    except Exception:
        return ""


def describe(error: BaseException) -> str:
    """Return type and text of an exception."""
    message = message_of(error)
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the exception, those of a group, and what each was raised from, outermost first."""
    waiting, seen = [error], 0
    while waiting and seen < _MOST_CAUSES:
        one = waiting.pop(0)
        seen += 1
        yield one
        if isinstance(one, BaseExceptionGroup):
            waiting.extend(one.exceptions)
        elif one.__cause__ is not None:
            waiting.append(one.__cause__)


def _reason_of(error: BaseException, failed_kind: str) -> TerminationReason | None:
    if isinstance(error, BudgetExhausted):
        return OF_LIMIT[error.limit]
    if isinstance(error, RunStopped):
        return TerminationReason.STOPPED
    if is_cancellation(error):
        return TerminationReason.CANCELLED
    if isinstance(error, TimeoutError):
        return TerminationReason.TIMEOUT
    status = _status_of(error)
    if status is not None and (status in (408, 409, 429) or 500 <= status <= 599):
        return TerminationReason.LLM_UNAVAILABLE
    names = " ".join(kind.__qualname__ for kind in type(error).__mro__ if kind not in (Exception, BaseException, object))
    named = next((reason for reason, pattern in _OF_NAME if re.search(pattern, names, re.IGNORECASE)), None)
    if named is None and failed_kind == "llm" and isinstance(error, ConnectionError):
        return TerminationReason.LLM_UNAVAILABLE
    return named


def _status_of(error: BaseException) -> int | None:
    for holder in (error, getattr(error, "response", None)):
        status = getattr(holder, "status_code", None)
        if isinstance(status, int):
            return status
    return None
