"""Whether a span failed, and what of."""

from typing import Any

from ingest.model import Facts, Span

from .printed import class_name, fault_words, without_stack
from .reading import Reading
from .values import number, show, truth, word

_ERROR = 2
_NO_TYPES = frozenset({"_OTHER", "unknown"})
"""What stands for the type of a failure where an emitter knows none: the exception beside it may tell."""
_JUDGED = frozenset({"llm", "tool", "agent", "embedding", "rerank", "retrieval", "handoff"})


def read_fault(reading: Reading, facts: Facts) -> None:
    """Fill in the failure: the status of the span, what the emitter says beside it, and the last exception."""
    span, values = reading.span, reading.values
    facts.failed = span.status_code == _ERROR or _says_failed(reading, facts.kind)
    if not facts.failed:
        return
    exception = last_exception(span)
    named = reading.word("error_type")
    facts.error_type = class_name(named) if named is not None and named not in _NO_TYPES else None
    message = fault_words(span.status_message) or None
    if exception is not None:
        facts.error_type = facts.error_type or word(exception.get("exception.type"))
        message = message or without_stack(show(exception.get("exception.message")) or "") or None
    facts.error_message = message or reading.word("status_text")
    if facts.error_type is None and "http_status" in values:
        status = number(values["http_status"])
        facts.error_type = str(status) if status is not None and status >= 400 else None
    if facts.kind == "guardrail" and truth(values.get("guardrail")) and facts.error_message is None:
        facts.error_message = f"guardrail {reading.word('guardrail_name') or span.name} triggered"


def last_exception(span: Span) -> dict[str, Any] | None:
    """Return the attributes of the last exception that a span recorded."""
    return next((event.attributes for event in reversed(span.events) if event.name == "exception"), None)


def fail_of_exception(reading: Reading, facts: Facts) -> None:
    """Let a span fail of its last exception, for those emitters whose status says that all is well."""
    exception = last_exception(reading.span)
    if facts.failed or exception is None:
        return
    facts.failed = True
    facts.error_type = word(exception.get("exception.type"))
    facts.error_message = fault_words(show(exception.get("exception.message")) or "") or None
    if facts.kind == "tool":
        facts.tool_error = facts.error_message or facts.error_type or "failed"


def _says_failed(reading: Reading, kind: str) -> bool:
    values = reading.values
    if "level" in values and reading.word("level") == "ERROR":
        return True
    if "tool_status" in values and reading.word("tool_status") in ("error", "failure", "failed"):
        return True
    if "guardrail" in values and truth(values["guardrail"]) is True:
        return True
    if "success" in values and truth(values["success"]) is False:
        return True
    if kind not in _JUDGED:
        return False
    if "error_type" in values:
        return True
    status = number(values.get("http_status")) if "http_status" in values else None
    return status is not None and status >= 400
