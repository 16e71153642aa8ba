"""A filter built by clicking: a field, an operator and a value become a condition in the filter language."""

from ingest.store.query import STEP_FIELDS, TRACE_FIELDS
from webui.filters import NUMBERS, WORDS_OF

from .links import quoted

_STEP = "step: "

FIELDS = (*TRACE_FIELDS, *(f"{_STEP}{field}" for field in STEP_FIELDS))
"""What can be picked. A field of steps stands for any step."""

OPERATORS = ("=", "!=", "contains", ">", ">=", "<", "<=", "in")
EXAMPLES = (
    ("failed with a timeout", 'any step (tool.error contains "timeout")'),
    ("dear and slow", "cost_usd > 0.5 and duration_ms > 30000"),
    ("chose one over another", 'decision chose "cancel_appointment" over "reschedule_appointment"'),
    ("by your own number", 'reference.order = "12345"'),
    ("by a thought", 'thought contains "wrong customer"'),
    ("these two agents today", 'agent in ("scheduler", "billing") and started > -24h'),
)


def build_condition(field: str, operator: str, value: str) -> str:
    """Return the condition for what was picked. What does not fit is left to the filter's own errors to explain."""
    inner = field.removeprefix(_STEP)
    text = value.strip()
    written = f"{inner} {operator} {_value(inner, operator, text)}"
    return f"any step ({written})" if field.startswith(_STEP) else written


def _value(field: str, operator: str, text: str) -> str:
    if operator == "in":
        return f"({', '.join(quoted(part.strip()) if field not in NUMBERS else part.strip() for part in text.split(',') if part.strip())})"
    if field in NUMBERS:
        return text
    if field == "started":
        return text if text.startswith("-") or text[:4].isdecimal() else quoted(text)
    return quoted(text.casefold() if field in WORDS_OF else text)
