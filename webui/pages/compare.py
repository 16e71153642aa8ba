"""Two runs side by side, opened where they first part."""

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.model import Trace
from webui.analysis.compare import Comparison
from webui.analysis.differences import Difference, Pair
from webui.analysis.nearest import Nearest
from webui.analysis.sequence import Side
from webui.format import UNKNOWN, clip, clock, cost, duration, plural, short_id, termination_word, tone

from .links import compare_href, person_href, trace_href
from .steps import arguments_line, look_of

_LEAD = 3
"""Pairs before the divergence that stay in sight."""
_SHOWN = 60
_MOST_FOLDED = 100
_TEXT = 200
_DIFFERENCES = 3


@dataclass(frozen=True, slots=True)
class RunHead:
    """One of the two runs."""

    letter: str
    agent: str
    agent_href: str
    id: str
    href: str
    started: str
    why: str
    tone: str
    version: str
    steps: str
    duration: str
    cost: str
    asked: str


@dataclass(frozen=True, slots=True)
class StepCell:
    """What one run did at a row."""

    index: str
    href: str
    look: str
    name: str
    kind: str
    text: str
    words: bool
    """True where the text is what a model said."""
    bad: bool
    inside: str
    """The sub-agent it happened in."""


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """One thing that differs in a row."""

    what: str
    a: str
    b: str
    material: bool


@dataclass(frozen=True, slots=True)
class PairRow:
    """One row: a step of both runs, or of one."""

    a: StepCell | None
    b: StepCell | None
    differences: tuple[DifferenceRow, ...]
    more: str
    look: str
    """``same``, ``soft``, ``hard`` or ``first``."""


