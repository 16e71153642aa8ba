"""A trace as lines of indented text: who ran, what it did step by step, what each step cost, and why it stopped."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.model import Decision, Run, Step, Trace, Usage
from webui.format import clock, cost, count, duration, plural, termination_word, tone
from webui.pages.steps import compact_json, is_wrapper

MOST_CHARS = 4_000
"""Of one text; its length is told where it is longer."""

_DEEPEST = 16
"""Indentation ends here: chains go on for thousands of levels."""


@dataclass(frozen=True, slots=True)
class Line:
    """One entry of the outline. Its text is whole and as it came: whoever shows it cuts and cleans it."""

    depth: int
    style: str
    """``run``, ``fact``, ``step``, ``thought``, ``said``, ``decision``, ``result``, ``error``, ``ok``, ``warn``, ``bad`` or ``live``."""
    text: str
    note: str = ""
    """Figures, set at the end of the first line."""
    span_id: bytes | None = None
    """The span that a step or a run begins with."""


def outline_trace(trace: Trace) -> Iterator[Line]:
    """Yield a trace's lines: runs that nobody called, each with those inside it, then what belongs to no run."""
    left = {run.run_id: run for run in trace.runs}
    yield Line(0, "fact", f"trace {trace.trace_id.hex()}  {trace.state}, {_spans_words(trace)}")
    # Those that somebody called come last: they are shown inside their callers, except where no step leads to them.
    for run in sorted(trace.runs, key=lambda run: run.parent_run_id in left):
        if left.pop(run.run_id, None) is not None:
            yield from _head(run, 0)
            yield from _outline_steps(run.steps, left, 1)
            yield from _foot(run, 0)
    if trace.orphan_steps:
        yield Line(0, "run", "steps of no run")
        yield from _outline_steps(trace.orphan_steps, left, 1)


def _spans_words(trace: Trace) -> str:
    words = plural(trace.span_count, "span")
    return f"{words}, {plural(trace.missing_parents, 'parent')} never arrived" if trace.missing_parents else words


def _head(run: Run, depth: int) -> Iterator[Line]:
    yield Line(depth, "run", run.agent or "unnamed agent", _run_figures(run), run.run_id)
    named = {"session": run.session_id, "user": run.user_id, **run.references}
    facts = [f"started {clock(run.started_ns)} UTC", *(f"{name} {value}" for name, value in named.items() if value)]
    yield Line(depth + 1, "fact", ", ".join(facts))
    if run.input:
        yield Line(depth + 1, "said", f"asked: {run.input}")


def _run_figures(run: Run) -> str:
    totals = run.totals
    length = duration(run.ended_ns - run.started_ns) if run.ended_ns is not None else "still open"
    calls = f"{plural(totals.llm_calls, 'model call')}, {plural(totals.tool_calls, 'tool call')}"
    return f"{length}, {calls}, {_tokens(totals.usage) or 'no tokens known'}, {cost(totals.cost_nanos, totals.unpriced_calls)}"


def _foot(run: Run, depth: int) -> Iterator[Line]:
    if run.output:
        yield Line(depth + 1, "said", f"answered: {run.output}")
    stop = run.termination
    why = f"stopped: {termination_word(stop.reason)} ({stop.source})" if stop.reason != "running" else "still running"
    yield Line(depth + 1, tone(stop.reason), f"{why}{': ' + stop.detail if stop.detail else ''}")


def _outline_steps(steps: Sequence[Step], left: dict[bytes, Run], depth: int) -> Iterator[Line]:
    """Yield steps with what is below them, and take the runs among that out of those left.

    A stack instead of recursion, since nothing bounds how deep spans lie.
    """
    stack: list[tuple[Step | Run, int]] = [(step, depth) for step in reversed(steps)]
    while stack:
        item, level = stack.pop()
        shown = min(level, _DEEPEST)
        if isinstance(item, Run):
            yield from _foot(item, shown - 1)
            continue
        if not is_wrapper(item):
            yield from _step(item, shown)
            level += 1
        below: list[tuple[Step | Run, int]] = [(child, level) for child in reversed(item.children)]
        inner = left.pop(item.run_id, None) if item.run_id else None
        if inner is not None:
            yield from list(_head(inner, shown + 1))[1:]
            below = [(inner, level + 1), *((child, level) for child in reversed(inner.steps)), *below]
        stack.extend(below)


def _step(step: Step, depth: int) -> Iterator[Line]:
    style = "error" if step.status == "error" else "step"
    yield Line(depth, style, f"{step.index:>3} {title_of(step)}", _step_figures(step), step.span_id)
    for style, label, text in _words(step):
        if text:
            yield Line(depth + 2, style, f"{label}{text}")
    if step.decision is not None:
        yield from _decision(step.decision, depth + 2)


def title_of(step: Step) -> str:
    """Return what a step is: its kind, its name and what it was called with."""
    if step.tool is not None:
        arguments = "" if step.tool.arguments is None else _text(step.tool.arguments)
        return f"{step.kind} {step.tool.name}({arguments}){' (from the messages)' if step.tool.source == 'derived' else ''}"
    if step.kind == "llm":
        return f"llm {step.model or step.name}"
    return f"{step.kind} {step.name}"


def _words(step: Step) -> Iterator[tuple[str, str, str | None]]:
    yield "thought", "thought: ", step.thought
    if step.tool is not None:
        yield "error" if step.status == "error" else "result", "-> ", step.tool.result
    elif step.kind == "agent":
        # Its run tells what it was asked and what it answered.
        return
    else:
        yield "said", "", step.output
    yield "error", "error: ", (step.tool.error if step.tool is not None else None) or step.error


def _decision(decision: Decision, depth: int) -> Iterator[Line]:
    others = [option.name for option in decision.alternatives if option.name != decision.chosen]
    over = f" over {', '.join(others)}" if others else ""
    reason = decision.because or next((option.because for option in decision.alternatives if option.name == decision.chosen), None)
    question = f"{decision.question} " if decision.question else ""
    yield Line(depth, "decision", f"decision ({decision.source}): {question}chose {decision.chosen}{over}")
    if reason:
        yield Line(depth + 1, "decision", f"because: {reason}")


def _step_figures(step: Step) -> str:
    figures = [duration(step.ended_ns - step.started_ns)] if step.ended_ns > step.started_ns else []
    if step.usage is not None:
        figures += [_tokens(step.usage) or "no tokens known", cost(step.cost_nanos, 0 if step.cost_nanos is not None else 1)]
    if step.finish_reason:
        figures.append(step.finish_reason)
    return ", ".join(figures)


def _tokens(usage: Usage) -> str:
    if usage.input_tokens is None and usage.output_tokens is None:
        return ""
    cached = f" ({count(usage.cache_read_tokens)} cached)" if usage.cache_read_tokens else ""
    return f"{count(usage.input_tokens)}{cached} in, {count(usage.output_tokens)} out"


def _text(value: object) -> str:
    return value if isinstance(value, str) else compact_json(value)


def cut(text: str) -> str:
    """Return a text up to the bound, and how long it is where that is longer."""
    return text if len(text) <= MOST_CHARS else f"{text[:MOST_CHARS]}… ({len(text):,} characters)"
