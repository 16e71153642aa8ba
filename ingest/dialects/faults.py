"""Whether a span failed, and what of."""

from ingest.model import Facts

from .printed import class_name, fault_words
from .reading import Reading
from .values import number, show, truth, word

_ERROR = 2
_JUDGED = frozenset({"llm", "tool", "agent", "embedding", "rerank", "retrieval", "handoff"})


def read_fault(reading: Reading, facts: Facts) -> None:
    """Fill in the failure: the status of the span, what the emitter says beside it, and the last exception."""
    span, values = reading.span, reading.values
    facts.failed = span.status_code == _ERROR or _says_failed(reading, facts.kind)
    if not facts.failed:
        return
    exception = next((event.attributes for event in reversed(span.events) if event.name == "exception"), None)
    named = reading.word("error_type")
    facts.error_type = class_name(named) if named is not None else None
    message = fault_words(span.status_message) or None
    if exception is not None:
        facts.error_type = facts.error_type or word(exception.get("exception.type"))
        message = message or show(exception.get("exception.message"))
    facts.error_message = message or reading.word("status_text")
    if facts.error_type is None and "http_status" in values:
        status = number(values["http_status"])
        facts.error_type = str(status) if status is not None and status >= 400 else None
    if facts.kind == "guardrail" and truth(values.get("guardrail")) and facts.error_message is None:
        facts.error_message = f"guardrail {reading.word('guardrail_name') or span.name} triggered"


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
