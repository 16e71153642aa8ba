"""Where the arguments of a tool call came from: the earlier result or words that a value occurs in, or nowhere."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ingest.dialects.values import TEXT_CHARS
from ingest.model import Run, Step
from webui.format import clip

from .steps import Placed, compact_json

_MOST_VALUES = 24
_LOOKED_BACK = 400
"""Steps before the call that are searched, the nearest first."""
_LEAST_LENGTH = 3
"""Shorter values occur everywhere by chance."""
_MOST_TOKENS = 20_000
"""Words of earlier results among which the nearest to a value from nowhere is looked for."""

_DATE = re.compile(r"\d{1,4}[-/.]\d\d?[-/.]\d\d?|\d\d?:\d\d|\d{4}-\d\d$")
_PLAIN = re.compile(r"#?[\w.@+:-]{5,80}")
_TOKEN = re.compile(r"[\w.@+-]{5,80}")
_ODD = re.compile(r"[^0-9a-z]")

Prompt = Callable[[], str]
"""Reads everything that the model was told when it made the call: instructions, messages, descriptions of tools."""


@dataclass(frozen=True, slots=True)
class Origin:
    """One value among the arguments of a call, and its source."""

    name: str
    value: str
    source: str
    """``result of step``, ``said in step``, ``the request``, ``the instructions``, or empty: nowhere, or too short to tell."""
    key: str
    index: str
    unknown: bool
    """True where the value is one that must come from somewhere, and was found nowhere before."""
    near: str = ""
    """The most similar value of an earlier result, for one from nowhere."""


@dataclass(frozen=True, slots=True)
class _Text:
    """A text that came before the call, lowered for the search."""

    source: str
    item: Placed | None
    text: str


def no_prompt() -> str:
    """Know of no prompt."""
    return ""


def trace_arguments(item: Placed, before: Sequence[Placed], run: Run, prompt: Prompt = no_prompt) -> tuple[Origin, ...]:
    """Return the source of each value of a call, ``before`` being the steps that precede it; ``prompt`` is read at need."""
    tool = item.step.tool
    if tool is None or not isinstance(tool.arguments, dict):
        return ()
    recent = before[-_LOOKED_BACK:]
    texts = list(_texts(recent, run))
    told = _Once(prompt)
    cut = len(recent) < len(before) or any(_is_cut(one.step) for one in recent) or len(run.input or "") >= TEXT_CHARS
    values = list(_leaves(tool.arguments))[:_MOST_VALUES]
    return tuple(_origin(name, value, texts, told, cut) for name, value in values)


class _Once:
    """Reads the prompt once, if at all."""

    def __init__(self, prompt: Prompt) -> None:
        self._prompt: Prompt = prompt
        self._text: str | None = None

    def text(self) -> str:
        if self._text is None:
            self._text = self._prompt().lower()
        return self._text


def _leaves(arguments: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield named values, those inside lists and maps by their place; what holds nothing but short text stays whole."""
    stack: list[tuple[str, Any, int]] = [(str(name), value, 0) for name, value in reversed(list(arguments.items())[:100])]
    while stack:
        name, value, depth = stack.pop()
        if isinstance(value, dict) and value and depth < 4:
            stack.extend((f"{name}.{key}", inner, depth + 1) for key, inner in reversed(list(value.items())[:50]))
        elif isinstance(value, list) and value and depth < 4:
            stack.extend((f"{name}[{n}]", inner, depth + 1) for n, inner in reversed(list(enumerate(value[:50]))))
        else:
            yield name, value


def _texts(before: Sequence[Placed], run: Run) -> Iterator[_Text]:
    """Yield what came before, the most telling first: results from the nearest on, the request, then what else was said."""
    for item in reversed(before):
        if item.step.tool is not None and (item.step.tool.result or item.step.tool.error):
            yield _Text("result of step", item, f"{item.step.tool.result or ''}\n{item.step.tool.error or ''}".lower())
    if run.input:
        yield _Text("the request", None, run.input.lower())
    for item in before:
        step = item.step
        said = f"{step.input or ''}\n{step.output or '' if step.kind != 'llm' and step.tool is None else ''}"
        if len(said) > 1:
            yield _Text("said in step", item, said.lower())


def _is_cut(step: Step) -> bool:
    """Tell whether a text of a step was kept up to its bound only, so that what is not in it may have been."""
    texts = (step.input, step.output, step.tool.result if step.tool is not None else None)
    return any(text is not None and len(text) >= TEXT_CHARS for text in texts)


def _origin(name: str, value: Any, texts: Sequence[_Text], told: _Once, cut: bool) -> Origin:
    name, shown = clip(name, 40), clip(value if isinstance(value, str) else compact_json(value), 60)
    needle = _needle(value)
    if needle is None:
        return Origin(name, shown, "", "", "", unknown=False)
    for one in texts:
        if needle in one.text:
            return _found(name, shown, one)
    if not _is_identifier(needle, isinstance(value, str)):
        return Origin(name, shown, "", "", "", unknown=False)
    bare = _ODD.sub("", needle)
    for one in texts:
        if bare in _ODD.sub("", one.text):
            return _found(name, shown, one)
    prompt = told.text()
    if needle in prompt or bare in _ODD.sub("", prompt):
        return Origin(name, shown, "the instructions", "", "", unknown=False)
    if cut and not prompt:
        return Origin(name, shown, "", "", "", unknown=False)
    near = _nearest(needle, texts)
    return Origin(name, shown, *(near[1:] if near else ("", "", "")), unknown=True, near=near[0] if near else "")


def _found(name: str, shown: str, text: _Text) -> Origin:
    key, index = (text.item.key, str(text.item.step.index)) if text.item is not None else ("", "")
    return Origin(name, shown, text.source, key, index, unknown=False)


def _needle(value: Any) -> str | None:
    """Return the text to look for, or None where finding it would prove nothing."""
    if isinstance(value, bool) or value is None or isinstance(value, dict | list):
        return None
    text = (value if isinstance(value, str) else compact_json(value)).strip().lower()
    return text if _LEAST_LENGTH <= len(text) <= 200 else None


def _is_identifier(text: str, quoted: bool) -> bool:
    """Tell whether a value is the kind that must come from somewhere: an id or long number, no date, address or free text.

    A number that was not ``quoted`` may be reckoned; one of six digits and more hardly is.
    """
    if _DATE.match(text) or not _PLAIN.fullmatch(text):
        return False
    digits = sum(letter.isdigit() for letter in text)
    if any(letter.isalpha() for letter in text):
        return digits >= 2
    return "." not in text and digits >= (5 if quoted else 6)


def _nearest(needle: str, texts: Sequence[_Text]) -> tuple[str, str, str, str] | None:
    """Return the most similar word of what came before, with its source: a hallucinated id is often a true one gone wrong."""
    known: dict[str, _Text] = {}
    for one in texts:
        for word in _TOKEN.findall(one.text):
            if abs(len(word) - len(needle)) <= 2:
                known.setdefault(word, one)
        if len(known) > _MOST_TOKENS:
            break
    close = get_close_matches(needle, known, 1, 0.75)
    if not close:
        return None
    found = _found("", "", known[close[0]])
    return close[0], found.source, found.key, found.index
