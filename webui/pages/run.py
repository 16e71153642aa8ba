"""The page of one run: everything the template shows, decided here."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ingest.chain.steps import in_order
from ingest.model import Run, Trace
from webui.format import clip, plural, short_id, stop_words, tone

from .chain import ChainView, view_chain
from .completeness import Completeness, judge_completeness
from .conversation import ConversationView, view_conversation
from .find import FindForm, Found, find_form, find_in
from .focus import Asked, Chain, main_run, top_run
from .graph import draw_graph
from .jumps import JumpGroup, find_jumps
from .laid import lay_out
from .links import compare_href, trace_href
from .lore import Lore, ReadSpan
from .panel import TABS, Panel, Text, bounded_text, build_panel
from .raw import RawView, view_raw
from .spent import SpentView, loop_cost, split_cost
from .steps import Placed
from .story import Clause, tell_story
from .strip import Mention, Strip, draw_strip, place_on
from .svg import Graph
from .timeline import Timeline, draw_timeline
from .verdict import Ident, RunTab, Verdict, identify, judge, run_tabs

VIEWS = (("chain", "Chain"), ("timeline", "Timeline"), ("graph", "Graph"), ("conversation", "Conversation"), ("raw", "Raw"))
"""The views of the same steps, in the order of their keys."""


@dataclass(frozen=True, slots=True)
class Tab:
    """A tab of the panel."""

    name: str
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class RunPage:
    """Everything on the page of a run."""

    run: Run
    title: str
    ident: Ident
    verdict: Verdict
    story: tuple[tuple[Clause, str], ...]
    asked: Text | None
    answered: Text | None
    answered_word: str
    """What the words are: an answer, or the last that was said by a run without an end."""
    strip: Strip
    spent: SpentView | None
    completeness: Completeness
    runs: tuple[RunTab, ...]
    view: str
    views: tuple[Tab, ...]
    jumps: tuple[JumpGroup, ...]
    find: FindForm
    found: Found | None
    chain: ChainView | None
    timeline: Timeline | None
    graph: Graph | None
    conversation: ConversationView | None
    raw: RawView | None
    panel: Panel | None
    tabs: tuple[Tab, ...]
    end_words: str
    tone: str
    stop_detail: str
    hidden: str
    foot: tuple[str, ...]
    json_href: str
    compare_href: str
    refresh: bool


def build_run_page(trace: Trace, asked: Asked, read_span: ReadSpan, now_ns: int, lore: Lore | None = None) -> RunPage | None:
    """Return the page of a run of a trace, or None where the trace has no run of that id. ``lore`` is what else can be asked."""
    run = _chosen_run(trace, asked)
    if run is None:
        return None
    lore = lore or Lore(read_span)
    asked = asked if asked.view in dict(VIEWS) else replace(asked, view="chain")
    chain = Chain(trace, run, asked, now_ns)
    ident, verdict = identify(run, trace, now_ns), judge(run, chain.placed, now_ns, lore.peers(run), loop_cost(chain))
    clauses = tell_story(run, chain.placed, chain.folds, chain.inner_failure)
    view = asked.view
    return RunPage(
        run=run,
        title=f"{short_id(trace.trace_id)} · {ident.agent} · {verdict.why}",
        ident=ident,
        verdict=verdict,
        story=tuple((clause, f"{chain.href(clause.key, clause.run)}#s-{clause.key}" if clause.key else "") for clause in clauses),
        asked=_said(run.input),
        answered=_said(run.output),
        answered_word="Answered" if run.ended_ns is not None else "So far" if run.status == "running" else "Said last",
        strip=_strip(chain),
        spent=split_cost(chain),
        completeness=judge_completeness(trace, run, now_ns),
        runs=run_tabs(trace, run),
        view=view,
        views=_views(chain),
        jumps=find_jumps(chain),
        find=find_form(chain),
        found=find_in(chain),
        chain=view_chain(chain) if view == "chain" else None,
        timeline=draw_timeline(chain, now_ns) if view == "timeline" else None,
        graph=draw_graph(chain) if view == "graph" else None,
        conversation=view_conversation(chain, lore) if view == "conversation" else None,
        raw=view_raw(chain, lore) if view == "raw" else None,
        panel=_panel(chain, lore) if view in _WITH_PANEL else None,
        tabs=_tabs(chain),
        end_words=chain.end_words()[0],
        tone=verdict.tone,
        stop_detail=clip(run.termination.detail, 300),
        hidden=_hidden(chain),
        foot=_foot(chain),
        json_href=f"/api/v1/traces/{trace.trace_id.hex()}",
        compare_href=compare_href(trace.trace_id),
        refresh=ident.live,
    )


_WITH_PANEL = ("chain", "timeline", "graph")


def _views(chain: Chain) -> tuple[Tab, ...]:
    asked = chain.asked
    state = {"run": asked.run, "step": asked.step, "panel": None if asked.panel == "why" else asked.panel}
    return tuple(
        Tab(name, trace_href(chain.trace.trace_id, **state, view=None if view == "chain" else view), view == asked.view)
        for view, name in VIEWS
    )


def _panel(chain: Chain, lore: Lore) -> Panel | None:
    """Return the panel of the selected step; a sub-agent's also says what it was asked and answered."""
    focus = chain.focus
    if focus is None:
        return None
    panel = build_panel(focus, chain.asked.panel, lore)
    inner = next((run for run in chain.trace.runs if run.run_id == focus.item.step.run_id), None)
    if inner is None or panel.tab != "why":
        return panel
    said = ((inner.input, "Asked"), (inner.output, "Answered"))
    return replace(panel, texts=(*panel.texts, *(bounded_text(text, words=True, title=title) for text, title in said if text)))