@dataclass(frozen=True, slots=True)
class InputRow:
    """An input that differed."""

    kind: str
    a: str
    b: str
    where: str
    href: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A successful run to compare with."""

    id: str
    href: str
    started: str
    asked: str
    likeness: str
    why: str
    current: bool


@dataclass(frozen=True, slots=True)
class ComparePage:
    """The comparison of two runs."""

    a: RunHead
    b: RunHead
    parted: bool
    verdict: str
    verdict_note: str
    inputs: tuple[InputRow, ...]
    no_input: bool
    """True where they part though every input on record was the same."""
    before: tuple[PairRow, ...]
    before_words: str
    rows: tuple[PairRow, ...]
    more_words: str
    more_href: str
    first_href: str
    candidates: tuple[Candidate, ...]
    swap_href: str
    truncated: bool


def build_compare_page(found: Comparison, nearest: Sequence[Nearest], start: int, now_ns: int) -> ComparePage:
    """Return the page of a comparison; ``start`` is the pair from which on rows are shown, 0 for where they part."""
    first = found.first or 0
    begin = start or max(first - _LEAD, 0)
    end = min(begin + _SHOWN, len(found.pairs))
    rows = [_row(found, n) for n in range(begin, end)]
    folded = range(max(begin - _MOST_FOLDED, 0), begin)
    ids = found.a.trace_id, found.b.trace_id
    left = len(found.pairs) - end
    return ComparePage(
        a=_head("A", found.a, now_ns),
        b=_head("B", found.b, now_ns),
        parted=found.first is not None,
        verdict=_verdict(found),
        verdict_note=_verdict_note(found),
        inputs=tuple(_input_rows(found))[:6],
        no_input=found.first is not None and not found.inputs,
        before=tuple(_row(found, n) for n in folded),
        before_words=_before_words(found, begin),
        rows=tuple(rows),
        more_words=f"{plural(left, 'row')} after these" if left else "",
        more_href=compare_href(*ids, from_=end) if left else "",
        first_href=compare_href(*ids) if start else "",
        candidates=tuple(_candidate(one, *ids, now_ns) for one in nearest),
        swap_href=compare_href(ids[1], ids[0]),
        truncated=found.truncated,
    )


def _head(letter: str, trace: Trace, now_ns: int) -> RunHead:
    run = next(iter(trace.runs), None)
    href, short = trace_href(trace.trace_id), short_id(trace.trace_id)
    if run is None:
        return RunHead(letter, UNKNOWN, "", short, href, UNKNOWN, "no run", "warn", "", UNKNOWN, UNKNOWN, UNKNOWN, "")
    totals = run.totals
    return RunHead(
        letter=letter,
        agent=clip(run.agent, 60),
        agent_href=person_href("agents", run.agent),
        id=short,
        href=href,
        started=clock(run.started_ns, now_ns),
        why=termination_word(run.termination.reason),
        tone=tone(run.termination.reason),
        version=clip(run.version, 40),
        steps=plural(totals.steps, "step"),
        duration=duration(run.ended_ns - run.started_ns) if run.ended_ns is not None else UNKNOWN,
        cost=cost(totals.cost_nanos, totals.unpriced_calls),
        asked=clip(run.input, 200),
    )


def _verdict(found: Comparison) -> str:
    if found.first is None:
        return "No material difference"
    pair = found.pairs[found.first]
    side, letter = (pair.a, "A") if pair.a is not None else (pair.b, "B")
    return f"They part at step {side.step.index} of {letter}" if side is not None else "They part"


_SAYS = {
    "extra": "only A did this: {a}", "missing": "only B did this: {b}", "outcome": "A {a}, B {b}", "choice": "A chose {a}, B {b}",
    "arguments": "A passed {a}, B {b}", "result": "A was answered {a}, B {b}", "model": "A asked {a}, B {b}",
    "prompt": "A was asked {a}, B {b}", "options": "they were offered different tools", "ending": "A ended {a}, B {b}",
    "answer": "A answered {a}, B {b}",
}  # fmt: skip


def _verdict_note(found: Comparison) -> str:
    if found.first is None:
        soft = sum(1 for pair in found.pairs if pair.differences)
        also = f"; {plural(soft, 'step')} said or were told other values, and nothing came of it" if soft else ""
        return f"Both took the same {plural(len(found.pairs), 'step')} with the same choices, arguments and outcomes{also}."
    pair = found.pairs[found.first]
    side = pair.a or pair.b
    name = side.name if side is not None else ""
    said = [_say(one) for one in pair.differences if one.material] or [_say(one) for one in pair.differences[:1]]
    later = ""
    if found.shows is not None:
        shown = found.pairs[found.shows]
        at = shown.a or shown.b
        later = f" It shows at step {at.step.index}, {clip(at.name, 40)}." if at is not None else ""
    return f"{clip(name, 60)}: {'; '.join(said[:3]) or 'the answer went on into what they said'}.{later}"


def _say(one: Difference) -> str:
    where = f"{clip(one.path, 40)} " if one.path else ""
    return _SAYS.get(one.what, one.what).format(a=where + (clip(one.a, 80) or "nothing"), b=clip(one.b, 80) or "nothing")


def _before_words(found: Comparison, begin: int) -> str:
    if not begin:
        return ""
    unlike = sum(1 for pair in found.pairs[:begin] if pair.is_material)
    words = f"{plural(begin, 'row')} before, {'the same in both' if not unlike else f'{unlike:,} of them different'}"
    return words if begin <= _MOST_FOLDED else f"{words}; the last {_MOST_FOLDED} are listed"


def _row(found: Comparison, n: int) -> PairRow:
    pair = found.pairs[n]
    look = "first" if n == found.first else "hard" if pair.is_material else "soft" if pair.differences else "same"
    told = [one for one in pair.differences if one.what not in ("extra", "missing")]
    return PairRow(
        a=_cell(pair.a, found.a),
        b=_cell(pair.b, found.b),
        differences=tuple(_difference_row(one) for one in told[:_DIFFERENCES]),
        more=_more_words(len(told) - _DIFFERENCES) if len(told) > _DIFFERENCES else "",
        look=look,
    )


def _difference_row(one: Difference) -> DifferenceRow:
    ending = one.what == "ending"
    a, b = (termination_word(text) if ending else clip(text, _TEXT) or "–" for text in (one.a, one.b))
    return DifferenceRow(f"{one.what} {clip(one.path, 60)}".strip(), a, b, one.material)


def _cell(side: Side | None, trace: Trace) -> StepCell | None:
    if side is None:
        return None
    step = side.step
    main = trace.runs[0] if trace.runs else None
    nested = main is not None and side.run is not main
    said = step.thought or step.output or ""
    text, words = (arguments_line(step.tool.arguments), False) if step.tool is not None else (clip(said, 160), step.kind != "guardrail")
    if step.status == "error":
        text, words = clip(step.error, 160) or "failed", False
    return StepCell(
        index=str(step.index),
        href=trace_href(trace.trace_id, run=side.run.run_id.hex() if nested else None, step=step.span_id.hex()),
        look=look_of(step),
        name=clip(side.name, 60),
        kind={"llm": "model"}.get(step.kind, step.kind),
        text=text,
        words=words,
        bad=step.status == "error",
        inside=clip(side.run.agent, 30) if nested else "",
    )


def _input_rows(found: Comparison) -> Sequence[InputRow]:
    rows = []
    for one in found.inputs:
        pair: Pair | None = found.pairs[one.pair] if one.pair is not None else None
        cell = _cell(pair.a, found.a) or _cell(pair.b, found.b) if pair is not None else None
        where = f"step {cell.index}, {cell.name}" if cell is not None else "the whole run"
        path = f" {clip(one.path, 40)}" if one.path else ""
        rows.append(InputRow(one.kind + path, clip(one.a, _TEXT) or "–", clip(one.b, _TEXT) or "–", where, cell.href if cell else ""))
    return rows


def _more_words(left: int) -> str:
    return f"{plural(left, 'more value')} {'differs' if left == 1 else 'differ'}"


def _candidate(one: Nearest, ours: bytes, shown: bytes, now_ns: int) -> Candidate:
    summary = one.summary
    return Candidate(
        id=short_id(summary.trace_id),
        href=compare_href(ours, summary.trace_id),
        started=clock(summary.started_ns, now_ns),
        asked=clip(summary.input, 120),
        likeness=f"{100 * one.likeness:.0f} %",
        why=", ".join(one.why),
        current=summary.trace_id == shown,
    )

