"""Words found in a run: which of its steps say them, and where."""

from collections.abc import Iterator
from dataclasses import dataclass

from ingest.model import Step
from webui.format import clip, plural

from .focus import Chain
from .links import trace_href
from .steps import compact_json, row_words

_MOST_SHOWN = 60
_AROUND = 50
"""Characters of a text that are shown before a hit."""


@dataclass(frozen=True, slots=True)
class FoundStep:
    """A step that says what was looked for."""

    href: str
    index: str
    name: str
    where: str
    before: str
    hit: str
    after: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a search in a run found."""

    words: str
    steps: tuple[FoundStep, ...]
    clear_href: str


@dataclass(frozen=True, slots=True)
class FindForm:
    """The search box: where it leads, what it holds, and the state that it keeps."""

    action: str
    text: str
    names: tuple[tuple[str, str], ...]


def find_form(chain: Chain) -> FindForm:
    """Return the search box of a run page."""
    asked = chain.asked
    state = {"run": asked.run, "step": asked.step, "view": "" if asked.view == "chain" else asked.view, "mode": asked.mode}
    names = tuple((name, value) for name, value in state.items() if value)
    return FindForm(trace_href(chain.trace.trace_id), asked.find, names)


def find_in(chain: Chain) -> Found | None:
    """Return the steps of a run that say the words asked for; None where nothing is, or where the view looks by itself."""
    asked = chain.asked
    if not asked.find or asked.view == "raw":
        return None
    wanted = asked.find.lower()
    hits: list[FoundStep] = []
    number = 0
    for item in chain.placed:
        found = _hit(item.step, wanted)
        if found is None:
            continue
        number += 1
        if len(hits) < _MOST_SHOWN:
            where, text, at = found
            hits.append(
                FoundStep(
                    f"{chain.href(item.key)}#s-{item.key}", str(item.step.index), row_words(item.step)[0], where,
                    f"{'…' if at > _AROUND else ''}{_flat(text[max(at - _AROUND, 0) : at])}", _flat(text[at : at + len(wanted)]),
                    _flat(text[at + len(wanted) : at + len(wanted) + 90]),
                )
            )  # fmt: skip
    more = f", the first {_MOST_SHOWN} listed" if number > _MOST_SHOWN else ""
    clear = trace_href(
        chain.trace.trace_id, run=asked.run, step=asked.step, view=None if asked.view == "chain" else asked.view, mode=asked.mode
    )
    said = f"{plural(number, 'step')} with “{clip(asked.find, 80)}”{more}" if number else f"No step says “{clip(asked.find, 80)}”"
    return Found(said, tuple(hits), clear)


def _flat(text: str) -> str:
    """Return a piece of a text on one line, with the spaces at its ends."""
    return f"{' ' if text[:1].isspace() else ''}{clip(text, 200)}{' ' if text[-1:].isspace() else ''}"


def _hit(step: Step, wanted: str) -> tuple[str, str, int] | None:
    """Return where a step says the words: the field, its text, and the place in it."""
    for where, text in _texts(step):
        at = text.lower().find(wanted)
        if at >= 0:
            return where, text, at
    return None


def _texts(step: Step) -> Iterator[tuple[str, str]]:
    tool, made = step.tool, step.decision
    yield "name", tool.name if tool else step.name
    if step.error:
        yield "error", step.error
    if tool is not None and tool.arguments is not None:
        yield "arguments", tool.arguments if isinstance(tool.arguments, str) else compact_json(tool.arguments)
    if tool is not None and tool.result:
        yield "result", tool.result
    for where, text in (("thought", step.thought), ("output", step.output), ("input", step.input), ("model", step.model)):
        if text:
            yield where, text
    if made is not None:
        yield "decision", f"{made.question or ''} {made.chosen} {made.because or ''}"