def _chosen_run(trace: Trace, asked: Asked) -> Run | None:
    """Return the run asked for, else the one around the step asked for, else the main one."""
    if asked.run:
        return next((run for run in trace.runs if run.run_id.hex() == asked.run), None)
    main = main_run(trace)
    digits = asked.step.partition(".")[0]
    if len(digits) != 16 or main is None or len(trace.runs) < 2:
        return main
    holder = next((run for run in trace.runs if any(step.span_id.hex() == digits for step in in_order(run.steps))), main)
    return top_run(trace, holder)


def _said(text: str | None) -> Text | None:
    if not text:
        return None
    return Text(text[:2_000].strip(), f"first 2,000 of {len(text):,} characters" if len(text) > 2_000 else "", words=True)


def _hidden(chain: Chain) -> str:
    number = len(in_order(chain.run.steps)) - len(chain.placed)
    return plural(number, "span") if number else ""


def _tabs(chain: Chain) -> tuple[Tab, ...]:
    if chain.focus is None:
        return ()
    asked = chain.asked
    state = {"run": asked.run, "step": chain.focus.item.key, "view": None if asked.view == "chain" else asked.view, "mode": asked.mode}
    return tuple(
        Tab(word, f"{trace_href(chain.trace.trace_id, **state, panel=None if tab == 'why' else tab)}#panel", tab == asked.panel)
        for tab, word in TABS
    )


def _strip(chain: Chain) -> Strip:
    run = chain.run
    why = run.termination.reason
    ending = {"running": "still running", "completed": "completed"}.get(why, f"s{stop_words(why)[1:]}")
    strip = draw_strip([*chain.placed, *_steps_inside(chain)], chain.interval, _mentions(chain), ending, tone(why) == "bad")
    return strip if chain.focus is None else replace(strip, selected=place_on(chain.focus.item.step.started_ns, chain.interval))


def _steps_inside(chain: Chain) -> Iterator[Placed]:
    """Yield the steps of the runs inside the shown one, which the strip draws over the sub-agents that took them."""
    inside = {chain.run.run_id}
    for run in chain.trace.runs:
        if run is not chain.run and run.parent_run_id in inside:
            inside.add(run.run_id)
            yield from (item for item in lay_out(run).placed if item.step.decision is None or item.step.kind != "decision")


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
