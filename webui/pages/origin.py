"""Where the arguments of a tool call came from: the earlier words or result that a value occurs in, or nowhere."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ingest.model import Run
from webui.format import clip

from .steps import Placed, compact_json

_MOST_ARGUMENTS = 12
_LOOKED_BACK = 300
"""Steps before the call that are searched, the nearest first."""
_LEAST_LENGTH = 3
"""Shorter values occur everywhere by chance."""


_DATE = re.compile(r"\d{1,4}[-/.]\d\d?[-/.]\d\d?|\d\d?:\d\d|\d{4}-\d\d$")


@dataclass(frozen=True, slots=True)
class Origin:
    """One argument and its source."""

    name: str
    value: str
    source: str
    """``result of step``, ``the model's words, step``, ``the request``, or empty: nowhere, or too short to tell."""
    key: str
    index: str
    unknown: bool
    """True where the value was searched and found nowhere before."""


def trace_arguments(item: Placed, before: Sequence[Placed], run: Run) -> tuple[Origin, ...]:
    """Return the source of each named argument of a call, ``before`` being the steps that precede it."""
    tool = item.step.tool
    if tool is None or not isinstance(tool.arguments, dict):
        return ()
    named = list(tool.arguments.items())[:_MOST_ARGUMENTS]
    recent = before[-_LOOKED_BACK:]
    return tuple(_origin(str(name), value, recent, run) for name, value in named)


def _origin(name: str, value: Any, before: Sequence[Placed], run: Run) -> Origin:
    shown = clip(value if isinstance(value, str) else compact_json(value), 60)
    needle = _needle(value)
    if needle is None:
        return Origin(clip(name, 40), shown, "", "", "", unknown=False)
    for item in reversed(before):
        step = item.step
        if step.tool is not None and _holds(step.tool.result, needle):
            return Origin(clip(name, 40), shown, "result of step", item.key, str(step.index), unknown=False)
    if _holds(run.input, needle):
        return Origin(clip(name, 40), shown, "the request", "", "", unknown=False)
    for item in before:
        if _holds(item.step.input, needle) or (item.step.kind != "llm" and _holds(item.step.output, needle)):
            return Origin(clip(name, 40), shown, "said in step", item.key, str(item.step.index), unknown=False)
    return Origin(clip(name, 40), shown, "", "", "", unknown=_is_identifier(needle))


def _needle(value: Any) -> str | None:
    """Return the text to look for, or None where finding it would prove nothing."""
    if isinstance(value, bool) or value is None or isinstance(value, dict | list):
        return None
    text = (value if isinstance(value, str) else compact_json(value)).strip().lower()
    return text if _LEAST_LENGTH <= len(text) <= 200 else None


def _is_identifier(text: str) -> bool:
    """Tell whether a value is the kind that must come from somewhere: an id or long number, no date, no free text."""
    if _DATE.match(text) or not re.fullmatch(r"[\w.@-]{5,80}", text):
        return False
    digits = sum(letter.isdigit() for letter in text)
    return digits >= 6 or (digits >= 2 and any(letter.isalpha() for letter in text))


def _holds(text: str | None, needle: str) -> bool:
    return text is not None and needle in text.lower()
