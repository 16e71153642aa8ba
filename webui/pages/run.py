"""The page of one run: everything the template shows, decided here."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ingest.model import Run, Span, Trace
from webui.format import clip, plural, short_id, termination_word, tone

from .chain import Asked, Chain, ChainView, view_chain
from .links import trace_href
from .panel import TABS, Panel, Text, bounded_text, build_panel
from .steps import is_wrapper
from .story import Clause, tell_story
from .strip import Mention, Strip, draw_strip
from .verdict import Ident, RunTab, Verdict, identify, judge, run_tabs

ReadSpan = Callable[[bytes], Span | None]
"""Reads one stored span by its id."""


@dataclass(frozen=True, slots=True)
class Tab:
    """A tab of the panel."""

    name: str
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class RunPage:
    """Everything on the page of a run."""

    title: str
    ident: Ident
    verdict: Verdict
    story: tuple[tuple[Clause, str], ...]
    asked: Text | None
    answered: Text | None
    answered_word: str
    """What the words are: an answer, or the last that was said by a run without an end."""
    strip: Strip
    runs: tuple[RunTab, ...]
    chain: ChainView
    panel: Panel | None
    tabs: tuple[Tab, ...]
    why: str
    tone: str
    stop_detail: str
    hidden: str
    foot: tuple[str, ...]
    json_href: str
    refresh: bool


def build_run_page(trace: Trace, asked: Asked, read_span: ReadSpan, now_ns: int) -> RunPage | None:
    """Return the page of a run of a trace, or None where the trace has no run of that id."""
    run = _chosen_run(trace, asked.run)
    if run is None:
        return None
    chain = Chain(trace, run, asked)
    ident, verdict = identify(run, trace, now_ns), judge(run, chain.placed, now_ns)
    span = read_span(chain.placed[chain.at].step.span_id) if asked.panel == "raw" and chain.at is not None else None
    panel = _panel(chain, span)
    clauses = tell_story(run, chain.placed, chain.folds, chain.inner_failure)
    return RunPage(
        title=f"{short_id(trace.trace_id)} · {ident.agent} · {verdict.why}",
        ident=ident,
        verdict=verdict,
        story=tuple((clause, f"{chain.href(clause.key, clause.run)}#s-{clause.key}" if clause.key else "") for clause in clauses),
        asked=_said(run.input),
        answered=_said(run.output),
        answered_word="Answered" if run.ended_ns is not None else "So far" if run.status == "running" else "Said last",
        strip=_strip(chain, now_ns),
        runs=run_tabs(trace, run),
        chain=view_chain(chain),
        panel=panel,
        tabs=_tabs(chain),
        why=verdict.why,
        tone=verdict.tone,
        stop_detail=clip(run.termination.detail, 300),
        hidden=_hidden(run),
        foot=_foot(chain),
        json_href=f"/api/v1/traces/{trace.trace_id.hex()}",
        refresh=ident.live,
    )


def _panel(chain: Chain, span: Span | None) -> Panel | None:
    """Return the panel of the selected step; a sub-agent's also says what it was asked and answered."""
    if chain.at is None:
        return None
    panel = build_panel(chain.run, chain.placed, chain.at, chain.asked.panel, span)
    inner = next((run for run in chain.trace.runs if run.run_id == chain.placed[chain.at].step.run_id), None)
    if inner is None or panel.tab != "why":
        return panel
    said = ((inner.input, "Asked"), (inner.output, "Answered"))
    return replace(panel, texts=(*panel.texts, *(bounded_text(text, words=True, title=title) for text, title in said if text)))


def _chosen_run(trace: Trace, asked: str) -> Run | None:
    if not asked:
        return trace.runs[0] if trace.runs else None
    return next((run for run in trace.runs if run.run_id.hex() == asked), None)


def _said(text: str | None) -> Text | None:
    if not text:
        return None
    return Text(text[:2_000].strip(), f"first 2,000 of {len(text):,} characters" if len(text) > 2_000 else "", words=True)


def _hidden(run: Run) -> str:
    stack, number = list(run.steps), 0
    while stack:
        step = stack.pop()
        number += is_wrapper(step)
        stack.extend(step.children)
    return plural(number, "wrapper span") if number else ""


def _tabs(chain: Chain) -> tuple[Tab, ...]:
    if chain.at is None:
        return ()
    key, run = chain.placed[chain.at].key, chain.asked.run
    return tuple(
        Tab(
            word,
            f"{trace_href(chain.trace.trace_id, run=run, step=key, panel=None if tab == 'why' else tab)}#panel",
            tab == chain.asked.panel,
        )
        for tab, word in TABS
    )


def _strip(chain: Chain, now_ns: int) -> Strip:
    run = chain.run
    ends = [item.step.ended_ns for item in chain.placed]
    end = run.ended_ns if run.ended_ns is not None else max([*ends, run.started_ns])
    why = run.termination.reason
    ending = {"running": "still running", "completed": "completed"}.get(why, f"stopped: {termination_word(why)}")
    return draw_strip(
        chain.placed,
        (run.started_ns, max(end, *ends, run.started_ns) if ends else end),
        _mentions(chain),
        ending,
        tone(why) == "bad",
    )


def _mentions(chain: Chain) -> list[Mention]:
    mentions = []
    if chain.failure is not None:
        step = chain.failure.step
        mentions.append(Mention(step.started_ns, f"{step.index} first failure", "t-bad", needle=True))
    for fold in chain.folds:
        first, last = chain.placed[fold.start].step, chain.placed[fold.stop - 1].step
        mentions.append(Mention(first.started_ns, f"{first.index}–{last.index} repeats", "t-bad"))
    for item in chain.placed:
        step = item.step
        if step.kind in ("fallback", "breaker", "retry", "repair"):
            mentions.append(Mention(step.started_ns, f"{step.index} {step.kind}", "t-warn"))
        elif step.decision is not None and step.decision.source == "declared":
            mentions.append(Mention(step.started_ns, f"{step.index} {clip(step.decision.chosen, 16)}", "t-dec"))
    return mentions[:60]


def _foot(chain: Chain) -> tuple[str, ...]:
    trace = chain.trace
    parts = [f"{plural(trace.span_count, 'span')} in this trace"]
    if trace.orphan_steps:
        parts.append(f"{plural(len(trace.orphan_steps), 'step')} outside any run")
    derived = sum(1 for item in chain.placed if item.step.tool is not None and item.step.tool.source == "derived")
    if derived:
        parts.append(f"{plural(derived, 'tool call')} read from the model's messages: nobody opened a span for them")
    return tuple(parts)
